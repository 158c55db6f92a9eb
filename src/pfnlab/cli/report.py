"""``pfnlab report``: results as one file, for a browser or a mail."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pfnlab.document.compose import document_of
from pfnlab.document.html import html
from pfnlab.document.mail import mail
from pfnlab.document.read import files_of, read_results
from pfnlab.errors import Misuse
from pfnlab.files import check_output, write_output

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

    :raises Misuse: a file is no result, the form is unknown, or the output is one of the results
    """
    form = request.form or form_of(request.output)
    if form not in FORMS:
        raise Misuse(f"there is no format {form!r}: write --format {'|'.join(FORMS)}")
    check_output(request.output, files_of(request.results))
    parts = [result.part for result in read_results(request.results)]
    write_output(request.output, FORMS[form](document_of(parts, request.title)))
    return 0


def form_of(output: Path | None) -> str:
    """The form that the name of a file asks for: Markdown for ``.md`` and ``.txt``, else HTML."""
    return "md" if output is not None and output.suffix.lower() in (".md", ".txt") else "html"
