"""Sources: the places a snapshot is taken from, a live root, a bundle, a report's folder or archive.

``origins.py`` opens each by its content; ``pfnlab-collect.sh`` beside this room writes a bundle without
Python.
"""
