"""The document: results of any verb as one file, HTML or Markdown, and at a glance in a terminal.

``read.py`` takes the results in, by the ``format`` each of them names; the modules ``*_part.py`` say what is
to be read of each kind, as the blocks of ``blocks.py``; ``compose.py`` puts parts together; ``html.py`` and
``mail.py`` write blocks and know nothing of kinds.
"""
