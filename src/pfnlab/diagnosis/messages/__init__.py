"""The messages: lines about PFN mappings that kernels and tools print, extracted from any paste.

A family (``families/*.toml``) is one kind of message: its wordings by version, its meaning, and what to do.
"""
