"""Pages, page frame numbers, the range type used by all other modules, and counts in words.

Ranges are half-open everywhere inside pfnlab. The kernel passes a pfn and a size in bytes, and prints
inclusive byte ranges; both are converted only where they enter or leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PAGE_SHIFT = 12
PAGE_SIZE = 1 << PAGE_SHIFT

#: The physical address bits that the modelled CPU implements (``__PHYSICAL_MASK``).
PHYSICAL_BITS = 52
PHYSICAL_MASK = (1 << PHYSICAL_BITS) - 1


class PfnRange(NamedTuple):
    """Page frames from ``start`` up to but not including ``end``."""

    start: int
    end: int

    @property
    def nr(self) -> int:
        """The number of pages in the range."""
        return self.end - self.start

    def overlaps(self, other: PfnRange) -> bool:
        """True if the two ranges have any page in common."""
        return self.start < other.end and other.start < self.end

    def contains(self, other: PfnRange) -> bool:
        """True if every page of *other* is in this range."""
        return self.start <= other.start and other.end <= self.end

    def meet(self, other: PfnRange) -> PfnRange:
        """The intersection of two overlapping ranges."""
        return PfnRange(max(self.start, other.start), min(self.end, other.end))


def pfn_to_phys(pfn: int) -> int:
    """The physical byte address where page frame *pfn* starts."""
    return pfn << PAGE_SHIFT


def phys_to_pfn(phys: int) -> int:
    """The page frame containing physical byte address *phys*."""
    return phys >> PAGE_SHIFT


def pages_of(size: int) -> int:
    """The number of pages needed for *size* bytes, rounded up (PAGE_ALIGN)."""
    return (size + PAGE_SIZE - 1) >> PAGE_SHIFT


def number_of(number: int, noun: str, plural: str = "") -> str:
    """Format a count with its noun: ``1 step``, ``1,200 steps``; *plural* if not *noun* plus s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def first_of_many(texts: Sequence[str], most: int, between: str = ", ") -> str:
    """The first *most* texts, and how many more there are: ``a, b and 3 more``."""
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return f"{between.join(texts[:most])}{more}"


def in_mib(size: int) -> str:
    """Format a size in bytes in MiB, rounded up: ``33 MiB``, ``1,200 MiB``."""
    return f"{-(-size >> 20):,} MiB"


def size_text(size: int) -> str:
    """Format a number of bytes in the largest unit that divides it: ``16 KiB``, ``1,234 bytes``."""
    for shift, unit in ((50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift:,} {unit}"
    return f"{size:,} bytes"


def than_before(more: int, things: str) -> str:
    """A change in words: *more* additional *things* than before, or fewer if *more* is negative."""
    return f"{abs(more):,} {things} {'more' if more > 0 else 'less'} than before"
