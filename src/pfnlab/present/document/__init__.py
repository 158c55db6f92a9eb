"""The document: the results of any verb as one HTML or Markdown file, and a summary for the terminal.

``read.py`` reads the results, each according to its ``format``. The modules ``*_part.py`` turn each kind of
result into the blocks defined in ``blocks.py``, ``compose.py`` combines parts, and ``html.py`` and
``mail.py`` can write any kind of block.
"""
