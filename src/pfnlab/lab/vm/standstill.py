"""Detection of a guest that hangs during boot: its processors run but stay in one place.

A kernel that hangs before its first line prints nothing. Waiting until the boot limit would cost a
minute for each guest.
"""

import os
import re
import time
from collections.abc import Callable

from pfnlab.base.errors import LostGuest
from pfnlab.lab.vm.launch import process_status

#: Seconds between checks of the processors.
_EVERY = 1.0

#: The number of consecutive checks in one place after which a guest counts as hanging. No part of a boot
#: spends that long in one page of code.
_LOOKS = 7

#: The CPU seconds that QEMU must use between two checks for the second one to count: on a loaded machine, a
#: guest may stay in place because it is not running at all.
_RAN = 0.2

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = 12
_INTERRUPTS = 1 << 9
_PROCESSOR = re.compile(r"\b[ER]IP=([0-9a-f]+) [ER]FL=([0-9a-f]+)\b.*\bHLT=([01])")


class Standstill:
    """Checks the processors of a booting guest once a second.

    :param registers: returns what QEMU's monitor answers to ``info registers -a``
    :param processor_time: returns the CPU time that QEMU has used, in seconds
    :param clock: returns the time in seconds, like ``time.monotonic``
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
        """The address, in hex, where the first processor hangs; None while it boots or awaits interrupts."""
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
            # QEMU has exited or is busy; either is noticed elsewhere.
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
    """The CPU time that a process has used, in seconds; 0 if the process is gone."""
    return sum(map(int, process_status(process)[11:13])) / _TICKS
