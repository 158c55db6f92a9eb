"""Showing a finding again: guests may have spent a message of it, or live on after an alarm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz.signature import (
    Signature,
    judged_signatures,
    rests_on_spent,
    signatures_of,
    without_once,
)
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.machine import Machine, Rebooting
from pfnlab.programs.runs.observation import Run, undecided


def machines_of(signature: Signature) -> tuple[str, ...]:
    """The machines that a signature names."""
    return tuple(machine for side in signature.sides for machine in side)


def is_shown(
    program: Program,
    signature: Signature,
    ask: Callable[[], Sequence[Run]],
    machines: Iterable[Machine],
    *,
    agreed: bool = True,
    repeated: bool = False,
    quick: bool = False,
) -> bool:
    """True where *program* shows *signature*; if its guests have spent a message of it, in new guests.

    :param ask: runs the program on all *machines*
    :param agreed: as for :func:`~pfnlab.hunt.fuzz.signature.signatures_of`
    :param repeated: the program has shown it: new guests decide, and a message that was spent then may come
        before it now
    :param quick: in guests that have run programs, too, where an alarm is looked for: what shows in them is
        to be confirmed in new ones
    """
    rebooting = [machine for machine in machines if isinstance(machine, Rebooting)]

    def shows(runs: Sequence[Run]) -> bool:
        if undecided(runs) is not None:
            return False
        if signature.by_itself:
            found = judged_signatures(program, runs)
        else:
            found = signatures_of(program, runs, agreed=agreed)
        return signature.key in {other.key for other in found}

    def reboot() -> None:
        for machine in rebooting:
            machine.reboot()

    # A guest that lived on after an alarm answers for nothing.
    fresh = signature.raises_alarm and not quick
    try:
        if fresh:
            reboot()
        runs = ask()
        if not shows(runs) and (rests_on_spent(signature, runs) or (repeated and rebooting and not fresh)):
            reboot()
            runs = ask()
    except Misuse:
        # No guest could hold it.
        return False
    return shows(runs) or (repeated and shows([without_once(run) for run in runs]))
