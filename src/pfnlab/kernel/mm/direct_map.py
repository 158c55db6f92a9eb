"""The direct map, i.e. the kernel's own mapping of all RAM, with the cache mode of each page (S2.8, S2.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pfnlab.base.errors import machine_decides
from pfnlab.base.units import PAGE_SHIFT, pages_of
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pat import PatConfig
from pfnlab.kernel.mm.memtype_interval import BookRow, MemtypeEntry
from pfnlab.kernel.mm.page_modes import PageModes
from pfnlab.kernel.mm.processors import Need, Processors

_WB, _WC, _UC_MINUS = CacheMode.WB, CacheMode.WC, CacheMode.UC_MINUS

# log2 of the size of a direct map leaf.
_LEAF_SHIFT = 21


class DirectMapModes:
    """The cache modes of pages in the direct map, initially write-back."""

    def __init__(self, processors: Processors) -> None:
        self._processors = processors
        self._modes = PageModes()
        # The 2 MiB blocks that are known to be mapped as single pages.
        self._cut: frozenset[int] = frozenset()

    def __getitem__(self, paddr: int) -> CacheMode:
        return self._modes[paddr >> PAGE_SHIFT]

    def set(self, start: int, end: int, mode: CacheMode, pat: PatConfig) -> None:
        """``_set_memory_uc()``, ``_wc()``, ``_wt()``, ``_wb()``: change the cache bits for these bytes.

        Write-combining is set via UC- (S2.9.5), and pages that would not change are left alone (S2.9.6).
        Every processor flushes after each change to a page (``change_page_attr_set_clr()``; S2.8.5, S2.9.3).

        :raises Undecided: if it depends on the machine whether they also flush before
            the change (S2.8.6, S2.9.4)
        """
        self._prepare(start, end)

        def change(new: Callable[[CacheMode], CacheMode]) -> None:
            if self._modes.change(start >> PAGE_SHIFT, pages_of(end), new):
                self._flush_all()

        added = 0 if mode is _WB else pat.cachemode2protval(_UC_MINUS if mode is _WC else mode)
        if added:
            change(lambda old: pat.pgprot2cachemode(pat.cachemode2protval(old) | added))
        if mode in (_WB, _WC):
            change(lambda old: mode)

    def _prepare(self, start: int, end: int) -> None:
        """Flush the kernel's own pending unmaps and split leaves; waits only if a processor is held."""
        processors = self._processors
        # The first block always consists of single pages because the ISA hole is in it.
        blocks = frozenset(range(start >> _LEAF_SHIFT, (end - 1 >> _LEAF_SHIFT) + 1)) - {0}
        if processors.held and not blocks <= self._cut:
            raise machine_decides(
                "the machine decides whether the direct map has a leaf there, which is cut first"
            )
        if processors.held and processors.unflushed is None:
            raise machine_decides(
                "the machine decides whether the stack of a task that ended is still in TLBs"
            )
        self._cut |= blocks
        if processors.unflushed:
            self._flush_all()
        processors.unflushed = False

    def _flush_all(self) -> None:
        self._processors.wait(Need.IPI, lambda: not self._processors.held)

    def untyped_changes(self, ram_types: Iterable[MemtypeEntry]) -> list[MemtypeEntry]:
        """The pfns of pages that are not write-back although *ram_types* has no type for them."""
        changed = self._modes.copy()
        for run in ram_types:
            changed.set(run.start, run.end, _WB)
        return changed.runs()

    def runs(self) -> list[MemtypeEntry]:
        """All runs that are not write-back, with bounds in pfns."""
        return self._modes.runs()

    def rows(self) -> list[BookRow]:
        """The same runs as plain numbers."""
        return self._modes.rows()

    def load(self, runs: Iterable[MemtypeEntry]) -> None:
        """Restore *runs*, as returned by :meth:`runs`, unchecked."""
        self._modes.load(runs)

    def copy(self) -> DirectMapModes:
        """An independent copy."""
        twin = DirectMapModes(self._processors)
        twin._cut = self._cut
        twin._modes = self._modes.copy()
        return twin

    def _check(self) -> None:
        self._modes._check()
