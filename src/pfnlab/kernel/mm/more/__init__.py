"""More of the memory core: parts to skip on a first reading."""
