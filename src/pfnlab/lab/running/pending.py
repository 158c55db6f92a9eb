"""A queue of programs that no guest has run yet, ordered so that few guests are booted."""

import threading
from collections import deque
from collections.abc import Iterable

from pfnlab.lab.running.placement import bar_mib_given
from pfnlab.lab.running.preparations import steered_cpus
from pfnlab.programs.lang.ops import Program

#: Tells kinds of guests apart; also the key by which programs are sorted.
Need = tuple[bool, bool, bool, bool, bool, bool, bool, int, int]


class PendingPrograms:
    """The programs of a run that are still pending, by the kind of guest they need.

    A bench keeps one kind of guest until no program needs it, then takes a kind that no other bench has.
    Only if there is no such kind does it help another bench. So a kind of guest that few programs need
    is booted only once.
    """

    def __init__(self, programs: Iterable[Program]) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[Need, deque[tuple[int, Program]]] = {}
        self._at: dict[object, Need] = {}
        for index, program in sorted(enumerate(programs), key=lambda entry: guest_needed(entry[1])):
            self._kinds.setdefault(guest_needed(program), deque()).append((index, program))

    def take(self, bench: object) -> tuple[int, Program] | None:
        """The next program for *bench*, with its index; None if there are no programs left."""
        with self._lock:
            if not self._kinds:
                return None
            at = self._at.pop(bench, None)
            if at not in self._kinds:
                others = set(self._at.values())
                fullest = max(self._kinds, key=lambda need: len(self._kinds[need]))
                at = next((need for need in self._kinds if need not in others), fullest)
            self._at[bench] = at
            taken = self._kinds[at].popleft()
            if not self._kinds[at]:
                del self._kinds[at]
            return taken

    def clear(self) -> None:
        """Drop all pending programs."""
        with self._lock:
            self._kinds.clear()


def guest_needed(program: Program) -> Need:
    """The kind of guest that *program* needs; programs without special needs sort first."""
    needs = program.needs
    return (
        *(needs.held, needs.wide, needs.driver, needs.vfio, needs.reset, needs.slot, bool(needs.past_end)),
        *(bar_mib_given(program), steered_cpus(program) if needs.held else 1),
    )
