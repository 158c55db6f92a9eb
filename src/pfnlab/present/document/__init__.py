"""The document: results of any verb as one file, HTML or Markdown, and summarized in a terminal.

``read.py`` reads the results, by the ``format`` that each names. The modules ``*_part.py`` turn each kind of
result into the blocks of ``blocks.py``, ``compose.py`` combines parts, and ``html.py`` and ``mail.py`` write
blocks of any kind.
"""
