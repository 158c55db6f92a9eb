"""A bug shown by its programs: on a machine that has it, on one that does not, and on those you name.

The first step in which the two part is its sign; a machine is broken where it answers that as the first does.
Exit codes: 0 all is as the bug's dates have it, 1 something is not, 3 a machine could not tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import BUG, AccelOf, AsJson, LookOf, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.hunt.meeting.bug_shown import BugRunResult

EXAMPLES = (
    ("pfnlab bugs run CVE-2024-35877", "The bug on the model before its repair, and on the one after it"),
    ("pfnlab bugs run A06 --on model:6.12 --on model:7.3", "Whether two more machines have it"),
    ("pfnlab bugs run A06 --on qemu:6.12", "The same asked of a kernel"),
)


class BugRunRequest(Request, frozen=True, kw_only=True):
    bug: Annotated[str, BUG]
    on: Annotated[tuple[str, ...], Option("A machine more, as for run; several times.", "MACHINE")] = ()
    accel: AccelOf = "tcg"
    look: LookOf = None
    as_json: AsJson = False


def perform(request: BugRunRequest, say: Say) -> Iterator[BugRunResult]:
    """Run the programs that show the bug; Misuse if there is no such bug or machine, or no program."""
    from pfnlab.hunt.meeting.bug_shown import show_bug
    from pfnlab.kernel.bugs.here import bug_called
    from pfnlab.programs.runs.look import look_named
    from pfnlab.programs.runs.machine import accel_named

    look = None if request.look is None else look_named(request.look)
    yield show_bug(bug_called(request.bug), request.on, look=look, accel=accel_named(request.accel))
