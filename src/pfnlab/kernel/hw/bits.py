"""The bits of a page-table entry, and how those of 4K leaves differ from larger ones (S1.3).

A pgprot always uses the 4K leaf layout. In a 2M or 1G leaf, bit 7 marks the entry as a leaf. The PAT bit
therefore moves to bit 12, which belongs to the page frame number in a 4K leaf.
"""

PAGE_PRESENT = 1 << 0
PAGE_RW = 1 << 1
PAGE_USER = 1 << 2
PAGE_PWT = 1 << 3
PAGE_PCD = 1 << 4
PAGE_ACCESSED = 1 << 5
PAGE_DIRTY = 1 << 6
#: In 4K leaves only; the same bit as :data:`PAGE_PSE`.
PAGE_PAT = 1 << 7
#: Above the 4K level only: marks the entry as a leaf.
PAGE_PSE = 1 << 7
PAGE_GLOBAL = 1 << 8
#: Meaningful only if PRESENT is clear; the same bit as :data:`PAGE_GLOBAL`.
PAGE_PROTNONE = 1 << 8
PAGE_SPECIAL = 1 << 9
PAGE_UFFD_WP = 1 << 10
PAGE_SOFT_DIRTY = 1 << 11
#: In 2M and 1G leaves only.
PAGE_PAT_LARGE = 1 << 12
#: The lowest bit of the protection key.
PAGE_PKEY_BIT0 = 1 << 59
PAGE_PKEY_BIT1 = 1 << 60
PAGE_NX = 1 << 63

#: The cache bits in a pgprot and in a 4K leaf.
PAGE_CACHE_MASK = PAGE_PWT | PAGE_PCD | PAGE_PAT

_PAT_SHIFT = 5


def pgprot_4k_2_large(prot: int) -> int:
    """Convert *prot* to the layout of a 2M or 1G leaf, without setting PSE (S1.3)."""
    return (prot & ~(PAGE_PAT | PAGE_PAT_LARGE)) | ((prot & PAGE_PAT) << _PAT_SHIFT)


def pgprot_large_2_4k(prot: int) -> int:
    """Convert *prot*, from a large leaf, to the pgprot layout, dropping PSE (S1.3)."""
    return (prot & ~(PAGE_PAT | PAGE_PAT_LARGE)) | ((prot & PAGE_PAT_LARGE) >> _PAT_SHIFT)
