"""More of the memory core: what a first reading can leave out."""
