"""Which differences of a program are new facts, and which follow from an earlier one.

Two machines that once differed may go on differently for that reason alone. So after a difference a step
counts only if the machines were in the same state before it:

1. ``log``, ``value``, ``flushes`` and ``events`` are no state: all later steps count.
2. After a difference of the state no step counts, until a step in which all machines were seen, in the same
   state: those behind it count.
3. After a difference of the result the state tells whether the operation did the same, if all that it does is
   in the state. What a store, a claim or a task that is not there leads to cannot be seen: no later step
   counts. Nor does one in a schedule whose operations had other results or values: it is another schedule.

Fields of one step all count: what follows from what within a step, a smaller program tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from pfnlab.fuzz.call_kinds import KINDS, kind_of
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.lang.walk_ops import STORING_WALKERS, Walk
from pfnlab.programs.runs.compare import Difference, differences
from pfnlab.programs.runs.observation import Run

#: The fields of a step that are the state after it.
STATE_FIELDS = ("book", "vmas", "tracked", "prots", "ptes")

#: The fields without which nobody has seen the state.
_SEEN = ("book", "vmas", "ptes")


class Followed(list[Difference]):
    """The differences that follow from no earlier one, in step order.

    :ivar equal: whether what comes behind the last step counts too
    """

    equal: bool = True


def own_differences(program: Program, runs: Sequence[Run]) -> Followed:
    """The differences between *runs* of *program* that do not follow from an earlier one."""
    by_step = {step: list(found) for step, found in groupby(differences(runs), key=lambda found: found.step)}
    own = Followed()
    ended = False
    for step in range(max((len(run.steps) for run in runs), default=0)):
        found = by_step.get(step, [])
        fields = {difference.field for difference in found}
        if own.equal:
            own += found
        if _hides(program, step, fields):
            ended = True
        if ended or fields & set(STATE_FIELDS):
            own.equal = False
        elif _is_seen(runs, step):
            own.equal = True
        elif "result" in fields:
            own.equal = False
    return own


def _hides(program: Program, step: int, fields: set[str]) -> bool:
    """Whether machines may go on differently although they will be seen in the same state."""
    if program.needs.held:
        return bool(fields & {"result", "value"})
    return "result" in fields and not (step < len(program.ops) and _all_seen(program.ops[step]))


def _all_seen(op: Op) -> bool:
    stores = isinstance(op.call, Walk) and op.call.walker in STORING_WALKERS
    kind = KINDS.get(kind_of(op.call))
    return kind is not None and kind.seen and not stores


def _is_seen(runs: Sequence[Run], step: int) -> bool:
    return all(
        step < len(run.steps) and all(getattr(run.steps[step], field) is not None for field in _SEEN)
        for run in runs
    )
