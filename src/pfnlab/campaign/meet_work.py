"""Meeting a kernel as a shard: all comparisons of one kernel with the model of its version."""

from __future__ import annotations

import msgspec

from pfnlab.base.units import number_of
from pfnlab.campaign.shard import ShardResults
from pfnlab.campaign.store.rows import StoredResult
from pfnlab.hunt.meeting.by_name import meet_named, named_kernel
from pfnlab.hunt.meeting.holding import PROGRAMS, SEED, Programs
from pfnlab.hunt.meeting.meet import Explained, Meeting
from pfnlab.programs.lang.printer import format_program


class MeetWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard that meets a kernel.

    :param kernel: a version, a bzImage, or the name of a kernel that was built here
    :param profile: the version of the model, where it is another; empty for the kernel's own
    :param programs: how many random programs
    """

    kernel: str
    profile: str = ""
    programs: int = PROGRAMS
    seed: int = SEED


def meet_shard(work: MeetWork) -> ShardResults:
    """Meet the kernel."""
    named = named_kernel(work.kernel)
    programs = Programs.of(None, work.programs, work.seed)
    meeting = meet_named(named, programs, profile=work.profile or None)
    results = [_run_result(work, meeting), *(_difference(meeting, explained) for explained in meeting.found)]
    results += [
        StoredResult(
            kind="difference", task="meet", machines=meeting.machines, verdict="unstable", says=unstable
        )
        for unstable in meeting.unstable
    ]
    kernels = dict(zip(meeting.machines, (meeting.against, named.words), strict=True))
    return ShardResults(results=tuple(results), kernels=kernels, seed=work.seed, programs=meeting.programs)


def _run_result(work: MeetWork, meeting: Meeting) -> StoredResult:
    return StoredResult(
        kind="run",
        task="meet",
        machines=meeting.machines,
        verdict=_verdict(meeting),
        subject=meeting.version,
        says=f"{number_of(meeting.programs, 'program')}, {number_of(len(meeting.found), 'difference')}",
        detail={"work": msgspec.to_builtins(work), "held": msgspec.to_builtins(meeting.held)},
    )


def _verdict(meeting: Meeting) -> str:
    """That of the run: what did not show again decides nothing."""
    if meeting.found:
        return "differs"
    return "undecided" if meeting.unstable else "agrees"


def _difference(meeting: Meeting, explained: Explained) -> StoredResult:
    difference = explained.difference
    return StoredResult(
        kind="difference",
        task="meet",
        machines=meeting.machines,
        verdict="differs",
        subject=difference.signature.key,
        program=format_program(difference.program),
        says=str(difference.signature),
        detail={
            "signature": msgspec.to_builtins(difference.signature),
            "explanations": [list(explanation.changes) for explanation in explained.explanations],
        },
    )
