"""The sign that distinguishes two runs of a program: the first step in which they visibly diverge.

A kernel that ends in a step, while another continues, is a sign as well.
"""

from collections.abc import Sequence
from typing import Literal

from pfnlab.base.errors import Why
from pfnlab.programs.runs.cells import cell
from pfnlab.programs.runs.compare import Difference, SeenValue, differences
from pfnlab.programs.runs.observation import Run

#: The fields of a step that are visible to user space: results, values, the log, the memtype list.
USER_FIELDS = ("result", "value", "log", "book")

#: Those read from /proc and memory: counters, entries, flushes. The order of calls comes last.
_INSIDE = ("vmas", "ptes", "prots", "direct_map", "tracked", "flushes", "levels")
_CALLS = ("events",)

#: The field that represents the end of a kernel, and its words.
END = "end"
_ENDS, _GOES_ON = "the kernel ends", "the kernel continues"

#: The word for a third run: like the first of the two, like the other, like neither, or undecided.
SignWord = Literal["before", "after", "neither", "undecided"]


def sign_of(before: Run, after: Run, field: str = "") -> tuple[Difference, ...]:
    """The fields of the first step in which two runs diverge; empty if they are the same.

    Visible fields are compared first, in all steps; then entries, flushes and other internal state. Last
    comes the step in which one of the two kernels ends.

    :param field: compare only this one; empty for all
    """
    for fields in ((field,),) if field else (USER_FIELDS, _INSIDE, _CALLS):
        found = differences([before, after], fields)
        if found:
            return tuple(one for one in found if one.step == found[0].step)
    return _sign_of_end(before, after) if field in ("", END) else ()


def ended_at(run: Run) -> int | None:
    """The index of the step in which the kernel ended, from 0; None if no end was observed."""
    by_model = run.undecided is not None and run.why is Why.NO_END
    by_kernel = run.lost is not None and run.alarm is not None
    return len(run.steps) if by_model or by_kernel else None


def answer_in(run: Run, step: int, field: str) -> tuple[str, ...] | None:
    """The lines of a run in a field of a sign; None if it did not reach the step.

    :param step: the index of the step, from 0
    """
    if field == END and (ended_at(run) == step or step < len(run.steps)):
        return (_ENDS if ended_at(run) == step else _GOES_ON,)
    return cell(run.steps[step], field) if step < len(run.steps) else None


def sign_word(sign: Sequence[Difference], before: Run, after: Run, run: Run) -> SignWord:
    """The word for *run*: which of two runs it matches in the step of their sign.

    A field that cannot be observed on the machine decides nothing.
    """
    step = sign[0].step if sign else None
    if step is not None and sign[0].field == END:
        answers = [answer_in(one, step, END) for one in (before, after, run)]
        return "undecided" if answers[2] is None else "before" if answers[2] == answers[0] else "after"
    if step is None or step >= len(run.steps):
        return "undecided"
    seen = [
        one.field for one in sign if one.field == "value" or getattr(run.steps[step], one.field) is not None
    ]
    same_before, same_after = (
        all(one.step != step for one in differences([run, other], seen)) for other in (before, after)
    )
    if not seen or (same_before and same_after):
        return "undecided"
    return "before" if same_before else "after" if same_after else "neither"


def _sign_of_end(before: Run, after: Run) -> tuple[Difference, ...]:
    """The step in which only one of two kernels ends; empty if both end, or the other did not reach it."""
    ended = [step for step in map(ended_at, (before, after)) if step is not None]
    if len(ended) != 1:
        return ()
    (step,) = ended
    goes_on = after if ended_at(after) is None else before
    if step >= len(goes_on.steps):
        return ()
    values = tuple(SeenValue(run.machine, answer_in(run, step, END)) for run in (before, after))
    return (Difference(step, goes_on.steps[step].op, END, values),)
