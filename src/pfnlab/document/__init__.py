"""The document: results of any verb as one file, HTML for a browser or Markdown for a mail.

``read.py`` takes the results in, by the ``format`` each of them names; the modules of ``parts/`` say what is
to be read of each kind, as the blocks of ``blocks.py``; ``html.py`` and ``mail.py`` write blocks and know
nothing of kinds.
"""

from pfnlab.document.compose import document_of
from pfnlab.document.html import html
from pfnlab.document.mail import mail
from pfnlab.document.read import Result, read_results, result_of

__all__ = ["Result", "document_of", "html", "mail", "read_results", "result_of"]
