"""The users of PFN mappings: the files a program can map (S9)."""
