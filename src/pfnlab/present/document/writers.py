"""The writers of a document as a file, by the name of the form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.present.document.blocks import Document
from pfnlab.present.document.html import html
from pfnlab.present.document.mail import mail

WRITERS: dict[str, Callable[[Document], str]] = {"html": html, "md": mail}


def writer_of(form: str | None, output: Path | None) -> Callable[[Document], str]:
    """The writer of documents in a form.

    :param form: html or md; None for Markdown where *output* ends in ``.md`` or ``.txt``, else for HTML
    :param output: the file; None for standard output
    :raises Misuse: there is no such form
    """
    by_name = "md" if output is not None and output.suffix.lower() in (".md", ".txt") else "html"
    chosen = form or by_name
    if chosen not in WRITERS:
        raise Misuse(f"there is no format {chosen!r}: write --format {'|'.join(WRITERS)}")
    return WRITERS[chosen]
