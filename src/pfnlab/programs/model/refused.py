"""Programs that the model refuses, because it has no rule for them or the kernel has not what they need.

Of kernels before 6.1 only the tracking and its flushes are known, from the list of bugs (``docs/bugs.md``).
"""

from __future__ import annotations

from pfnlab.errors import Undecided, Why
from pfnlab.mm.configuration import Configuration
from pfnlab.policies.releases import CONFIRMED, series_key
from pfnlab.programs.lang.needs import lacking
from pfnlab.programs.lang.ops import Call, Madvise, Mremap, Program

#: Advice newer than the oldest profile; no older kernel was asked about it.
_NEW_ADVICE = ("populate_read", "populate_write", "dontneed_locked", "collapse")


def refuse_unknown(program: Program, series: str) -> None:
    """Refuse a program for which there is no rule of *series*.

    :raises Undecided: naming the first such operation
    """
    if program.needs.slot and program.needs.vfio:
        # It waits until they have closed it.
        raise Undecided(
            "the model has no rule for a device that comes or goes while vfio-pci has users", Why.NO_RULE
        )
    if series_key(series) >= series_key(CONFIRMED[0]):
        return
    subject = next(filter(None, (_unknown(op.call) for op in program.ops)), None)
    if subject is None and program.needs.held:
        subject = "what waits for what while an operation is held"
    if subject is not None:
        raise Undecided(
            f"nobody has asked a {series} kernel about {subject}: {CONFIRMED[0]} is the oldest asked",
            Why.NO_RULE,
        )


def refuse_lacking(program: Program, configuration: Configuration) -> None:
    """Refuse a program that needs what the kernel was configured without.

    :raises Undecided: naming the first such thing and its option
    """
    lack = lacking(program, configuration)
    if lack is not None:
        raise Undecided(lack, Why.MISSING)


def _unknown(call: Call) -> str | None:
    if isinstance(call, Madvise) and call.advice in _NEW_ADVICE:
        return f"madvise {call.advice}"
    if isinstance(call, Mremap) and call.dontunmap:
        return "mremap dontunmap"
    return None
