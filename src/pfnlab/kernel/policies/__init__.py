"""Differences between kernels: profiles of switches, and the seams (tracker, flush, walker)."""

#: The folder of each seam's policies, by the seam's name in the name of a machine.
FOLDERS = {"tracker": "trackers", "flush": "flushes", "walker": "walkers"}

#: The seam of each folder.
SEAM_OF = {folder: seam for seam, folder in FOLDERS.items()}
