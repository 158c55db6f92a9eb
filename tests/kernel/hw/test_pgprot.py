"""S1.5: cache modes written into page protections."""

from for_each import for_each

from pfnlab.kernel.hw.bits import PAGE_PRESENT, PAGE_RW
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pat import FULL_PAT
from pfnlab.kernel.hw.pgprot import (
    pgprot_device,
    pgprot_noncached,
    pgprot_set_cachemode,
    pgprot_writecombine,
    pgprot_writethrough,
)

RW = PAGE_PRESENT | PAGE_RW


@for_each(("replaces", "mode"), [(False, CacheMode.UC), (True, CacheMode.WC)])
def test_writecombine_of_noncached(replaces: bool, mode: CacheMode) -> None:
    """Adding the bits of WC to those of UC- makes UC; replacing them makes WC."""
    prot = pgprot_writecombine(pgprot_noncached(RW, FULL_PAT), FULL_PAT, replaces)

    assert mode == FULL_PAT.pgprot2cachemode(prot)


@for_each("replaces", [False, True])
def test_writethrough_of_write_back(replaces: bool) -> None:
    """From WB both eras reach WT, and keep every other bit."""
    assert RW | 0x98 == pgprot_writethrough(RW, FULL_PAT, replaces)


def test_noncached_adds() -> None:
    """UC- is added to WC, which makes UC, in every version."""
    assert RW | 0x18 == pgprot_noncached(RW | 0x08, FULL_PAT)


def test_device_is_noncached() -> None:
    """x86 has no mode of its own for device registers."""
    assert pgprot_noncached(RW, FULL_PAT) == pgprot_device(RW, FULL_PAT)


@for_each("before", list(CacheMode))
@for_each("after", list(CacheMode))
def test_set_cachemode_forgets_what_was_there(before: CacheMode, after: CacheMode) -> None:
    """Whatever the mode was, the new one is read back."""
    prot = pgprot_set_cachemode(RW | FULL_PAT.cachemode2protval(before), after, FULL_PAT)

    assert after == FULL_PAT.pgprot2cachemode(prot)
    assert RW == prot & RW
