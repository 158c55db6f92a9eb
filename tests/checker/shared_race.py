"""Munmap against unmap_mapping_range, with processors that fill and use their TLB: the shared interleavings.

Munmap clears entries, unlinks the VMA and flushes at the end; *fixed*, it also flushes before it unlinks. The
other one clears what is still linked and then says that the pfns are free. A use of a translation after that
is the violation.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple

from small_models import always, sometimes

from pfnlab.checker.search.exploration import Property
from pfnlab.checker.search.model import Action

MUNMAP, REVOKE = "munmap", "unmap_mapping_range"


class Cpu(NamedTuple):
    """A processor: how far in an access (idle, choosing, accessing, using, out), accesses made, page."""

    at: str = "idle"
    made: int = 0
    page: int = 0


class Racing(NamedTuple):
    """Entries and translations as bits, and where each thread is."""

    ptes: int
    linked: bool
    freed: bool
    tlb: tuple[int, ...]
    munmap: tuple[str, int]
    revoke: tuple[str, int]
    cpus: tuple[Cpu, ...]


class Race:
    """The model.

    :param fixed: flush before the VMA is unlinked
    :param accesses: how often each of *cpus* reads one of *pages*
    """

    def __init__(self, fixed: bool, pages: int = 2, cpus: int = 2, accesses: int = 2) -> None:
        self.fixed, self.pages, self.cpus, self.accesses = fixed, pages, cpus, accesses

    def initial(self) -> list[Racing]:
        cpus = (Cpu(),) * self.cpus
        ptes, tlb = (1 << self.pages) - 1, (0,) * self.cpus
        return [Racing(ptes, True, False, tlb, ("zap", 0), ("look", 0), cpus)]

    def key(self, state: Racing) -> Hashable:
        return state

    def successors(self, state: Racing) -> Iterator[tuple[Action, Racing]]:
        yield from self._munmap(state)
        yield from self._revoke(state)
        for number in range(self.cpus):
            yield from self._cpu(number, state)

    def _munmap(self, state: Racing) -> Iterator[tuple[Action, Racing]]:
        at, page = state.munmap
        after = {"first flush": "unlink", "unlink": "flush", "flush": "end"}
        if at == "zap":
            yield (MUNMAP, "zap", page), state._replace(ptes=state.ptes & ~(1 << page), munmap=("note", page))
        elif at == "note":
            last = "first flush" if self.fixed else "unlink"
            to = ("zap", page + 1) if page + 1 < self.pages else (last, 0)
            yield (MUNMAP, "note", page), state._replace(munmap=to)
        elif at == "unlink":
            yield (MUNMAP, at), state._replace(linked=False, munmap=(after[at], 0))
        elif at != "end":
            yield (MUNMAP, at), state._replace(tlb=(0,) * self.cpus, munmap=(after[at], 0))

    def _revoke(self, state: Racing) -> Iterator[tuple[Action, Racing]]:
        at, page = state.revoke
        if at == "look":
            yield (REVOKE, "look"), state._replace(revoke=("zap" if state.linked else "free", 0))
        elif at == "zap":
            to = ("zap", page + 1) if page + 1 < self.pages else ("flush", 0)
            yield (REVOKE, "zap", page), state._replace(ptes=state.ptes & ~(1 << page), revoke=to)
        elif at == "flush":
            yield (REVOKE, "flush"), state._replace(tlb=(0,) * self.cpus, revoke=("free", 0))
        elif at == "free":
            yield (REVOKE, "free"), state._replace(freed=True, revoke=("end", 0))

    def _cpu(self, number: int, state: Racing) -> Iterator[tuple[Action, Racing]]:
        cpu, name = state.cpus[number], f"cpu{number}"
        bit = 1 << cpu.page

        def moved(to: Cpu, tlb: int = 0) -> Racing:
            cpus, known = list(state.cpus), list(state.tlb)
            cpus[number] = to
            known[number] |= tlb
            return state._replace(cpus=tuple(cpus), tlb=tuple(known))

        if cpu.at == "idle" and cpu.made < self.accesses:
            yield (name, "begin"), moved(Cpu("choosing", cpu.made + 1, 0))
        elif cpu.at == "choosing":
            if cpu.page + 1 < self.pages:
                yield (name, "next page"), moved(cpu._replace(page=cpu.page + 1))
            yield (name, "choose"), moved(cpu._replace(at="accessing"))
        elif cpu.at == "accessing":
            if state.ptes & bit:
                yield (name, "fill", cpu.page), moved(cpu._replace(at="using"), bit)
            if state.tlb[number] & bit:
                yield (name, "hit", cpu.page), moved(cpu._replace(at="using"))
            if not (state.ptes | state.tlb[number]) & bit:
                yield (name, "fault", cpu.page), moved(cpu._replace(at="out"))
        elif cpu.at == "using":
            yield (name, "used", cpu.page), moved(cpu._replace(at="idle", page=0))


def reached(state: Racing) -> bool:
    """Whether a processor uses a translation to a pfn that is said to be free."""
    return state.freed and any(
        cpu.at == "using" and tlb >> cpu.page & 1 for cpu, tlb in zip(state.cpus, state.tlb, strict=True)
    )


#: What is asked of it.
PROPERTIES: tuple[Property[Racing], ...] = (
    always("no freed pfn is reached", lambda state: not reached(state), lambda state: state.freed),
    sometimes("freed while munmap is under way", lambda state: state.freed and state.munmap[0] != "end"),
)
