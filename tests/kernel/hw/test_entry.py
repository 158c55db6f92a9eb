"""S1.3: what the bits of an entry become."""

from __future__ import annotations

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.kernel.hw.bits import (
    PAGE_ACCESSED,
    PAGE_CACHE_MASK,
    PAGE_DIRTY,
    PAGE_NX,
    PAGE_PCD,
    PAGE_PRESENT,
    PAGE_PROTNONE,
    PAGE_PWT,
    PAGE_RW,
    PAGE_SOFT_DIRTY,
    PAGE_SPECIAL,
    PAGE_UFFD_WP,
    PAGE_USER,
)
from pfnlab.kernel.hw.entry import (
    PAGE_SAVED_DIRTY,
    pgprot_modify,
    pte_dirty,
    pte_mkclean,
    pte_mkdirty,
    pte_mkold,
    pte_mkwrite,
    pte_mkyoung,
    pte_modify,
    pte_present,
    pte_special,
    pte_write,
    pte_wrprotect,
)

READ = PAGE_PRESENT | PAGE_USER | PAGE_NX
WRITE = READ | PAGE_RW
NONE = PAGE_PROTNONE | PAGE_ACCESSED
DEVICE = WRITE | PAGE_SPECIAL | PAGE_PWT | PAGE_ACCESSED

BITS = st.integers(0, (1 << 64) - 1)
ERAS = st.booleans()

KEPT = [
    *(PAGE_CACHE_MASK, PAGE_SPECIAL, PAGE_ACCESSED, PAGE_DIRTY, PAGE_SOFT_DIRTY, PAGE_UFFD_WP),
    PAGE_SPECIAL | PAGE_PCD,
]


@for_each("kept", KEPT)
def test_modify_keeps(kept: int) -> None:
    """Changing permissions leaves cache mode, special, accessed, dirty and soft-dirty alone."""
    assert READ | kept == pte_modify(WRITE | kept, READ, saved_dirty=False)


def test_modify_to_none() -> None:
    """An entry made PROT_NONE has only bit 8 for permissions, and keeps its mode and special bit."""
    bits = pte_modify(DEVICE, NONE, saved_dirty=True)

    assert PAGE_PROTNONE | PAGE_SPECIAL | PAGE_PWT | PAGE_ACCESSED == bits


def test_modify_from_none_and_back() -> None:
    """An entry that was PROT_NONE for a while is what it was."""
    bits = pte_modify(DEVICE, NONE, saved_dirty=True)

    assert pte_modify(bits, WRITE, saved_dirty=True) == DEVICE


def test_modify_takes_no_history_from_the_protection() -> None:
    """A vm_page_prot with the accessed bit in it makes no old entry young."""
    assert READ == pte_modify(WRITE, READ | PAGE_ACCESSED, saved_dirty=True)


@given(BITS, BITS, ERAS)
def test_modify_never_changes_the_mode(bits: int, prot: int, saved_dirty: bool) -> None:
    """No protection at all changes the cache mode of an existing entry."""
    assert bits & PAGE_CACHE_MASK == pte_modify(bits, prot, saved_dirty) & PAGE_CACHE_MASK


@given(BITS, BITS, ERAS)
def test_modify_never_forgets_dirtiness(bits: int, prot: int, saved_dirty: bool) -> None:
    """A dirty entry is dirty afterwards, openly or not, and a clean one is clean."""
    assert pte_dirty(bits) == pte_dirty(pte_modify(bits, prot, saved_dirty))


@for_each(("saved_dirty", "bits"), [(False, READ | PAGE_DIRTY), (True, READ | PAGE_SAVED_DIRTY)])
def test_wrprotect_of_a_dirty_entry(saved_dirty: bool, bits: int) -> None:
    """Losing write permission hides the dirty bit on kernels that have a place to hide it (6.12+)."""
    assert bits == pte_wrprotect(WRITE | PAGE_DIRTY, saved_dirty)


@for_each("saved_dirty", [False, True])
def test_wrprotect_of_a_clean_entry(saved_dirty: bool) -> None:
    """A clean entry shows no dirty bit on any kernel."""
    assert READ == pte_wrprotect(WRITE, saved_dirty)


def test_mkwrite_brings_dirty_back() -> None:
    """Setting write permission brings the hidden dirty bit back."""
    assert WRITE | PAGE_DIRTY == pte_mkwrite(READ | PAGE_SAVED_DIRTY, saved_dirty=True)


@for_each("saved_dirty", [False, True])
def test_mkwrite_of_a_clean_entry(saved_dirty: bool) -> None:
    """Write permission alone makes nothing dirty."""
    assert WRITE == pte_mkwrite(READ, saved_dirty)


@given(BITS)
def test_saved_dirty_shows_dirty_only_when_writable(bits: int) -> None:
    """Where dirtiness can hide, no entry is both read-only and openly dirty."""
    bits = pte_wrprotect(bits, saved_dirty=True)

    assert not bits & PAGE_DIRTY


@for_each(("saved_dirty", "dirty"), [(False, PAGE_DIRTY), (True, PAGE_SAVED_DIRTY)])
def test_mkdirty_without_write_permission(saved_dirty: bool, dirty: int) -> None:
    """A read-only entry is made dirty where its era keeps dirtiness, and soft-dirty too."""
    assert READ | dirty | PAGE_SOFT_DIRTY == pte_mkdirty(READ, saved_dirty)


@for_each("dirty", [PAGE_DIRTY, PAGE_SAVED_DIRTY])
def test_mkclean(dirty: int) -> None:
    """A clean entry is clean in both places."""
    assert WRITE == pte_mkclean(WRITE | dirty)


def test_mkold_and_mkyoung() -> None:
    """Ageing an entry and using it again restores it."""
    assert DEVICE == pte_mkyoung(pte_mkold(DEVICE))
    assert DEVICE & ~PAGE_ACCESSED == pte_mkold(DEVICE)


@for_each(
    ("bits", "expected"),
    [(DEVICE, (True, True, True)), (NONE | PAGE_SPECIAL, (False, False, True)), (READ, (True, False, False))],
)
def test_predicates(bits: int, expected: tuple[bool, bool, bool]) -> None:
    """Present, writable and special are read from the bits of the manual."""
    assert expected == (pte_present(bits), pte_write(bits), pte_special(bits))


@given(BITS, BITS)
def test_pgprot_modify_keeps_the_old_mode(old: int, new: int) -> None:
    """A new protection takes everything but the cache mode from the new flags."""
    prot = pgprot_modify(old, new)

    assert old & PAGE_CACHE_MASK == prot & PAGE_CACHE_MASK
    assert new & ~PAGE_CACHE_MASK == prot & ~PAGE_CACHE_MASK
