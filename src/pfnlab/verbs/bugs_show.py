"""One bug: what happens, since when and until when, how to trigger it, and what shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import BUG, AsJson, Request, Say

if TYPE_CHECKING:
    from pfnlab.present.report.bug_entry import BugEntry

EXAMPLES = (
    ("pfnlab bugs show A06", "All that is known of one bug, with its sources"),
    ("pfnlab bugs show CVE-2024-35877", "The one that has this number"),
)


class BugRequest(Request, frozen=True, kw_only=True):
    bug: Annotated[str, BUG]
    as_json: AsJson = False


def perform(request: BugRequest, say: Say) -> Iterator[BugEntry]:
    """The bug; Misuse if there is none of that name."""
    from pfnlab.kernel.bugs.here import bug_called
    from pfnlab.present.report.bug_entry import BugEntry

    yield BugEntry.of(bug_called(request.bug))
