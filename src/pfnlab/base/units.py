"""Pages, page frame numbers, the range type of all other modules, and counts in words.

Ranges are half-open everywhere inside pfnlab. The kernel passes a pfn and a byte size, and prints
inclusive byte ranges; both are converted where they enter or leave, nowhere else.
"""

from __future__ import annotations

from typing import NamedTuple

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT

#: The physical address bits the modelled CPU implements (``__PHYSICAL_MASK``).
PHYSICAL_BITS = 52
PHYSICAL_MASK = (1 << PHYSICAL_BITS) - 1


class PfnRange(NamedTuple):
    """Page frames ``start`` up to and not including ``end``."""

    start: int
    end: int

    @property
    def nr(self) -> int:
        """How many pages the range holds."""
        return self.end - self.start

    def overlaps(self, other: PfnRange) -> bool:
        """True where any page lies in both ranges."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: PfnRange) -> bool:
        """True where every page of *other* lies in this range."""
        return self.start <= other.start and other.end <= self.end

    def meet(self, other: PfnRange) -> PfnRange:
        """The pages that lie in both of two ranges that overlap."""
        return PfnRange(max(self.start, other.start), min(self.end, other.end))


def pfn_to_phys(pfn: int) -> int:
    """The physical byte address at which page frame *pfn* begins."""
    return pfn << PAGE_SHIFT


def phys_to_pfn(phys: int) -> int:
    """The page frame that holds physical byte address *phys*."""
    return phys >> PAGE_SHIFT


def pages_of(size: int) -> int:
    """How many pages *size* bytes take, the last one counted even when only partly used (PAGE_ALIGN)."""
    return (size + PAGE_SIZE - 1) >> PAGE_SHIFT


def number_of(number: int, noun: str, plural: str = "") -> str:
    """A count with its noun in words: ``1 step``, ``1,200 steps``; *plural* if it is not *noun* with an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def in_mib(size: int) -> str:
    """A size in bytes in words, up to the next whole MiB: ``33 MiB``, ``1,200 MiB``."""
    return f"{-(-size >> 20):,} MiB"


def size_text(size: int) -> str:
    """A number of bytes in the largest unit that divides it: ``16 KiB``, ``1 MiB``, ``1,234 bytes``."""
    for shift, unit in ((50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift:,} {unit}"
    return f"{size:,} bytes"
