"""Sizes of a kernel's structures, taken from its types, and the members of a VMA in every configuration."""
