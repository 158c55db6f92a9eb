"""The differences between kernels: profiles of switches, and one policy per seam (tracker, flush, walker)."""

#: The folder that holds each seam's policies, by the seam's name in machine names.
FOLDERS = {"tracker": "trackers", "flush": "flushes", "walker": "walkers"}

#: The seam that each folder belongs to.
SEAM_OF = {folder: seam for seam, folder in FOLDERS.items()}
