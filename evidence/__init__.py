"""Evidence: what the project's claims rest on, and how to reproduce it. The package imports none of it."""
