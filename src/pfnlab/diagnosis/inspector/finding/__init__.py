"""The findings: what is wrong on a machine, each with the lines that show it.

Owners decide, not geometry: entries that nest, overlap or repeat are normal, and so are entries of firmware
and platform that no process maps.
"""
