"""Bug hunting: compare many random, enumerated or library programs on several machines."""
