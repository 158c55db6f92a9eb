"""The cache modes in which frames can be reached at one moment: by entries, and by what processors remember.

In the middle of an operation page tables have entries of VMAs that have left the tree, and a translation
answers until it is flushed, whatever the tables say by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.entry import pte_present
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.copy_on_write import ZERO_PFN
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.space import MmStruct


class ReachedAt(NamedTuple):
    """Virtual pages at which frames of no page are reached, one after the other.

    :param space: the address space, by whatever tells it from others
    :param start: the first virtual page
    """

    space: int | str
    start: int
    frames: PfnRange
    mode: CacheMode

    def shows(self, other: ReachedAt) -> bool:
        """True where *other*, of one page, is a part of this."""
        at = other.start - self.start
        return (
            (self.space, self.mode) == (other.space, other.mode)
            and 0 <= at < self.frames.nr
            and self.frames.start + at == other.frames.start
        )


def reaches(mm: MmStruct, runs: Iterable[EntryRun], space: int) -> Iterator[ReachedAt]:
    """The places where *runs* of entries, or of translations, reach frames that are no ordinary pages."""
    mode_of = mm.kernel.platform.pat.pgprot2cachemode
    for run in runs:
        if run.page is None and run.pfn != ZERO_PFN and pte_present(run.bits):
            frames = PfnRange(run.pfn, run.pfn + run.end - run.start)
            yield ReachedAt(space, run.start, frames, mode_of(run.bits))


def differing(entries: Iterable[ReachedAt], remembered: Iterable[ReachedAt]) -> list[ReachedAt]:
    """The translations that processors remember and entries do not have so, each once."""
    shown = list(entries)
    return [one for one in dict.fromkeys(remembered) if not any(entry.shows(one) for entry in shown)]


def agree(pieces: Iterable[tuple[PfnRange, CacheMode]]) -> bool | None:
    """True where each frame has one mode in all *pieces* that have it; None where each is in one piece."""
    # Of the pieces so far, the one that reaches farthest speaks for all: where others overlap it they agree.
    shared, last = False, None
    for frames, mode in sorted(pieces):
        if last is not None and frames.start < last[0].end:
            shared = True
            if mode != last[1]:
                return False
        if last is None or frames.end > last[0].end:
            last = frames, mode
    return True if shared else None


def modes_agree(kernel: Kernel) -> bool | None:
    """:func:`agree` of all that page tables have and processors remember, in the middle of operations too."""
    mms = {id(task.mm): task.mm for task in kernel.tasks.values()}
    mms |= {id(vma.mm): vma.mm for vma in kernel.i_mmap}
    entries = [one for key, mm in mms.items() for one in reaches(mm, mm.tables.entries, key)]
    return agree((one.frames, one.mode) for one in [*entries, *differing(entries, remembered_in(kernel))])


def remembered_in(kernel: Kernel) -> Iterator[ReachedAt]:
    """The translations that the processors of all tasks remember."""
    for task in kernel.tasks.values():
        yield from reaches(task.mm, task.tlb.state(), id(task.mm))
