"""The machine of the worked examples, and a book kept the naive way to compare with."""

from dataclasses import dataclass, field, replace
from errno import EBUSY, EINVAL

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.trace import Trace
from pfnlab.base.units import PAGE_SIZE
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrMap, MtrrRange, MtrrType
from pfnlab.kernel.hw.pat import FULL_PAT
from pfnlab.kernel.hw.physmap import PhysicalMap, Resource, system_ram
from pfnlab.kernel.hw.platform import Platform
from pfnlab.kernel.mm.memtype import MemtypeBook, MemtypeEntry

WB, WC, UC_MINUS = CacheMode.WB, CacheMode.WC, CacheMode.UC_MINUS
UC, WT, WP = CacheMode.UC, CacheMode.WT, CacheMode.WP

P = PAGE_SIZE
BAR = 0xFD000000
WHO = "demo:100"

#: S11: RAM is WB, the default is UC, and one BAR of 16 pages.
MACHINE = Platform(
    pat=FULL_PAT,
    pat_enabled=True,
    mtrr=MtrrMap(
        default_type=MtrrType.UC,
        fixed=(
            MtrrRange(0, 0xA0000, MtrrType.WB),
            MtrrRange(0xA0000, 0xC0000, MtrrType.UC),
            MtrrRange(0xC0000, 0x100000, MtrrType.WP),
        ),
        variable=(MtrrRange(0, 1 << 31, MtrrType.WB),),
    ),
    phys=PhysicalMap(
        (system_ram(0x1000, 0x9F000), system_ram(0x100000, 1 << 31), Resource(BAR, BAR + 16 * P, "bar"))
    ),
    strict_devmem=True,
    io_strict_devmem=True,
    phys_bits=40,
)

#: The same with a BAR that is write-back in the MTRRs, as persistent memory is.
WRITE_BACK_BAR = replace(MACHINE, mtrr=replace(MACHINE.mtrr, default_type=MtrrType.WB))

#: The same with PAT off.
WITHOUT_PAT = replace(MACHINE, pat_enabled=False)


def book_of(platform: Platform = MACHINE, *, end_match: bool = False) -> MemtypeBook:
    """An empty book with a trace of its own."""
    return MemtypeBook(platform, Trace(), end_match=end_match)


def bar(first: int, end: int, mode: CacheMode) -> MemtypeEntry:
    """An entry over pages *first* to *end* of the BAR."""
    return MemtypeEntry(BAR + first * P, BAR + end * P, mode)


@dataclass
class NaiveBook:
    """S2.2 to S2.6 with a list of entries and a dict of RAM pages, looked through from the start."""

    platform: Platform
    end_match: bool
    entries: list[MemtypeEntry] = field(default_factory=list)
    ram: dict[int, CacheMode] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def reserve(self, start: int, end: int, req: CacheMode, adopts: bool) -> CacheMode:
        """The mode granted."""
        phys = self.platform.phys
        if phys.is_untracked(start, end):
            return WB
        is_ram = phys.pat_pagerange_is_ram(start, end)
        if is_ram == 1:
            return self.reserve_ram(start, end, req)
        if is_ram == -1:
            raise ModelledErrno(EINVAL)
        actual = req
        if req == WB:
            mtrr, _ = self.platform.mtrr.type_lookup(start, end, merged_map=True)
            actual = WB if mtrr == MtrrType.WB else UC_MINUS
        found = actual
        overlapping = [e for e in self.entries if e.start < end and start < e.end]
        for nth, entry in enumerate(overlapping):
            if entry.type != found and (nth or not adopts):
                self.log += [
                    f"x86/PAT: {WHO} conflicting memory types {start:x}-{end:x} "
                    f"{found.cattr}<->{entry.type.cattr}",
                    f"x86/PAT: memtype_reserve failed [mem {start:#010x}-{end - 1:#010x}], "
                    f"track {actual.cattr}, req {req.cattr}",
                ]
                raise ModelledErrno(EBUSY)
            found = entry.type
        self.insert(MemtypeEntry(start, end, found))
        return found

    def reserve_ram(self, start: int, end: int, req: CacheMode) -> CacheMode:
        """One mode a page, and no page twice."""
        if req == WP:
            raise ModelledErrno(EINVAL)
        if req == UC:
            if not any(line.startswith("WARNING") for line in self.log):
                self.log.append("WARNING at arch/x86/mm/pat/memtype.c")
            req = UC_MINUS
        pfns = range(start // P, end // P)
        for pfn in pfns:
            if pfn in self.ram:
                self.log.append(
                    f"x86/PAT: reserve_ram_pages_type failed [mem {start:#010x}-{end - 1:#010x}], "
                    f"track 0x{self.ram[pfn].value:x}, req 0x{req.value:x}"
                )
                raise ModelledErrno(EBUSY)
        if req != WB:
            self.ram.update(dict.fromkeys(pfns, req))
        return req

    def free(self, start: int, end: int) -> bool:
        """Whether something was freed, or nothing had to be."""
        phys = self.platform.phys
        if phys.is_untracked(start, end):
            return True
        is_ram = phys.pat_pagerange_is_ram(start, end)
        if is_ram:
            for pfn in range(start // P, end // P) if is_ram == 1 else ():
                self.ram.pop(pfn, None)
            return is_ram == 1
        for i, entry in enumerate(self.entries):
            if (entry.start, entry.end) == (start, end):
                del self.entries[i]
                return True
        for i, entry in enumerate(self.entries):
            if self.end_match and entry.start < start and entry.end == end:
                del self.entries[i]
                self.insert(MemtypeEntry(entry.start, start, entry.type))
                return True
        self.log.append(f"x86/PAT: {WHO} freeing invalid memtype [mem {start:#010x}-{end - 1:#010x}]")
        return False

    def lookup(self, paddr: int) -> CacheMode:
        """The mode of one page."""
        phys = self.platform.phys
        if phys.is_untracked(paddr, paddr + P):
            return WB
        if phys.pat_pagerange_is_ram(paddr, paddr + P):
            return self.ram.get(paddr // P, WB)
        return next((e.type for e in self.entries if e.start < paddr + P and paddr < e.end), UC_MINUS)

    def insert(self, entry: MemtypeEntry) -> None:
        """Behind all entries with the same start."""
        i = sum(e.start <= entry.start for e in self.entries)
        self.entries.insert(i, entry)
