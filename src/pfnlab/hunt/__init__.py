"""Bug hunting: compare many programs on several machines, random, enumerated or from the library."""
