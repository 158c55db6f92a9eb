"""A queue of programs that no guest has run yet, ordered so that few guests are booted."""

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pfnlab.lab.running.placement import bar_mib_given
from pfnlab.lab.running.preparations import steered_cpus
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel


class GuestNeed(NamedTuple):
    """The kind of guest that a program needs; also the key by which programs are sorted.

    :param probed: whether the order of kernel calls is observed (:class:`pfnlab.lab.vm.boots.GuestShape`)
    :param bar_mib: the size of the BAR in MiB
    :param cpus: the number of CPUs that are steered
    """

    held: bool
    wide: bool
    driver: bool
    vfio: bool
    reset: bool
    slot: bool
    past_end: bool
    probed: bool
    bar_mib: int
    cpus: int


#: The number of programs that take as long as the boot of their guest; the last is for guests whose state
#: cannot be saved.
_BOOT, _WHOLE_BOOT = 6, 24


class ObservedProgram(NamedTuple):
    """A program, and how it is observed."""

    program: Program
    look: LookLevel


class PendingPrograms:
    """The programs of a run that are still pending, by the kind of guest they need.

    A bench keeps one kind of guest until no program needs it, then takes a kind that no other bench is at,
    preferably one that it has had, then one that no bench has had. It takes another bench's kind only if so
    many programs need it that a boot pays. So a kind of guest that few programs need is booted only once.

    :param had: for each bench of the run, how many programs it has run in each kind of guest; updated
    """

    def __init__(
        self,
        asked: Iterable[ObservedProgram],
        had: Mapping[object, Counter[GuestNeed]],
    ) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[GuestNeed, deque[tuple[int, ObservedProgram]]] = {}
        self._had = had
        self._at: dict[object, GuestNeed] = {}
        for index, one in sorted(enumerate(asked), key=lambda entry: guest_needed(entry[1])):
            self._kinds.setdefault(guest_needed(one), deque()).append((index, one))

    def take(self, bench: object, most: int = 1) -> list[tuple[int, ObservedProgram]]:
        """The next programs for *bench*, with their indices; none if it has nothing more to do.

        :param most: the maximum number, of one kind of guest; other benches are left their share
        """
        with self._lock:
            at = self._at.pop(bench, None)
            if at not in self._kinds:
                at = self._next_kind(bench)
            if at is None:
                return []
            self._at[bench] = at
            queue = self._kinds[at]
            taken = [queue.popleft() for _ in range(min(most, -(-len(queue) // len(self._had))))]
            self._had[bench][at] += len(taken)
            if not queue:
                del self._kinds[at]
            return taken

    def _next_kind(self, bench: object) -> GuestNeed | None:
        mine = self._had[bench]
        had = Counter[GuestNeed]()
        for counts in self._had.values():
            had.update(counts)
        others = set(self._at.values())
        places = [
            (need in others, need not in mine, need in had, -len(queue) * (need in others), need)
            for need, queue in self._kinds.items()
            if (need in mine or need not in had or had[need] + len(queue) > _boot(need))
        ]
        return min(places)[-1] if places else None

    def clear(self) -> None:
        """Drop all pending programs."""
        with self._lock:
            self._kinds.clear()


def _boot(need: GuestNeed) -> int:
    return _WHOLE_BOOT if need.reset else _BOOT


def is_long(program: Program) -> bool:
    """True if *program* takes long because it holds a processor or needs a driver, vfio-pci or the slot."""
    needs = program.needs
    return needs.held or needs.driver or needs.vfio or needs.slot


def is_probed(program: Program, look: LookLevel) -> bool:
    """True if the order of kernel calls is observed: on one CPU, and not only at the end."""
    return look is not LookLevel.END and not program.needs.held


def guest_needed(asked: ObservedProgram) -> GuestNeed:
    """The kind of guest that a program needs; programs without special needs sort first."""
    program, needs = asked.program, asked.program.needs
    return GuestNeed(
        *(needs.held, needs.wide, needs.driver, needs.vfio, needs.reset, needs.slot, bool(needs.past_end)),
        is_probed(*asked),
        *(bar_mib_given(program), steered_cpus(program) if needs.held else 1),
    )
