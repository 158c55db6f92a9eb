"""Callers in the kernel that remove entries from mappings that stay: the page ``docs/callers.md``."""
