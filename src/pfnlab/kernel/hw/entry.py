"""Operations on the bits of one page-table entry (S1.3).

Only an entry's flag bits are stored, in the 4K layout; its frame is stored separately. Only the hardware
format inverts the frame of a PROT_NONE entry, so inverted frames never appear here.

Since 6.6, the kernel moves the dirty bit of an entry that loses write permission to a software bit, and moves
it back when the permission returns (S1.3, measured). ``saved_dirty`` is True for these kernels.
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

#: Dirty bit for entries without write permission (_PAGE_SAVED_DIRTY).
PAGE_SAVED_DIRTY = 1 << 58

#: The bits that mprotect preserves (_PAGE_CHG_MASK): changing permissions never changes the cache mode.
PAGE_CHG_MASK = (
    PAGE_CACHE_MASK
    | PAGE_SPECIAL
    | PAGE_ACCESSED
    | PAGE_DIRTY
    | PAGE_SAVED_DIRTY
    | PAGE_SOFT_DIRTY
    | PAGE_UFFD_WP
)

#: Number of address bits that one table level resolves.
_LEVEL_BITS = 9


def pte_present(bits: int) -> bool:
    """True if the hardware would use the entry."""
    return bool(bits & PAGE_PRESENT)


def pte_write(bits: int) -> bool:
    """True if user space may write through the entry."""
    return bool(bits & PAGE_RW)


def pte_dirty(bits: int) -> bool:
    """True if either dirty bit is set."""
    return bool(bits & (PAGE_DIRTY | PAGE_SAVED_DIRTY))


def pte_keyed(bits: int) -> bool:
    """True if a protection key blocks loads and stores."""
    return bool(bits & PAGE_PKEY_BIT0)


def pte_special(bits: int) -> bool:
    """True if the entry does not map an ordinary page."""
    return bool(bits & PAGE_SPECIAL)


def _settle_dirty(bits: int, saved_dirty: bool) -> int:
    """Move the dirty bit to where the kernel keeps it for an entry with this write permission."""
    if not saved_dirty or not pte_dirty(bits):
        return bits
    bits &= ~(PAGE_DIRTY | PAGE_SAVED_DIRTY)
    return bits | (PAGE_DIRTY if bits & PAGE_RW else PAGE_SAVED_DIRTY)


def pte_wrprotect(bits: int, saved_dirty: bool) -> int:
    """The entry with write permission removed."""
    return _settle_dirty(bits & ~PAGE_RW, saved_dirty)


def pte_mkwrite(bits: int, saved_dirty: bool) -> int:
    """The entry with write permission added."""
    return _settle_dirty(bits | PAGE_RW, saved_dirty)


def pte_mkdirty(bits: int, saved_dirty: bool) -> int:
    """The entry marked dirty."""
    return _settle_dirty(bits | PAGE_DIRTY | PAGE_SOFT_DIRTY, saved_dirty)


def pte_written(bits: int) -> int:
    """A writable entry after a write: the hardware sets only the dirty bit, not the soft-dirty bit."""
    return bits | PAGE_DIRTY


def pte_mksoft_dirty(bits: int) -> int:
    """The entry marked soft-dirty."""
    return bits | PAGE_SOFT_DIRTY


def pte_clear_soft_dirty(bits: int) -> int:
    """The entry with the soft-dirty mark cleared."""
    return bits & ~PAGE_SOFT_DIRTY


def pte_soft_dirty(bits: int) -> bool:
    """True if the entry says the page was written since the mark was last cleared."""
    return bool(bits & PAGE_SOFT_DIRTY)


def pte_mkclean(bits: int) -> int:
    """The entry marked clean."""
    return bits & ~(PAGE_DIRTY | PAGE_SAVED_DIRTY)


def pte_mkyoung(bits: int) -> int:
    """The entry marked accessed."""
    return bits | PAGE_ACCESSED


def pte_mkold(bits: int) -> int:
    """The entry marked not accessed."""
    return bits & ~PAGE_ACCESSED


def pte_modify(bits: int, prot: int, saved_dirty: bool) -> int:
    """The entry with the permissions in *prot*; frame, cache mode, accessed and dirty bits stay (S1.3)."""
    return _settle_dirty((bits & PAGE_CHG_MASK) | (prot & ~PAGE_CHG_MASK), saved_dirty)


#: The protection key bits used here.
PAGE_PKEY = PAGE_PKEY_BIT0 | PAGE_PKEY_BIT1

#: Clearing any of these makes a cached translation too permissive.
_FLUSH_ON_CLEAR = PAGE_DIRTY | PAGE_PRESENT | PAGE_ACCESSED

#: Changing any of these, in either direction, makes a cached translation wrong.
_FLUSH_ON_CHANGE = PAGE_RW | PAGE_USER | PAGE_CACHE_MASK | PAGE_GLOBAL | PAGE_PKEY | PAGE_NX


def pte_needs_flush(old: int, new: int) -> bool:
    """True if a change from *old* to *new*, with the same frame, requires a TLB flush (x86's rule).

    The accessed bit is ignored: mprotect preserves it.
    """
    if not pte_present(old):
        return False
    diff = (old ^ new) & ~PAGE_ACCESSED
    return bool(diff & old & _FLUSH_ON_CLEAR or diff & _FLUSH_ON_CHANGE)


def pgprot_modify(old: int, new: int) -> int:
    """The page protection *new* with the cache bits taken from *old*."""
    return (old & PAGE_CACHE_MASK) | (new & ~PAGE_CACHE_MASK)


def entry_pfn(raw: int, level: int) -> int:
    """The first page frame that a leaf maps; an entry that is not present stores it inverted."""
    shift = PAGE_SHIFT + _LEVEL_BITS * (level - 1)
    mask = PHYSICAL_MASK >> shift << shift
    phys = raw & mask if raw & PAGE_PRESENT else ~raw & mask
    return phys >> PAGE_SHIFT
