"""Whether a program shows a difference again, whatever its guests have printed before.

A message that prints once per boot is compared only where no machine has spent it. Which guest runs a program
is chance, and so is what that guest has spent; a difference does not depend on it. So a repetition that does
not show the difference is made once more in a fresh boot, and that one decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pfnlab.errors import Misuse
from pfnlab.fuzz.shrink import MOST_RUNS, Shrunk, shrink
from pfnlab.fuzz.signature import Signature, rests_on_spent, signatures_of, undecided, without_once
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.machine import Machine, Rebooting
from pfnlab.programs.runs.observation import Run


def raises_alarm(signature: Signature) -> bool:
    """Whether it is an alarm of a kernel, behind which its guest answers for nothing."""
    return signature.kind == "alarm" and not signature.field


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
    """Whether *program* shows *signature*; if its guests have spent a message of it, in new guests.

    :param ask: runs the program on all *machines*
    :param agreed: as for :func:`~pfnlab.fuzz.signature.signatures_of`
    :param repeated: the program has shown it: new guests decide, and a message that was spent then may come
        before it now
    :param quick: in guests that have run programs, too, where an alarm is looked for: what shows in them is
        to be confirmed in new ones
    """
    rebooting = [machine for machine in machines if isinstance(machine, Rebooting)]

    def shows(runs: Sequence[Run]) -> bool:
        return undecided(runs) is None and signature in signatures_of(program, runs, agreed=agreed)

    def reboot() -> None:
        for machine in rebooting:
            machine.reboot()

    # A guest that lived on after an alarm answers for nothing.
    fresh = raises_alarm(signature) and not quick
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


def shrink_quickly(
    program: Program,
    signature: Signature,
    shows: Callable[[Program, bool], bool],
    most: int = MOST_RUNS,
) -> Shrunk:
    """The smallest program that shows *signature*.

    A new guest for each try takes long, so an alarm is first looked for in guests that have run other
    programs. If a new guest does not confirm what is found so, each try has a new one.

    :param shows: whether a program shows it, quickly or not (:func:`is_shown`)
    :param most: the most programs that may be tried each time
    """
    if raises_alarm(signature):
        small = shrink(program, lambda candidate: shows(candidate, True), most)
        if shows(small.program, False):
            return small
    return shrink(program, lambda candidate: shows(candidate, False), most)
