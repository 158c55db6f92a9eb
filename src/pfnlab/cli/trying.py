"""The output of ``pfnlab try``."""

from __future__ import annotations

from collections.abc import Iterable

from pfnlab.document.compose import document_of
from pfnlab.document.mail import mail
from pfnlab.document.parts.trial import part
from pfnlab.files import write_output
from pfnlab.meeting.trial import TrialResult
from pfnlab.verbs.try_ import TryRequest


def show_trials(request: TryRequest, results: Iterable[TrialResult]) -> None:
    """Print the report, or write it to a file."""
    for result in results:
        text = f"{result.as_json()}\n" if request.as_json else mail(document_of([part(result)]))
        write_output(request.output, text)
