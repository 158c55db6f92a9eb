"""The changes a kernel makes to the bits of one page-table entry (S1.3).

Entries are stored as their flag bits alone, in the 4K layout; the frame is stored beside them. The frame
of a PROT_NONE entry is stored inverted by the hardware format only, so it never shows here.

Since 6.6 an entry that loses its write permission hides its dirty bit in a software bit and gets it
back with the permission (S1.3, measured); ``saved_dirty`` says whether the kernel does that.
"""

from pfnlab.base.units import PAGE_SHIFT, PHYSICAL_MASK
from pfnlab.kernel.hw.bits import (
    PAGE_ACCESSED,
    PAGE_CACHE_MASK,
    PAGE_DIRTY,
    PAGE_GLOBAL,
    PAGE_NX,
    PAGE_PKEY_BIT0,
    PAGE_PKEY_BIT1,
    PAGE_PRESENT,
    PAGE_RW,
    PAGE_SOFT_DIRTY,
    PAGE_SPECIAL,
    PAGE_UFFD_WP,
    PAGE_USER,
)

#: Where a dirty entry without write permission stores its dirtiness (_PAGE_SAVED_DIRTY).
PAGE_SAVED_DIRTY = 1 << 58

#: The bits mprotect leaves alone (_PAGE_CHG_MASK): an entry's cache mode never changes with its permissions.
PAGE_CHG_MASK = (
    PAGE_CACHE_MASK
    | PAGE_SPECIAL
    | PAGE_ACCESSED
    | PAGE_DIRTY
    | PAGE_SAVED_DIRTY
    | PAGE_SOFT_DIRTY
    | PAGE_UFFD_WP
)

#: How many address bits one table level resolves.
_LEVEL_BITS = 9


def pte_present(bits: int) -> bool:
    """True where the hardware would use the entry."""
    return bool(bits & PAGE_PRESENT)


def pte_write(bits: int) -> bool:
    """True where the entry lets user space write."""
    return bool(bits & PAGE_RW)


def pte_dirty(bits: int) -> bool:
    """True where the entry is dirty, openly or hidden."""
    return bool(bits & (PAGE_DIRTY | PAGE_SAVED_DIRTY))


def pte_keyed(bits: int) -> bool:
    """True where a protection key keeps loads and stores out."""
    return bool(bits & PAGE_PKEY_BIT0)


def pte_special(bits: int) -> bool:
    """True where there is no ordinary page behind the entry."""
    return bool(bits & PAGE_SPECIAL)


def _settle_dirty(bits: int, saved_dirty: bool) -> int:
    """Move the dirty bit to where the kernel stores it for this write permission."""
    if not saved_dirty or not pte_dirty(bits):
        return bits
    bits &= ~(PAGE_DIRTY | PAGE_SAVED_DIRTY)
    return bits | (PAGE_DIRTY if bits & PAGE_RW else PAGE_SAVED_DIRTY)


def pte_wrprotect(bits: int, saved_dirty: bool) -> int:
    """The entry without write permission."""
    return _settle_dirty(bits & ~PAGE_RW, saved_dirty)


def pte_mkwrite(bits: int, saved_dirty: bool) -> int:
    """The entry with write permission."""
    return _settle_dirty(bits | PAGE_RW, saved_dirty)


def pte_mkdirty(bits: int, saved_dirty: bool) -> int:
    """The entry dirty."""
    return _settle_dirty(bits | PAGE_DIRTY | PAGE_SOFT_DIRTY, saved_dirty)


def pte_written(bits: int) -> int:
    """A writable entry after a write: of the marks the hardware knows only the dirty bit."""
    return bits | PAGE_DIRTY


def pte_mksoft_dirty(bits: int) -> int:
    """The entry soft-dirty."""
    return bits | PAGE_SOFT_DIRTY


def pte_clear_soft_dirty(bits: int) -> int:
    """The entry not soft-dirty."""
    return bits & ~PAGE_SOFT_DIRTY


def pte_soft_dirty(bits: int) -> bool:
    """True where the page was written since somebody cleared the mark, as far as the entry knows."""
    return bool(bits & PAGE_SOFT_DIRTY)


def pte_mkclean(bits: int) -> int:
    """The entry clean."""
    return bits & ~(PAGE_DIRTY | PAGE_SAVED_DIRTY)


def pte_mkyoung(bits: int) -> int:
    """The entry marked accessed."""
    return bits | PAGE_ACCESSED


def pte_mkold(bits: int) -> int:
    """The entry marked not accessed."""
    return bits & ~PAGE_ACCESSED


def pte_modify(bits: int, prot: int, saved_dirty: bool) -> int:
    """The entry with the permissions of *prot*; frame, cache mode and history stay (S1.3)."""
    return _settle_dirty((bits & PAGE_CHG_MASK) | (prot & ~PAGE_CHG_MASK), saved_dirty)


#: The bits of a protection key that are used here.
PAGE_PKEY = PAGE_PKEY_BIT0 | PAGE_PKEY_BIT1

#: Cleared, these leave a cached translation that promises too much.
_FLUSH_ON_CLEAR = PAGE_DIRTY | PAGE_PRESENT | PAGE_ACCESSED

#: Changed either way, these leave a cached translation that is wrong.
_FLUSH_ON_CHANGE = PAGE_RW | PAGE_USER | PAGE_CACHE_MASK | PAGE_GLOBAL | PAGE_PKEY | PAGE_NX


def pte_needs_flush(old: int, new: int) -> bool:
    """True where a cached translation of *old* must go when the entry becomes *new* (x86's rule, frame kept).

    The accessed bit does not count: mprotect keeps it.
    """
    if not pte_present(old):
        return False
    diff = (old ^ new) & ~PAGE_ACCESSED
    return bool(diff & old & _FLUSH_ON_CLEAR or diff & _FLUSH_ON_CHANGE)


def pgprot_modify(old: int, new: int) -> int:
    """Page protection *new* with the cache bits of *old*."""
    return (old & PAGE_CACHE_MASK) | (new & ~PAGE_CACHE_MASK)


def entry_pfn(raw: int, level: int) -> int:
    """The page frame a leaf maps first; an entry that is not present holds it inverted."""
    shift = PAGE_SHIFT + _LEVEL_BITS * (level - 1)
    mask = PHYSICAL_MASK >> shift << shift
    phys = raw & mask if raw & PAGE_PRESENT else ~raw & mask
    return phys >> PAGE_SHIFT
