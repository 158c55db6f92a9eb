"""Combine results into one self-contained report, findings first.

Results are the --json output of run, check, matrix, review, kernels meet, kernels diff, fuzz, try and replay,
and folders of findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, ReportFile, ReportForm, ReportTitle, Request, Say


class ReportRequest(Request, frozen=True, kw_only=True):
    results: Annotated[
        tuple[Path, ...],
        Option("JSON output of a verb, or the folder of a finding.", "RESULT", positional=True),
    ]
    output: ReportFile = None
    form: ReportForm = None
    title: ReportTitle = None


def perform(request: ReportRequest, say: Say) -> Iterator[PlainText]:
    """Read the results, and write the document; Misuse if one is not a result, or is also the output."""
    from pfnlab.base.files import check_output
    from pfnlab.present.document.compose import document_of, writer_of
    from pfnlab.present.document.part import part_of
    from pfnlab.present.document.read import files_of, read_results

    writer = writer_of(request.form, request.output)
    check_output(request.output, files_of(request.results))
    parts = [part_of(result) for result in read_results(request.results)]
    yield PlainText(writer(document_of(parts, request.title)))
