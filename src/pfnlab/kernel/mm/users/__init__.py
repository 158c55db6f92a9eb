"""Where PFN mappings come from: the files that a program can map (S9)."""
