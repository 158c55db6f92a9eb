"""Evidence: what the project's claims rest on, and how to ask again. The package imports none of it."""
