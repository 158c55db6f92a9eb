"""Predict recorded behaviour of real kernels and count what the model gets right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from pfnlab.verbs.option import AsJson, JobsOf, Option, Say

if TYPE_CHECKING:
    from pfnlab.programs.recorded.matrix import MatrixResult

EXAMPLES = (
    ("pfnlab matrix tests/recorded/cases.jsonl", "How many recorded answers the model predicts"),
    ("pfnlab matrix --json tests/recorded/order.jsonl", "The same as JSON"),
    ("pfnlab matrix tests/recorded/cases.jsonl --jobs 1", "In one process: it takes longest"),
)


class MatrixRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of a prediction: files of recorded cases."""

    files: Annotated[tuple[Path, ...], Option("Recorded cases.", "FILE.jsonl", positional=True)]
    jobs: JobsOf = None
    as_json: AsJson = False


def perform(request: MatrixRequest, say: Say) -> Iterator[MatrixResult]:
    """Predict the cases of all files together."""
    from pfnlab.programs.recorded.matrix import predict_files
    from pfnlab.progress import working

    with working("predicting recorded cases") as work:
        yield predict_files(request.files, request.jobs, work)
