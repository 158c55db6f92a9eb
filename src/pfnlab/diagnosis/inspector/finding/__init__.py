"""The findings: what is wrong on a machine, each with the lines that show it.

What matters is who owns an entry, not its shape: nested, overlapping and repeated entries are normal, and so
are firmware and platform entries that no process maps.
"""
