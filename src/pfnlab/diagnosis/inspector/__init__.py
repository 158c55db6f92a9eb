"""The inspector: mappings and reservations of one machine, joined with their owners, and its findings.

A snapshot (:mod:`.host_snapshot`) comes from one of many sources (``sources/``); its readers do not know
which.
"""
