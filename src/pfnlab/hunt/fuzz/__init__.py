"""Random programs on several machines at once: differences are repeated, shrunk and filed."""
