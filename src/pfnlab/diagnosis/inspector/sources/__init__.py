"""Sources: a snapshot comes from a live root, a bundle, or the folder or archive of a report.

``origins.py`` detects each by its content. ``pfnlab-collect.sh`` in this folder writes a bundle without
needing Python, and ``pfnlab-redact.awk`` redacts both.
"""
