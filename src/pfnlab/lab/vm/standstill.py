"""A guest that hangs while it boots, seen from outside: its processors run, and stay where they are.

A kernel that hangs before its first line says nothing at all. To wait for the whole limit of a boot costs a
minute for each guest.
"""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from pfnlab.base.errors import LostGuest

#: Seconds between two looks at the processors.
_EVERY = 1.0

#: After so many looks at one place in a row, the guest hangs. No part of a boot takes as long in one page of
#: code.
_LOOKS = 7

#: Seconds of processor time that QEMU has to use between two looks for the second one to count: on a loaded
#: machine a guest stays where it is because it does not run.
_RAN = 0.2

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = 12
_INTERRUPTS = 1 << 9
_PROCESSOR = re.compile(r"\b[ER]IP=([0-9a-f]+) [ER]FL=([0-9a-f]+)\b.*\bHLT=([01])")


class Standstill:
    """Looks at the processors of a guest that boots, once a second.

    :param registers: the answer of QEMU's monitor to ``info registers -a``
    :param processor_time: seconds of processor time that QEMU has used
    :param clock: seconds, as ``time.monotonic`` gives them
    """

    def __init__(
        self,
        registers: Callable[[], str],
        processor_time: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registers, self._processor_time, self._clock = registers, processor_time, clock
        self._next = clock() + _EVERY
        self._used = processor_time()
        self._place: tuple[int, ...] = ()
        self._looks = 0

    def place(self) -> str | None:
        """Where the first processor hangs, in hexadecimal; None while it boots or awaits an interrupt."""
        if self._clock() >= self._next:
            self._look()
            self._next = self._clock() + _EVERY
        return f"{self._place[0]:x}" if self._looks >= _LOOKS else None

    def _look(self) -> None:
        try:
            processors = [
                (int(place, 16), bool(int(flags, 16) & _INTERRUPTS), halted == "1")
                for place, flags, halted in _PROCESSOR.findall(self._registers())
            ]
        except LostGuest:
            # QEMU has ended or is busy, which others notice.
            return
        used = self._processor_time()
        ran, self._used = used - self._used >= _RAN, used
        pages = tuple(place >> _PAGE for place, _, _ in processors)
        if pages != tuple(place >> _PAGE for place in self._place):
            self._looks = 0
        self._place = tuple(place for place, _, _ in processors)
        if not processors or all(halted and interrupts for _, interrupts, halted in processors):
            self._looks = 0
        elif ran or all(halted for _, _, halted in processors):
            self._looks += 1


def processor_time(process: int) -> float:
    """Seconds of processor time that a process has used; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
