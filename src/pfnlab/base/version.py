"""The version of pfnlab, in the one place that says it: packages, pages and results take it from here."""

#: The last release, or the one that is being made.
VERSION = "0.2.0"
