"""More of the memory code: parts to skip on a first reading."""
