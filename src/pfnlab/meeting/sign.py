"""The sign that tells two runs of a program apart: the first step in which they part, as a user sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pfnlab.programs.runs.compare import Difference, differences
from pfnlab.programs.runs.observation import Run

#: The fields of a step that a user sees: what a call returns, what memory gives, the log, the list.
USER_FIELDS = ("result", "value", "log", "book")

#: Those of /proc and of memory: counters, entries, flushes. Last comes the order of calls.
_INSIDE = ("vmas", "ptes", "prots", "direct_map", "tracked", "flushes", "levels")
_CALLS = ("events",)

#: The word for a third run: like the first of the two, like the other, like none, or nobody knows.
SignWord = Literal["before", "after", "neither", "undecided"]


def sign_of(before: Run, after: Run, field: str = "") -> tuple[Difference, ...]:
    """The fields of the first step in which two runs part; none where they are the same.

    What a user sees is looked at first, in all steps; then entries, flushes and what the kernel has inside.

    :param field: the only one that is looked at; empty for all
    """
    for fields in ((field,),) if field else (USER_FIELDS, _INSIDE, _CALLS):
        found = differences([before, after], fields)
        if found:
            return tuple(one for one in found if one.step == found[0].step)
    return ()


def sign_word(sign: Sequence[Difference], before: Run, after: Run, run: Run) -> SignWord:
    """Which of two runs *run* answers like in the step of their sign.

    A field that cannot be seen on the machine tells nothing.
    """
    step = sign[0].step if sign else None
    if step is None or step >= len(run.steps):
        return "undecided"
    seen = [
        one.field for one in sign if one.field == "value" or getattr(run.steps[step], one.field) is not None
    ]
    same_before, same_after = (not _differ(run, other, step, seen) for other in (before, after))
    if not seen or (same_before and same_after):
        return "undecided"
    return "before" if same_before else "after" if same_after else "neither"


def _differ(run: Run, other: Run, step: int, fields: Sequence[str]) -> bool:
    return any(one.step == step for one in differences([run, other], fields))
