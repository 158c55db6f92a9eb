"""S1.3: the PAT bit moves between small and large leaves."""

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.kernel.hw.bits import (
    PAGE_CACHE_MASK,
    PAGE_PAT,
    PAGE_PAT_LARGE,
    pgprot_4k_2_large,
    pgprot_large_2_4k,
)

words = st.integers(0, (1 << 64) - 1)


def test_the_mask_is_the_architecture_s() -> None:
    """The cache mask has the value that dumps of page tables show."""
    assert 0x98 == PAGE_CACHE_MASK


@given(words)
def test_small_to_large_and_back_changes_nothing(word: int) -> None:
    """A pgprot, which never uses bit 12, survives being a large leaf."""
    prot = word & ~PAGE_PAT_LARGE

    back = pgprot_large_2_4k(pgprot_4k_2_large(prot))

    assert prot == back


@given(words)
def test_large_to_small_and_back_changes_nothing(word: int) -> None:
    """A large leaf without its PSE bit survives being a pgprot."""
    leaf = word & ~PAGE_PAT

    back = pgprot_4k_2_large(pgprot_large_2_4k(leaf))

    assert leaf == back


@given(words)
def test_only_the_two_pat_bits_change(word: int) -> None:
    """Conversion touches bits 7 and 12 and nothing else."""
    both = PAGE_PAT | PAGE_PAT_LARGE

    assert word & ~both == pgprot_4k_2_large(word) & ~both
    assert word & ~both == pgprot_large_2_4k(word) & ~both
