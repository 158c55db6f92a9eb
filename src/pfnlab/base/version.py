"""The one definition of pfnlab's version: packages, pages and results take it from here."""

#: The last release, or the one being prepared.
VERSION = "0.2.0"
