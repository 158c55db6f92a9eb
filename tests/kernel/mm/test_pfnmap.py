"""S3.1.2, S4.2: the one mode that pages nobody reserves must agree on."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest
from for_each import for_each

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.trace import Trace
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.memtype import MemtypeBook
from pfnlab.kernel.mm.pfnmap import lookup_prot

PLATFORM = qemu_q35()


def book(*, pat: bool = True) -> MemtypeBook:
    """An empty book."""
    return MemtypeBook(replace(PLATFORM, pat_enabled=pat), Trace(), end_match=False, mtrr_merged_map=True)


@for_each(
    ("pfns", "bits"),
    [
        (PfnRange(0xF8000, 0xF8004), 0x10),
        (PfnRange(0xF8010, 0xF8011), 0x08),
        (PfnRange(0xF8010, 0xF8020), 0x08),
        (PfnRange(0xA0, 0xC0), 0x00),
        (PfnRange(0x10, 0x20), 0x10),
    ],
)
def test_pages_that_agree(pfns: PfnRange, bits: int) -> None:
    """Booked pages have their mode, the ISA hole is write-back, all others are UC- (S2.6)."""
    booked = book()
    booked.reserve(0xF801_0000, 0xF802_0000, CacheMode.WC, who="driver:1")

    assert 0x25 | bits == lookup_prot(booked, pfns, 0x25 | 0x18)
    booked._check()


@for_each(
    "pfns",
    [
        PfnRange(0xF800F, 0xF8011),
        PfnRange(0xF801F, 0xF8021),
        PfnRange(0x9E, 0xA1),
        PfnRange(0xF8000, 0xF9000),
    ],
)
def test_pages_that_disagree(pfns: PfnRange) -> None:
    """A border of modes anywhere in the range is EINVAL."""
    booked = book()
    booked.reserve(0xF801_0000, 0xF802_0000, CacheMode.WC, who="driver:1")

    with pytest.raises(ModelledErrno) as refused:
        lookup_prot(booked, pfns, 0x25)

    assert errno.EINVAL == refused.value.errno


def test_pat_disabled() -> None:
    """Without PAT the protection stays as it is (S4.2.1)."""
    assert 0x25 | 0x08 == lookup_prot(book(pat=False), PfnRange(0xF8000, 0xF8004), 0x25 | 0x08)


def test_a_terabyte_is_no_work() -> None:
    """Only borders are looked up, so the size of the range does not matter."""
    assert 0x25 | 0x10 == lookup_prot(book(), PfnRange(1 << 30, (1 << 30) + (1 << 28)), 0x25)
