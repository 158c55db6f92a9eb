"""The findings: what is wrong on a machine, each with its lines as evidence.

Owners decide, not geometry: entries that nest, overlap or repeat are normal, and so are entries of firmware
and platform that no process has.
"""
