"""The cache modes in which frames can be reached at a given moment: by entries and by cached translations.

In the middle of an operation, page tables still contain entries for VMAs that have left the tree, and a
translation is used until it is flushed, whatever the tables contain by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.entry import pte_present
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.copy_on_write import ZERO_PFN
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.space import MmStruct


class FrameReach(NamedTuple):
    """Consecutive virtual pages that reach frames other than ordinary pages.

    :param space: the identity of the address space
    :param start: the first virtual page
    """

    space: int | str
    start: int
    frames: PfnRange
    mode: CacheMode

    def shows(self, other: FrameReach) -> bool:
        """True if *other*, a single page, lies within this."""
        at = other.start - self.start
        return (
            (self.space, self.mode) == (other.space, other.mode)
            and 0 <= at < self.frames.nr
            and self.frames.start + at == other.frames.start
        )


def reaches(mm: MmStruct, runs: Iterable[EntryRun], space: int) -> Iterator[FrameReach]:
    """The virtual pages where *runs* of entries or translations reach frames other than ordinary pages."""
    mode_of = mm.kernel.platform.pat.pgprot2cachemode
    for run in runs:
        if run.page is None and run.pfn != ZERO_PFN and pte_present(run.bits):
            frames = PfnRange(run.pfn, run.pfn + run.end - run.start)
            yield FrameReach(space, run.start, frames, mode_of(run.bits))


def differing(entries: Iterable[FrameReach], remembered: Iterable[FrameReach]) -> list[FrameReach]:
    """The cached translations that differ from all entries, each once."""
    shown = list(entries)
    return [one for one in dict.fromkeys(remembered) if not any(entry.shows(one) for entry in shown)]


def agree(pieces: Iterable[tuple[PfnRange, CacheMode]]) -> bool | None:
    """True if each frame has one mode in all *pieces* that contain it; None if no pieces share a frame."""
    # Of the pieces so far, the one that reaches farthest stands for all: where others overlap it, they agree.
    shared, last = False, None
    for frames, mode in sorted(pieces):
        if last is not None and frames.start < last[0].end:
            shared = True
            if mode != last[1]:
                return False
        if last is None or frames.end > last[0].end:
            last = frames, mode
    return True if shared else None


def one_mode_kept(
    reached: Sequence[tuple[PfnRange, CacheMode]], asked: Iterable[tuple[PfnRange, CacheMode]]
) -> bool | None:
    """True if each frame has one mode although two were requested; False if one has two.

    None if no frame could have two modes, because an answer would then mean nothing.

    :param asked: the same pieces, each with the mode requested for its mapping
    """
    answer = agree(reached)
    return None if answer and agree(asked) is not False else answer


def modes_agree(kernel: Kernel) -> bool | None:
    """The answer of :func:`agree` for all entries and cached translations, even during operations."""
    mms = {id(task.mm): task.mm for task in kernel.tasks.values()}
    mms |= {id(vma.mm): vma.mm for vma in kernel.i_mmap}
    entries = [one for key, mm in mms.items() for one in reaches(mm, mm.tables.entries, key)]
    return agree((one.frames, one.mode) for one in [*entries, *differing(entries, remembered_in(kernel))])


def remembered_in(kernel: Kernel) -> Iterator[FrameReach]:
    """The translations cached by the processors of all tasks."""
    for task in kernel.tasks.values():
        yield from reaches(task.mm, task.tlb.state(), id(task.mm))
