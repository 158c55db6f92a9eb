"""Random programs on several machines at once: what differs is repeated, shrunk and filed."""
