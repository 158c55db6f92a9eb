"""What the model does not know, of any kernel or of those older than any that was asked: it refuses.

Nothing was read or run before 6.1 but what the bug catalogue says of the tracking and its flushes.
"""

from __future__ import annotations

from pfnlab.errors import Undecided
from pfnlab.policies.releases import CONFIRMED, series_key
from pfnlab.programs.lang.ops import Call, Madvise, Mremap, Program, is_held, uses_slot, uses_vfio

#: Advice newer than the oldest profile; what older kernels make of it was not asked.
_NEW_ADVICE = ("populate_read", "populate_write", "dontneed_locked", "collapse")


def refuse_unknown(program: Program, series: str) -> None:
    """Refuse what nobody knows of *series*.

    :raises Undecided: the first operation in question
    """
    if uses_slot(program) and any(uses_vfio(op.call) for op in program.ops):
        # It waits until they have closed it.
        raise Undecided("the model has no rule for a device that comes or goes while vfio-pci has users")
    if series_key(series) >= series_key(CONFIRMED[0]):
        return
    what = next(filter(None, (_unknown(op.call) for op in program.ops)), None)
    if what is None and is_held(program):
        what = "what waits for what while an operation is held"
    if what is not None:
        raise Undecided(
            f"nobody has asked a {series} kernel about {what}: {CONFIRMED[0]} is the oldest asked"
        )


def _unknown(call: Call) -> str | None:
    if isinstance(call, Madvise) and call.advice in _NEW_ADVICE:
        return f"madvise {call.advice}"
    if isinstance(call, Mremap) and call.dontunmap:
        return "mremap dontunmap"
    return None
