"""The lens on a guest: what only the kernel's own memory shows of a step, and whether both channels agree."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pfnlab.errors import Defect
from pfnlab.lab.images.cache import cache_root
from pfnlab.lens import need_drgn
from pfnlab.lens.errors import LensError
from pfnlab.lens.kept import read_kept, write_kept
from pfnlab.lens.state import LensState, prots_seen, ptes_seen, tracked_seen, vma_seen
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import PHYSICAL, Step, VmaSeen
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.pte_text import RAM

if TYPE_CHECKING:
    from pfnlab.lens.memory import GuestRam

#: How often a walk is begun anew that met a list of the kernel in the middle of a change.
TRIES = 5


def can_look_inside() -> bool:
    """Whether all packages of the lens are here."""
    return all(find_spec(name) for name in ("drgn", "lz4", "zstandard"))


class Looks(Protocol):
    """What takes snapshots of one kernel (:class:`pfnlab.lens.snapshot.Lens`)."""

    def snapshot(self, pids: Mapping[str, int], places: Places) -> LensState:
        """The state now."""


class Inside:
    """
    A lens over a guest's RAM, opened once for each guest; what only depends on the kernel is kept.

    :param vmlinuz: the kernel it runs
    :param ram: the file its RAM is
    :raises MissingTool: a package of the lens is not here
    :raises LensError: the kernel has no types, or is not in that RAM
    """

    def __init__(self, vmlinuz: Path, ram: Path) -> None:
        need_drgn()
        from pfnlab.lens.btf import Btf
        from pfnlab.lens.memory import GuestRam
        from pfnlab.lens.program import open_program
        from pfnlab.lens.snapshot import Lens
        from pfnlab.lens.vmlinux import btf_of

        kept = cache_root() / "lens"
        stat = vmlinuz.stat()
        name = f"{vmlinuz.name}-{stat.st_size:x}-{stat.st_mtime_ns:x}"
        types = Btf(btf_of(vmlinuz, kept / f"{name}.btf"), name=str(vmlinuz), index=kept / f"{name}.index")
        self._ram = GuestRam(ram)
        try:
            info = self._ram.vmcoreinfo()
            symbols = _symbols(self._ram, kept / f"{name}.symbols")
            program = open_program(self._ram, types, symbols, info)
            self._lens: Looks = Lens(program, self._ram, symbols, info)
        except BaseException:
            self._ram.close()
            raise

    def look(self, pids: Mapping[str, int], places: Places) -> LensState:
        """
        The state now; no task of the program may be running.

        :raises LensError: it cannot be read
        """
        return look(self._lens, pids, places)

    def close(self) -> None:
        """Let go of the memory."""
        self._ram.close()


def look(lens: Looks, pids: Mapping[str, int], places: Places) -> LensState:
    """
    A snapshot; the rest of the kernel runs on meanwhile, so a walk that fails is tried again.

    :raises LensError: it failed every time
    """
    for _ in range(TRIES - 1):
        try:
            return lens.snapshot(pids, places)
        except LensError:
            continue
    return lens.snapshot(pids, places)


def with_inside(steps: Sequence[Step], states: Sequence[LensState], machine: str) -> tuple[Step, ...]:
    """
    The steps seen from outside, with what the lens saw after each.

    :param machine: whose they are, for messages
    :raises Defect: both looked at the same thing and saw different things
    """
    merged = []
    for number, (step, state) in enumerate(zip(steps, states, strict=False)):
        for what, outside, inside in _both(step, state):
            if outside != inside:
                raise Defect(
                    f"{machine}: two ways to look at one kernel disagree about the {what} "
                    f"after step {number} ({step.op}): {_only(outside, inside)} seen from outside, "
                    f"{_only(inside, outside)} in its memory"
                )
        merged.append(msgspec.structs.replace(step, tracked=tracked_seen(state), prots=prots_seen(state)))
    return (*merged, *steps[len(merged) :])


# What both channels see of a step: its name, and both sides, as far as the outside one looked.
def _both(step: Step, state: LensState) -> list[tuple[str, tuple[Any, ...], tuple[Any, ...]]]:
    found: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = [("book", step.book, state.book)]
    if step.vmas is not None:
        found.append(("VMAs", _comparable(step.vmas), _comparable(vma_seen(state))))
    if step.ptes is not None:
        found.append(("page-table entries", step.ptes, ptes_seen(state)))
    return found


# The lens has no counters, and knows the files of devices by their names alone: not that RAM is a driver's.
def _comparable(vmas: Sequence[VmaSeen]) -> tuple[VmaSeen, ...]:
    return tuple(
        msgspec.structs.replace(vma, rss=0, anonymous=0, locked=0, file="", offset=_known(vma.offset))
        for vma in vmas
    )


def _known(offset: Span | None) -> Span | None:
    return RAM if offset is not None and offset.name == PHYSICAL else offset


# What only one side has.
def _only(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> str:
    rest = [one for one in ours if one not in theirs] or list(ours)
    return "; ".join(map(str, rest)) or "nothing"


# Where the kernel's objects are: read out of its symbol table once, as long as it says the same of itself.
def _symbols(ram: GuestRam, kept: Path) -> dict[str, int]:
    from pfnlab.lens.program import find_symbols

    info = ram.vmcoreinfo()
    stamp = hashlib.sha256(info.text).digest()
    known = read_kept(kept, stamp)
    if known is not None:
        return msgspec.json.decode(known, type=dict[str, int])
    # Unpacking the names takes a tenth of a second.
    found = find_symbols(ram, info)
    write_kept(kept, stamp, msgspec.json.encode(found))
    return found
