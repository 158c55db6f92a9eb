"""The inspector: what one machine has mapped and reserved, joined with its owners, and what is wrong with it.

A snapshot (:mod:`.host_snapshot`) comes from many sources (``sources/``); its readers do not know which.
"""
