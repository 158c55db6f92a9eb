"""The sizes of a kernel's structures, as its types say them, and a VMA's members in every configuration."""
