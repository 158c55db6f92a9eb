"""Sizes of a kernel's structures, from its types, and a VMA's members in every configuration."""
