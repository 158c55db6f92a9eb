"""Parsing: the text files of one machine, whatever holds them, as a snapshot.

``text_files.py`` says how files are asked for; ``assembly.py`` makes the snapshot; the others know one form
each.
"""
