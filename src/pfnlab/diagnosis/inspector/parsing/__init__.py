"""Parsing: the text files of one machine, however stored, as a snapshot.

``text_files.py`` defines how files are read, ``assembly.py`` makes the snapshot, and every other module
handles one format.
"""
