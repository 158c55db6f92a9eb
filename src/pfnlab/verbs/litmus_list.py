"""Every program: its name and its question, by section."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import AsJson, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.programs.lang.library_list import LibraryList

EXAMPLES = (
    ("pfnlab litmus list --grep fork", "Programs with this word in name, question or text"),
    ("pfnlab litmus list --section Unmapping", "Those of one section"),
)


class LitmusRequest(Request, frozen=True, kw_only=True):
    grep: Annotated[str | None, Option("Only those with this word in name, question or text.", "WORD")] = None
    section: Annotated[str | None, Option("Only those of one section, as Unmapping or vfio.", "S")] = None
    as_json: AsJson = False


def perform(request: LitmusRequest, say: Say) -> Iterator[LibraryList]:
    """The programs that were asked for; Misuse if there is no such section, or none (JSON may say none)."""
    from pfnlab.base.units import number_of
    from pfnlab.programs.lang.library_list import LibraryList, chosen_entries

    entries = chosen_entries(request.grep, request.section)
    if not entries and not request.as_json:
        raise Misuse(f"no program has {request.grep!r} in it: `pfnlab litmus list` has all")
    yield LibraryList(programs=tuple(entries))
    if not request.as_json:
        say(f"{number_of(len(entries), 'program')}; pfnlab run NAME, pfnlab litmus show NAME")
