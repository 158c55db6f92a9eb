"""Sizes of a kernel's structures, from its types, and the members of a VMA in every configuration."""
