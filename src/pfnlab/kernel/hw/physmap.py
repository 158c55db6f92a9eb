"""The layout of physical memory, and how the kernel queries it (S1.11 to S1.14).

The cost of a query depends on the number of resources, never on the number of pages.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from errno import EINVAL
from typing import NamedTuple

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE, pages_of, pfn_to_phys, phys_to_pfn
from pfnlab.kernel.hw.cachemode import CacheMode

# The legacy ISA hole of the PC: always write-back, and never in the memtype list (S1.11.5).
_ISA_START = 0xA0000
_ISA_END = 0x100000

# Below this pfn, the memtype list treats RAM as non-RAM, and /dev/mem refuses nothing.
_LOW_PFN = 0x100


class Resource(NamedTuple):
    """One line in /proc/iomem: bytes ``start`` up to but not including ``end``.

    :param busy: the range is claimed; always True for System RAM
    :param exclusive: the driver requested exclusive access
    """

    start: int
    end: int
    name: str
    system_ram: bool = False
    busy: bool = False
    exclusive: bool = False

    def overlaps(self, start: int, end: int) -> bool:
        """True if this resource overlaps bytes *start* to *end*."""
        return self.start < end and start < self.end


def system_ram(start: int, end: int) -> Resource:
    """A System RAM resource, as created from the firmware memory map (S1.11.1)."""
    return Resource(start, end, "System RAM", system_ram=True, busy=True)


class PhysicalMap:
    """All resources of a machine. Immutable: a claim creates a new map.

    :param resources: in any order; resources may be nested, except System RAM, which is disjoint
    :param iomem_relaxed: the kernel was booted with ``iomem=relaxed``
    """

    def __init__(self, resources: tuple[Resource, ...], *, iomem_relaxed: bool = False) -> None:
        self.resources = tuple(sorted(resources))
        self.iomem_relaxed = iomem_relaxed
        whole = [(pages_of(r.start), phys_to_pfn(r.end)) for r in self.resources if r.system_ram and r.busy]
        # The whole System RAM pages, one run per resource.
        self._ram_start = [start for start, end in whole if start < end]
        self._ram_end = [end for start, end in whole if start < end]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PhysicalMap):
            return NotImplemented
        return (self.resources, self.iomem_relaxed) == (other.resources, other.iomem_relaxed)

    def __hash__(self) -> int:
        return hash((self.resources, self.iomem_relaxed))

    def with_resource(self, resource: Resource) -> PhysicalMap:
        """A copy of the map with *resource* added, as by ``request_mem_region()``."""
        return PhysicalMap((*self.resources, resource), iomem_relaxed=self.iomem_relaxed)

    def without_resource(self, resource: Resource) -> PhysicalMap:
        """A copy of the map with *resource* removed, as by ``release_mem_region()``."""
        rest = list(self.resources)
        rest.remove(resource)
        return PhysicalMap(tuple(rest), iomem_relaxed=self.iomem_relaxed)

    @property
    def high_memory(self) -> int:
        """The physical byte address where the direct map of RAM ends (S1.11.6)."""
        return pfn_to_phys(self._ram_end[-1]) if self._ram_end else 0

    def walk_system_ram_range(self, start_pfn: int, nr: int, func: Callable[[int, int], int]) -> int:
        """Call *func* with the first pfn and page count of each RAM run in the range (S1.11.2).

        :param nr: size of the range in pages
        :param func: any result other than 0 stops the walk
        :return: the last result of *func*, or -EINVAL if the range contains no RAM
        """
        end_pfn = start_pfn + nr
        ret = -EINVAL
        for i in range(bisect_right(self._ram_end, start_pfn), len(self._ram_end)):
            if self._ram_start[i] >= end_pfn:
                break
            first = max(self._ram_start[i], start_pfn)
            ret = func(first, min(self._ram_end[i], end_pfn) - first)
            if ret:
                break
        return ret

    def page_is_ram(self, pfn: int) -> bool:
        """True if the whole page *pfn* is System RAM (S1.11.3)."""
        i = bisect_right(self._ram_start, pfn) - 1
        return i >= 0 and pfn < self._ram_end[i]

    def pat_pagerange_is_ram(self, start: int, end: int) -> int:
        """Apply the memtype list's RAM test to bytes *start* to *end* (S1.11.4).

        The kernel starts this walk at 1 MiB, and notices a gap only if RAM follows it.

        :return: 1 for RAM (even with a non-RAM tail), 0 for no RAM, -1 for a mixture
        """
        cur_pfn = start >> PAGE_SHIFT
        end_pfn = (end + PAGE_SIZE - 1) >> PAGE_SHIFT
        walk_pfn = cur_pfn if cur_pfn > _LOW_PFN else _LOW_PFN
        i = bisect_right(self._ram_end, walk_pfn)
        ram = 0
        while i < len(self._ram_end) and self._ram_start[i] < end_pfn and walk_pfn < end_pfn:
            if max(self._ram_start[i], walk_pfn) > cur_pfn:
                return -1
            ram = 1
            cur_pfn = walk_pfn = self._ram_end[i]
            i += 1
        return ram

    def is_untracked(self, start: int, end: int) -> bool:
        """True if bytes *start* to *end* lie entirely within the ISA hole (S1.11.5)."""
        return start >= _ISA_START and end <= _ISA_END

    def iomem_is_exclusive(self, addr: int, *, io_strict_devmem: bool) -> bool:
        """True if the page at physical byte *addr* is exclusive to a driver (S1.13)."""
        start = addr & -PAGE_SIZE
        return any(
            r.overlaps(start, start + PAGE_SIZE) and self._is_exclusive(r, io_strict_devmem)
            for r in self.resources
        )

    def iomem_map_sanity_check(self, start: int, size: int) -> Resource | None:
        """The first non-busy resource whose edge the *size*-byte mapping crosses (S9.6.5)."""
        first, last = phys_to_pfn(start), phys_to_pfn(start + size - 1)
        left = (
            r
            for r in self.resources
            if r.overlaps(start, start + size)
            and not r.busy
            and not (phys_to_pfn(r.start) <= first and last <= phys_to_pfn(r.end - 1))
        )
        return next(left, None)

    def may_request(self, start: int, end: int) -> bool:
        """True if a driver can claim bytes *start* to *end* (S9.1.6).

        None of the bytes may be claimed already, and every resource overlapping them
        must contain all of them.
        """
        touched = [r for r in self.resources if r.overlaps(start, end)]
        return all(not r.busy and r.start <= start and end <= r.end for r in touched)

    def region_intersects(self, start: int, end: int) -> bool | None:
        """True if bytes *start* to *end* overlap System RAM, which is the test memremap uses (S9.7.1).

        :return: unknown (``None``) if the bytes overlap other resources too
        """
        touched = [r for r in self.resources if r.overlaps(start, end)]
        ram = [r.system_ram for r in touched]
        return None if any(ram) and not all(ram) else any(ram)

    def is_booked(self, start: int, end: int, *, piece_of_ram: bool) -> bool:
        """True if mapping bytes *start* to *end* certainly reserves them, alone or as part of a larger range.

        A range that contains RAM, or lies entirely within the ISA hole, is never reserved.

        :param piece_of_ram: the bytes may be part of a mapping that extended into RAM above 1 MiB
        """
        if self.is_untracked(start, end) or (piece_of_ram and start < pfn_to_phys(_LOW_PFN)):
            return False
        return self.pat_pagerange_is_ram(start, end) == 0

    def devmem_is_allowed(self, pfn: int, *, io_strict_devmem: bool) -> int:
        """The access to page *pfn* that /dev/mem grants under STRICT_DEVMEM (S1.13).

        :return: 0 for none, 1 for full access, 2 if it can be mapped but reads return
            zeros and writes are lost
        """
        start = pfn_to_phys(pfn)
        if any(r.system_ram and r.overlaps(start, start + PAGE_SIZE) for r in self.resources):
            return 2 if pfn < _LOW_PFN else 0
        if self.iomem_is_exclusive(start, io_strict_devmem=io_strict_devmem):
            return 1 if pfn < _LOW_PFN else 0
        return 1

    def range_is_allowed(self, pfn: int, size: int, *, io_strict_devmem: bool) -> bool:
        """True if :meth:`devmem_is_allowed` allows every page in the *size* bytes from *pfn* on (S1.14)."""
        start = pfn_to_phys(max(pfn, _LOW_PFN))
        end = pfn_to_phys(pfn + pages_of(size))
        return start >= end or not any(
            (r.system_ram or self._is_exclusive(r, io_strict_devmem))
            and (r.start & -PAGE_SIZE) < end
            and start < r.end
            for r in self.resources
        )

    def _is_exclusive(self, r: Resource, io_strict_devmem: bool) -> bool:
        if r.system_ram and r.exclusive:
            return True
        return not self.iomem_relaxed and r.busy and (io_strict_devmem or r.exclusive)


# S1.12: pairs of a requested mode and a granted one that is too weak for the requester.
_TOO_WEAK = frozenset(
    {
        (CacheMode.UC_MINUS, CacheMode.WB),
        (CacheMode.WC, CacheMode.WB),
        (CacheMode.WT, CacheMode.WB),
        (CacheMode.WT, CacheMode.WC),
    }
)


def is_new_memtype_allowed(phys: PhysicalMap, paddr: int, size: int, req: CacheMode, got: CacheMode) -> bool:
    """True if a caller that requested *req* for *size* bytes at *paddr* can accept *got* (S1.12)."""
    return phys.is_untracked(paddr, paddr + size) or (req, got) not in _TOO_WEAK
