"""``pfnlab report``: results as one file, for a browser or a mail."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pfnlab.document import document_of, html, mail, read_results
from pfnlab.document.blocks import Document
from pfnlab.errors import Misuse
from pfnlab.files import cannot_write

#: Who writes a document, by the name of the form.
FORMS = {"html": html, "md": mail}


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the command line.

    :param form: html or md; None for what the name of *output* ends in, else html
    :param output: the file; None for standard output
    """

    results: tuple[Path, ...]
    output: Path | None = None
    form: str | None = None
    title: str | None = None


def report(request: ReportRequest) -> int:
    """Read, compose, write; 0.

    :raises Misuse: a file is no result, or the form is unknown
    """
    form = request.form or _form_of(request.output)
    if form not in FORMS:
        raise Misuse(f"there is no form {form}: write {' or '.join(FORMS)}")
    document = document_of(read_results(request.results), request.title)
    write_document(document, form, request.output)
    return 0


def write_document(document: Document, form: str, output: Path | None) -> None:
    """Write a document to a file, or to standard output.

    :raises Misuse: the file cannot be written
    :raises Undecided: the disk is full or fails
    """
    text = FORMS[form](document)
    if output is None:
        print(text, end="")
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as trouble:
        raise cannot_write(output, trouble, "name another file with -o") from trouble


def _form_of(output: Path | None) -> str:
    return "md" if output is not None and output.suffix.lower() in (".md", ".txt") else "html"
