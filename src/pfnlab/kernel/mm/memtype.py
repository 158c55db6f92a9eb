"""The memtype list, or "book": the reserved physical ranges and their cache modes (S2).

A reservation that overlaps existing ones gets their type if the caller allows that; otherwise it is refused
as a conflict. There are no reference counts: every reservation is a separate entry. RAM is not in the list:
each RAM page's mode is in its page flags.

Addresses are physical bytes, ranges are half-open, and ``who`` is ``comm:pid`` as in the kernel log. A
WARN is logged with its text, if any, and its place in the source. WARNs that the kernel prints once per
boot are logged once per list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from errno import EBUSY, EINVAL, ENOMEM

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.trace import Trace
from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE, PHYSICAL_MASK, PfnRange, pages_of, pfn_to_phys
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pgprot import pgprot_set_cachemode
from pfnlab.kernel.hw.physmap import is_new_memtype_allowed
from pfnlab.kernel.hw.platform import Platform
from pfnlab.kernel.mm.direct_map import DirectMapModes
from pfnlab.kernel.mm.freed_in_vain import FreedInVain, PrInfo
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.memtype_interval import BookRow, MemtypeEntry, MemtypeIntervals
from pfnlab.kernel.mm.page_modes import PageModes
from pfnlab.kernel.mm.processors import Need, Processors

__all__ = ["MemtypeBook", "MemtypeEntry", "mem_text"]

# Enum members as plain names: looking them up in the class on every access would be slow.
_WB, _WC, _UC_MINUS, _UC = CacheMode.WB, CacheMode.WC, CacheMode.UC_MINUS, CacheMode.UC
_WT, _WP = CacheMode.WT, CacheMode.WP

# The kernel prints 64 bits.
_U64 = (1 << 64) - 1


class MemtypeBook:
    """One booted machine's reservations, RAM page types and direct map.

    :param platform: the hardware; replaced when a driver claims a resource
    :param trace: receives ``memtype_reserve`` on every call of that function, ``memtype_erase`` when looking
        for an entry to remove, and the kernel log
    :param end_match: freeing the tail of an entry shrinks the entry, as before 6.16 (S2.4.4)
    :param mtrr_merged_map: how the MTRRs are read; see :meth:`MtrrMap.type_lookup`
    :param neighbours_apart: a range does not overlap an entry that begins where the range ends
    :param reserve_keeps_top: reserving masks a range's last byte, not the byte after it (S2.2.1)
    :param processors: the kernel's processors; a list without a kernel creates its own
    :ivar warned: the functions that have printed their one-time warning
    :ivar report: reports freeing a range that has no entry
    :ivar entry_fails: returns True if allocating the next entry fails (kzalloc)
    """

    def __init__(
        self,
        platform: Platform,
        trace: Trace,
        *,
        end_match: bool,
        mtrr_merged_map: bool = True,
        neighbours_apart: bool = True,
        reserve_keeps_top: bool = True,
        processors: Processors | None = None,
    ) -> None:
        self.platform = platform
        self.trace = trace
        self.end_match = end_match
        self.mtrr_merged_map = mtrr_merged_map
        self._reserve_keeps_top = reserve_keeps_top
        #: Number of bytes after a range that the overlap check still counts as part of it.
        self._overhang = 0 if neighbours_apart else 1
        self._entries = MemtypeIntervals()
        self._ram_types = PageModes()
        self.warned: frozenset[str] = frozenset()
        self.report: FreedInVain = PrInfo()
        self.entry_fails: Callable[[], bool] = _never
        self._processors = processors or Processors()
        self._direct_map = DirectMapModes(self._processors)
        self.lock = RwLock(self._processors, Need.BOOK)

    # Reserving

    def reserve(self, start: int, end: int, req: CacheMode, *, who: str) -> CacheMode:
        """``memtype_reserve()`` for a caller that accepts types other than the requested one (S2.2).

        :return: the granted mode; it is up to the caller to accept it
        :raises ModelledErrno: EINVAL for an empty or partly-RAM range, EBUSY for a conflict, ENOMEM
        """
        return self._reserve(start, end, req, who, True)

    def reserve_exact(self, start: int, end: int, req: CacheMode, *, who: str) -> None:
        """``memtype_reserve()`` for a caller that accepts no other type and gets EBUSY instead (S2.2).

        :raises ModelledErrno: as :meth:`reserve`
        """
        self._reserve(start, end, req, who, False)

    def _reserve(self, start: int, end: int, req: CacheMode, who: str, adopts: bool) -> CacheMode:
        with self._processors.inside("memtype_reserve"):
            return self._reserve_inside(start, end, req, who, adopts)

    def _reserve_inside(self, start: int, end: int, req: CacheMode, who: str, adopts: bool) -> CacheMode:
        self.trace.event("memtype_reserve", start >> PAGE_SHIFT, (end + PAGE_SIZE - 1) >> PAGE_SHIFT)
        # S2.2.1 and 2
        start, end = self._sanitize(start, end)
        if start >= end:
            self.trace.printk(f"memtype_reserve failed: {mem_text(start, end)}, req {req.cattr}")
            self._warn()
            raise ModelledErrno(EINVAL)
        # S2.2.3 and 4: nothing is reserved.
        platform = self.platform
        if not platform.pat_enabled:
            return req
        if platform.phys.is_untracked(start, end):
            return _WB
        # S2.2.5 and 6: RAM gets the requested mode; other memory gets what the MTRRs allow.
        is_ram = platform.phys.pat_pagerange_is_ram(start, end)
        if is_ram > 0:
            return self._reserve_ram_pages_type(start, end, req)
        if is_ram < 0:
            raise ModelledErrno(EINVAL)
        actual = req if req is not _WB else self._pat_x_mtrr_type(start, end)
        # S2.2.7: the entry is allocated first. Most ranges overlap nothing.
        if self.entry_fails():
            raise ModelledErrno(ENOMEM)
        mode = actual
        with self.lock.write():
            overlap = self._entries.first_overlap(start, end + self._overhang)
            if overlap is not None:
                mode = self._check_conflict(overlap, start, end, actual, req, who, adopts)
            self._entries.insert(start, end, mode)
        return mode

    def _sanitize(self, start: int, end: int) -> tuple[int, int]:
        # S2.2.1: keep the significant address bits; since 5.15, those of the last byte.
        start &= PHYSICAL_MASK
        return start, ((end - 1) & PHYSICAL_MASK) + 1 if self._reserve_keeps_top else end & PHYSICAL_MASK

    def _pat_x_mtrr_type(self, start: int, end: int) -> CacheMode:
        # The type granted for a write-back request (S1.7.2).
        mtrr, _ = self.platform.mtrr.type_lookup(start, end, merged_map=self.mtrr_merged_map)
        return _WB if mtrr == MtrrType.WB else _UC_MINUS

    def _check_conflict(
        self,
        overlap: MemtypeEntry,
        start: int,
        end: int,
        actual: CacheMode,
        req: CacheMode,
        who: str,
        adopts: bool,
    ) -> CacheMode:
        # The type for a new entry that overlaps `overlap`, the first such entry (S2.3). Entries beginning
        # inside `overlap` already agree with it, so only entries that begin after it can have another type.
        mode, conflict = actual, overlap
        if adopts or overlap.type == actual:
            mode = overlap.type
            other = self._entries.first_other(overlap.end, end + self._overhang, mode)
            if other is None:
                return mode
            conflict = other
        self.trace.printk(
            f"x86/PAT: {who} conflicting memory types {start:x}-{end:x} {mode.cattr}<->{conflict.type.cattr}",
            "info",
        )
        self.trace.printk(
            f"x86/PAT: memtype_reserve failed {mem_text(start, end)}, track {actual.cattr}, req {req.cattr}",
            "info",
        )
        raise ModelledErrno(EBUSY)

    def _reserve_ram_pages_type(self, start: int, end: int, req: CacheMode) -> CacheMode:
        # S2.5: page flags hold one type per page, so RAM reservations never nest.
        if req is _WP:
            raise ModelledErrno(EINVAL)
        if req is _UC:
            self.warn_once("reserve_ram_pages_type")
            req = _UC_MINUS
        run = self._ram_types.first_set(start >> PAGE_SHIFT, end >> PAGE_SHIFT)
        if run:
            self.trace.printk(
                f"x86/PAT: reserve_ram_pages_type failed {mem_text(start, end)}, "
                f"track {run.type:#x}, req {req:#x}",
                "info",
            )
            raise ModelledErrno(EBUSY)
        self._ram_types.set(start >> PAGE_SHIFT, end >> PAGE_SHIFT, req)
        return req

    # Freeing

    def free(self, start: int, end: int, *, who: str) -> bool:
        """``memtype_free()``, also called ``memtype_free_io()`` (S2.4, S2.7).

        :return: False if the kernel returns -EINVAL because the range is partly RAM or has no entry; the
            latter is also logged as "freeing invalid memtype"
        """
        if not self.platform.pat_enabled:
            return True
        # S2.4.1: unlike in reserve, an end at the very top of the address space becomes 0.
        start &= PHYSICAL_MASK
        end &= PHYSICAL_MASK
        if self.platform.phys.is_untracked(start, end):
            return True
        is_ram = self.platform.phys.pat_pagerange_is_ram(start, end)
        if is_ram:
            if is_ram > 0:
                self._ram_types.set(start >> PAGE_SHIFT, end >> PAGE_SHIFT, _WB)
            return is_ram > 0
        with self.lock.write(), self._processors.inside("memtype_erase"):
            self.trace.event("memtype_erase", start >> PAGE_SHIFT, pages_of(end))
            if self._erase(start, end):
                return True
        self._freed_in_vain(start, end, who)
        return False

    def _freed_in_vain(self, start: int, end: int, who: str) -> None:
        # S2.4.5
        self.report.freed_in_vain(self, f"x86/PAT: {who} freeing invalid memtype {mem_text(start, end)}")

    def _erase(self, start: int, end: int) -> bool:
        # S2.4.4: an exact match; failing that, older kernels accept an entry of which this is the tail.
        if self._entries.remove(start, end):
            return True
        if not self.end_match or start >= end:
            return False
        entry = self._entries.first_ending(start, end)
        if entry is None:
            return False
        self._shrink(entry, start)
        return True

    def _shrink(self, entry: MemtypeEntry, end: int) -> None:
        # Removed and re-inserted, so it moves behind entries with the same start (S2.4.4, measured).
        self._entries.remove(entry.start, entry.end)
        self._entries.insert(entry.start, end, entry.type)

    # Looking up

    def lookup(self, paddr: int) -> CacheMode:
        """``lookup_memtype()`` for the page at *paddr*; never fails, and defaults to UC- (S2.6)."""
        if self.platform.phys.is_untracked(paddr, paddr + PAGE_SIZE):
            return _WB
        if self.platform.phys.pat_pagerange_is_ram(paddr, paddr + PAGE_SIZE):
            return self._ram_types[paddr >> PAGE_SHIFT]
        with self.lock.write():
            overlap = self._entries.first_overlap(paddr, paddr + PAGE_SIZE + self._overhang)
        return overlap.type if overlap else _UC_MINUS

    # Mapping physical ranges into a process

    def reserve_pfn_range(self, paddr: int, size: int, prot: int, *, strict: bool, who: str) -> int:
        """``reserve_pfn_range()``: reserve *size* bytes for a mapping with the pgprot *prot* (S2.10).

        :param strict: accept only the requested mode, as fork does in older kernels
        :return: the pgprot to map with, whose cache bits may have changed
        :raises ModelledErrno: EINVAL if the granted mode is not acceptable, or as :meth:`reserve`
        """
        pat, phys = self.platform.pat, self.platform.phys
        want_pcm = pat.pgprot2cachemode(prot)
        # S2.10.2: a range containing any RAM keeps its mode and is not reserved.
        if phys.pat_pagerange_is_ram(paddr, paddr + size):
            if not self.platform.pat_enabled:
                return prot
            pcm = self.lookup(paddr)
            if want_pcm == pcm:
                return prot
            self.trace.printk(
                f"x86/PAT: {who} map pfn RAM range req {want_pcm.cattr} "
                f"for {mem_text(paddr, paddr + size)}, got {pcm.cattr}"
            )
            return pgprot_set_cachemode(prot, pcm, pat)
        # S2.10.3 and 4
        pcm = self.reserve(paddr, paddr + size, want_pcm, who=who)
        if pcm != want_pcm:
            if strict or not is_new_memtype_allowed(phys, paddr, size, want_pcm, pcm):
                self.free(paddr, paddr + size, who=who)
                self.trace.printk(
                    f"x86/PAT: {who} map pfn expected mapping type {want_pcm.cattr} "
                    f"for {mem_text(paddr, paddr + size)}, got {pcm.cattr}",
                    "err",
                )
                raise ModelledErrno(EINVAL)
            prot = pgprot_set_cachemode(prot, pcm, pat)
        # S2.10.5
        self.kernel_map_sync(paddr, size, pcm)
        return prot

    def free_pfn_range(self, paddr: int, size: int, *, who: str) -> None:
        """``free_pfn_range()``: undo :meth:`reserve_pfn_range`; ranges with any RAM are ignored (S2.10.6)."""
        if self.platform.phys.pat_pagerange_is_ram(paddr, paddr + size) == 0:
            self.free(paddr, paddr + size, who=who)

    def shrink_pfn_range(self, paddr: int, size: int, rest: list[PfnRange], *, who: str) -> None:
        """Shrink the reservation of exactly these bytes to *rest*, with a separate entry for each range.

        No kernel can do this: the remainder never loses its mode, even briefly. RAM is left alone. A range
        inside the ISA hole gets no entry: mapping it by itself would not create one either, and the entry
        would never be freed (S1.11.5). Addresses are computed as for reservations (S2.2.1), so an entry
        ending with the last page is found.

        :param rest: ordered, disjoint frame ranges within the reservation
        """
        paddr, end = self._sanitize(paddr, paddr + size)
        if not self.platform.pat_enabled or self.platform.phys.is_untracked(paddr, end):
            return
        if self.platform.phys.pat_pagerange_is_ram(paddr, end):
            return
        with self.lock.write(), self._processors.inside("memtype_erase"):
            self.trace.event("memtype_erase", paddr >> PAGE_SHIFT, pages_of(end))
            entry = self._entries.remove(paddr, end)
            if entry is not None:
                for pfns in rest:
                    start, stop = self._sanitize(pfn_to_phys(pfns.start), pfn_to_phys(pfns.end))
                    if not self.platform.phys.is_untracked(start, stop):
                        self._entries.insert(start, stop, entry.type)
                return
        self._freed_in_vain(paddr, end, who)

    # The direct map

    def kernel_map_sync(self, base: int, size: int, mode: CacheMode) -> None:
        """``memtype_kernel_map_sync()``: set the direct map to *mode* where it covers the range (S2.8).

        Only the page at *base* is tested for being RAM, and freeing does not restore the mode. It cannot fail
        here, so S2.8.4 never happens.
        """
        self.trace.event("memtype_kernel_map_sync", base >> PAGE_SHIFT, pages_of(base + size))
        phys = self.platform.phys
        if base >= phys.high_memory or not phys.page_is_ram(base >> PAGE_SHIFT):
            return
        direct_mode = mode if mode in (_WB, _WC, _WT) else _UC_MINUS
        end = min(base + size, phys.high_memory)
        self.change_direct_map(base, end, direct_mode)

    def direct_map_changed(self) -> list[MemtypeEntry]:
        """The pfns of pages that are not write-back in the direct map, except pages changed by set_memory."""
        return self._direct_map.untyped_changes(self._ram_types.runs())

    def direct_map(self, paddr: int) -> CacheMode:
        """The mode in the kernel's direct map of the RAM page at *paddr*."""
        return self._direct_map[paddr]

    def change_direct_map(self, start: int, end: int, mode: CacheMode) -> None:
        """Set the direct-map mode of bytes *start* to *end*.

        :raises Undecided: as :meth:`DirectMapModes.set`
        """
        self._direct_map.set(start, end, mode, self.platform.pat)

    # Reading the list

    def entries(self) -> list[MemtypeEntry]:
        """All reservations in debugfs order: by start, then in order of insertion (S2.1.1)."""
        return list(self._entries)

    def ram_types(self) -> list[MemtypeEntry]:
        """Runs of RAM pages whose flags hold a type other than WB, with bounds in bytes (S2.1.2)."""
        return [
            MemtypeEntry(run.start << PAGE_SHIFT, run.end << PAGE_SHIFT, run.type)
            for run in self._ram_types.runs()
        ]

    def debugfs(self) -> str:
        """The text of ``x86/pat_memtype_list``; empty if PAT is off, as there is no file then (S2.11)."""
        if not self.platform.pat_enabled:
            return ""
        with self.lock.write():
            entries = self.entries()
        lines = [
            f"PAT: [mem {entry.start:#018x}-{entry.end:#018x}] {entry.type.cattr}\n" for entry in entries
        ]
        return "".join(["PAT memtype list:\n", *lines])

    def state(self) -> tuple[list[MemtypeEntry], list[MemtypeEntry], list[MemtypeEntry]]:
        """Reservations in debugfs order, followed by RAM types and direct-map modes by pfn."""
        return list(self._entries), self._ram_types.runs(), self._direct_map.runs()

    def rows(self) -> tuple[list[BookRow], list[BookRow], list[BookRow]]:
        """The same state as plain numbers."""
        return self._entries.rows(), self._ram_types.rows(), self._direct_map.rows()

    def load(
        self,
        entries: Iterable[MemtypeEntry],
        ram_types: Iterable[MemtypeEntry] = (),
        direct_map: Iterable[MemtypeEntry] = (),
    ) -> None:
        """Restore, unchecked, a state returned by :meth:`state` or taken from a real kernel."""
        self._entries = MemtypeIntervals(entries)
        self._ram_types.load(ram_types)
        self._direct_map.load(direct_map)

    def copy(self, trace: Trace) -> MemtypeBook:
        """An independent copy that writes to *trace*."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.trace = trace
        twin.lock = RwLock(self._processors, Need.BOOK)
        twin._entries = self._entries.copy()
        twin._ram_types = self._ram_types.copy()
        twin._direct_map = self._direct_map.copy()
        return twin

    def _warn(self) -> None:
        self.trace.printk("WARNING at arch/x86/mm/pat/memtype.c")

    def warn_once(self, function: str) -> None:
        """A WARN_ON_ONCE, which is identified by its place in *function*."""
        if function not in self.warned:
            self.warned |= {function}
            self._warn()

    def _check(self) -> None:
        # Invariants between any two operations. That every entry has a user is not one of them.
        for part in (self._entries, self._ram_types, self._direct_map):
            part._check()
        assert self.platform.pat_enabled or not len(self._entries), self.entries()
        # Overlapping entries agree: no entry of another type may extend beyond this start (S2.1.1).
        reach = dict.fromkeys(CacheMode, 0)
        for entry in self._entries:
            for mode, end in reach.items():
                assert mode == entry.type or end <= entry.start, (entry, mode, self.entries())
            reach[entry.type] = max(reach[entry.type], entry.end)
        for run in self._ram_types.runs():
            assert run.type in (_WC, _UC_MINUS, _WT), self.ram_types()


def _never() -> bool:
    return False


def mem_text(start: int, end: int) -> str:
    """A byte range as the kernel log prints it, with its last byte; 64 bits wide, so 0 wraps around."""
    return f"[mem {start:#010x}-{end - 1 & _U64:#010x}]"
