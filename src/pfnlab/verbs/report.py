"""Make one report of results: a file that needs nothing else, what was found first.

Results are what run, check, matrix, review, kernels meet, kernels diff, fuzz, try and replay
print with --json, and folders of findings. What was found comes first.
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
        Option("What a verb printed with --json; the folder of a finding.", "RESULT", positional=True),
    ]
    output: ReportFile = None
    form: ReportForm = None
    title: ReportTitle = None


def perform(request: ReportRequest, say: Say) -> Iterator[PlainText]:
    """Read the results, and write their document; Misuse if one is no result, or is the output too."""
    from pfnlab.base.files import check_output
    from pfnlab.present.document.compose import document_of, writer_of
    from pfnlab.present.document.part import part_of
    from pfnlab.present.document.read import files_of, read_results

    writer = writer_of(request.form, request.output)
    check_output(request.output, files_of(request.results))
    parts = [part_of(result) for result in read_results(request.results)]
    yield PlainText(writer(document_of(parts, request.title)))
