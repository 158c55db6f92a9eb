"""The sources of PFN mappings: the files that a program can map (S9)."""
