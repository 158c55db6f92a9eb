"""Callers in the kernel that take entries out of mappings which stay: the page ``docs/callers.md``."""
