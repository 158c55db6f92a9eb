"""The kernel's own mapping of all RAM, the direct map: with which mode it has each page (S2.8, S2.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.pat import PatConfig
from pfnlab.mm.memtype_interval import BookRow, MemtypeEntry
from pfnlab.mm.page_modes import PageModes
from pfnlab.units import PAGE_SHIFT, pages_of

_WB, _WC, _UC_MINUS = CacheMode.WB, CacheMode.WC, CacheMode.UC_MINUS


class DirectMapModes:
    """The modes of the direct map, write-back at first."""

    def __init__(self) -> None:
        self._modes = PageModes()

    def __getitem__(self, paddr: int) -> CacheMode:
        return self._modes[paddr >> PAGE_SHIFT]

    def set(self, start: int, end: int, mode: CacheMode, pat: PatConfig, flush: Callable[[], None]) -> None:
        """``_set_memory_uc()``, ``_wc()``, ``_wt()``, ``_wb()``: change the cache bits of these bytes.

        Write-combining is reached by way of UC- (S2.9.5), and what a page has already stays in it (S2.9.6).

        :param flush: called after each change of a page; ``change_page_attr_set_clr()`` has every processor
            flush then (S2.8.5, S2.9.3)
        """

        def change(new: Callable[[CacheMode], CacheMode]) -> None:
            if self._modes.change(start >> PAGE_SHIFT, pages_of(end), new):
                flush()

        added = 0 if mode is _WB else pat.cachemode2protval(_UC_MINUS if mode is _WC else mode)
        if added:
            change(lambda old: pat.pgprot2cachemode(pat.cachemode2protval(old) | added))
        if mode in (_WB, _WC):
            change(lambda old: mode)

    def changed_beside(self, ram_types: Iterable[MemtypeEntry]) -> list[MemtypeEntry]:
        """The pages, in pfns, that are not write-back, but those with a type of their own in *ram_types*."""
        changed = self._modes.copy()
        for run in ram_types:
            changed.set(run.start, run.end, _WB)
        return changed.runs()

    def runs(self) -> list[MemtypeEntry]:
        """All runs that are not write-back, bounds in pfns."""
        return self._modes.runs()

    def rows(self) -> list[BookRow]:
        """The same as plain numbers."""
        return self._modes.rows()

    def load(self, runs: Iterable[MemtypeEntry]) -> None:
        """Hold exactly *runs*, as :meth:`runs` gave them; nothing is checked."""
        self._modes.load(runs)

    def copy(self) -> DirectMapModes:
        """An independent twin."""
        twin = DirectMapModes()
        twin._modes = self._modes.copy()
        return twin

    def _check(self) -> None:
        self._modes._check()
