"""The lens on a guest: state that only its memory shows, and a check that lens and agent agree."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pfnlab.base.extras import are_installed, need_packages
from pfnlab.base.units import PfnRange
from pfnlab.lab.images.cache import cache_root, make_cache_folder, trusted
from pfnlab.lab.lens import THE_LENS, LensError
from pfnlab.lab.lens.result_cache import read_result, write_result
from pfnlab.lab.running.inside_state import LensState, Words, vma_counted
from pfnlab.programs.runs.memory_faults import looks_agree
from pfnlab.programs.runs.observation import MemoryFault, Step
from pfnlab.programs.runs.places import Places

if TYPE_CHECKING:
    from pfnlab.lab.lens.btf import Btf
    from pfnlab.lab.lens.memory import GuestRam
    from pfnlab.lab.lens.resource_use import ResourceUse
    from pfnlab.lab.lens.snapshot import Lens

T = TypeVar("T")

#: Number of attempts at a walk that finds a kernel list in the middle of a change.
TRIES = 5

_PACKAGES = ("drgn", "lz4", "zstandard")


def can_look_inside() -> bool:
    """True if all packages that the lens needs are installed."""
    return are_installed(*_PACKAGES)


def need_lens() -> None:
    """Before booting a guest for the lens to observe, raise MissingTool if a package is missing."""
    need_packages("lens", THE_LENS, *_PACKAGES)


def has_types(vmlinuz: Path) -> bool:
    """True if the lens can read a kernel: all packages are installed, and the kernel has types."""
    if not can_look_inside():
        return False
    from pfnlab.lab.lens.vmlinux import btf_of

    try:
        btf_of(vmlinuz, _types_path(vmlinuz))
    except LensError:
        return False
    return True


class Inside:
    """A lens on a guest's RAM, opened once per guest; files that depend only on the kernel are cached.

    While the lens is used, no task of a program may be running.

    :param vmlinuz: the guest's kernel image
    :param ram: the file that holds its RAM
    :raises MissingTool: if a package that the lens needs is not installed
    :raises LensError: if the kernel has no types, or is not in that RAM; from the methods,
        if it cannot be read
    """

    def __init__(self, vmlinuz: Path, ram: Path) -> None:
        need_lens()
        from pfnlab.lab.lens.memory import GuestRam
        from pfnlab.lab.lens.program import open_program
        from pfnlab.lab.lens.snapshot import Lens

        path = _types_path(vmlinuz)
        types = _types(vmlinuz, path)
        self._ram = GuestRam(ram)
        try:
            symbols = _symbols(self._ram, path.with_suffix(".symbols"))
            program = open_program(self._ram, types, symbols)
            self._lens, self._words = Lens(program, self._ram, symbols), Words()
        except BaseException:
            self._ram.close()
            raise

    def look(self, pids: Mapping[str, int], places: Places) -> LensState:
        """The current state."""
        return look(self._lens, self._words, pids, places)

    def stack_pointer(self, pid: int) -> int:
        """The kernel stack pointer of a process that is not running, in a stopped guest."""
        return self._lens.stack_pointer(pid)

    def in_use(self) -> ResourceUse:
        """The resources in use now."""
        return _steady(self._lens.in_use)

    def claims(self) -> ResourceUse:
        """Only the claims on physical memory: the book and the resources."""
        return _steady(self._lens.claims)

    def turn_back(self, frames: Iterable[PfnRange]) -> None:
        """Turn RAM back to write-back in the direct map by changing the entries, as a debugger would.

        The kernel's own interface cannot do this for all of RAM: requesting the ISA hole as write-back leaves
        the direct map unchanged, because no RAM is at its start (``memtype_kernel_map_sync()``).
        """
        for pfns in frames:
            for address, entry in _steady(functools.partial(self._lens.other_pages, pfns)):
                self._ram.write(address, entry.to_bytes(8, "little"))

    def close(self) -> None:
        """Release the memory."""
        self._ram.close()


def look(lens: Lens, words: Words, pids: Mapping[str, int], places: Places) -> LensState:
    """A snapshot, retried because the kernel keeps running; LensError if every attempt fails."""
    return words.state(_steady(lambda: lens.snapshot(pids, places)), places)


def _steady(read: Callable[[], T]) -> T:
    for _ in range(TRIES - 1):
        try:
            return read()
        except LensError:
            continue
    return read()


def disagreements(steps: Sequence[Step], states: Sequence[LensState]) -> Iterator[tuple[int, MemoryFault]]:
    """Parts that the agent and the lens observed differently, so one of them, or the kernel, is wrong.

    :param states: the state that the lens saw after each step
    :return: the number of each such step, with a description
    """
    for number, (step, state) in enumerate(zip(steps, states, strict=False)):
        for part, outside, inside in (
            ("book", step.book, state.book),
            ("VMAs", step.vmas, vma_counted(state, step.vmas or ())),
            ("page-table entries", step.ptes, state.ptes),
        ):
            # As far as the agent observed it.
            if outside is not None and outside != inside:
                says = (
                    f"two ways to observe one kernel disagree about the {part} after {step.op}: it shows "
                    f"{_only_in(outside, inside)}, but its memory has {_only_in(inside, outside)}"
                )
                yield number, MemoryFault(looks_agree.name, says)


def with_inside(
    steps: Sequence[Step], states: Sequence[LensState], *, alone: Sequence[bool] = (), fill: bool = False
) -> tuple[Step, ...]:
    """The steps as the agent saw them, with the state that the lens saw after each, and its memtype list.

    :param alone: for each step, whether a processor was held, so that VMAs may be in the middle of a change
    :param fill: whether to also take VMAs and page-table entries, which the agent did not read, from the lens
    """
    merged = []
    for number, (step, state) in enumerate(zip(steps, states, strict=False)):
        step = msgspec.structs.replace(
            step,
            book=state.book if step.book is None else step.book,
            tracked=state.tracked,
            prots=state.prots,
            direct_map=state.direct_map,
        )
        if fill:
            vmas = None if any(alone[number : number + 1]) else state.vmas
            step = msgspec.structs.replace(step, vmas=vmas, ptes=state.ptes)
        merged.append(step)
    return (*merged, *steps[len(merged) :])


# The cache file for a kernel's types; a rebuilt kernel gets a different file.
def _types_path(vmlinuz: Path) -> Path:
    stat = vmlinuz.stat()
    folder = trusted(cache_root() / "lens")
    with suppress(OSError):
        make_cache_folder(folder)
    return folder / f"{vmlinuz.name}-{stat.st_size:x}-{stat.st_mtime_ns:x}.btf"


def _only_in(items: tuple[Any, ...], others: tuple[Any, ...]) -> str:
    differing = [item for item in items if item not in others] or list(items)
    return "; ".join(map(str, differing)) or "nothing"


# A kernel's types, shared by all its guests. Their index is stored as well.
@functools.lru_cache(maxsize=2)
def _types(vmlinuz: Path, kept: Path) -> Btf:
    from pfnlab.lab.lens.btf import Btf
    from pfnlab.lab.lens.vmlinux import btf_of

    return Btf(btf_of(vmlinuz, kept), name=str(vmlinuz), index=kept.with_suffix(".index"))


# Addresses of the kernel's objects, read from its symbol table once for each VMCOREINFO.
def _symbols(ram: GuestRam, path: Path) -> dict[str, int]:
    from pfnlab.lab.lens.program import OBJECTS, find_symbols
    from pfnlab.lab.lens.resource_use import SYMBOLS

    names = (*OBJECTS, *SYMBOLS)
    stamp = hashlib.sha256(ram.info.text + " ".join(names).encode()).digest()
    content = read_result(path, stamp)
    if content is not None:
        return msgspec.json.decode(content, type=dict[str, int])
    # Unpacking the names takes a tenth of a second.
    symbols = find_symbols(ram, names)
    write_result(path, stamp, msgspec.json.encode(symbols))
    return symbols
