"""Single definition of the version of pfnlab: packages, pages and results take it from here."""

#: The last release, or the one in preparation.
VERSION = "0.2.0"
