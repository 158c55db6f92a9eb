"""The output of ``pfnlab kernels meet`` and ``diff``."""

from __future__ import annotations

from collections.abc import Iterable

from pfnlab.document.compose import document_of
from pfnlab.document.mail import mail
from pfnlab.document.parts.meeting import part
from pfnlab.errors import Misuse
from pfnlab.meeting.meet import MeetingResult
from pfnlab.verbs.kernels_diff import DiffRequest
from pfnlab.verbs.kernels_meet import MeetRequest, Unmet


def show_meetings(request: MeetRequest | DiffRequest, results: Iterable[MeetingResult | Unmet]) -> None:
    """Print the page of each kernel that was met, or append it to a file.

    :raises Misuse: the file cannot be written
    """
    for result in results:
        if isinstance(result, Unmet):
            continue
        text = f"{result.as_json()}\n" if request.as_json else mail(document_of([part(result)]))
        if request.output is None:
            print(text, end="")
            continue
        try:
            with request.output.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as trouble:
            raise Misuse(f"{request.output} cannot be written: {trouble}") from trouble
