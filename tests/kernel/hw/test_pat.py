"""S1.2 and S1.4: the PAT register and the tables made from it."""

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.hw.bits import PAGE_RW
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pat import ERRATA_PAT, FULL_PAT, NO_PAT, PatConfig

WB, WC, UC_MINUS, UC, WT, WP = (
    CacheMode.WB,
    CacheMode.WC,
    CacheMode.UC_MINUS,
    CacheMode.UC,
    CacheMode.WT,
    CacheMode.WP,
)


@for_each(
    ("pat", "slots", "msr"),
    [
        (FULL_PAT, (WB, WC, UC_MINUS, UC, WB, WP, UC_MINUS, WT), 0x0407050600070106),
        (ERRATA_PAT, (WB, WC, UC_MINUS, UC, WB, WC, UC_MINUS, UC), 0x0007010600070106),
        (NO_PAT, (WB, WT, UC_MINUS, UC, WB, WT, UC_MINUS, UC), 0x0007040600070406),
    ],
)
def test_msr_and_slots_say_the_same(pat: PatConfig, slots: tuple[CacheMode, ...], msr: int) -> None:
    """The three configurations have the slots and the register value of the table in S1.2."""
    assert slots == pat.slots
    assert msr == pat.msr


def test_reserved_code_reads_as_write_back() -> None:
    """Codes 2 and 3 mean nothing and decode as WB."""
    pat = PatConfig.from_msr(0x0302_0506_0007_0106)

    assert (WB, WB) == pat.slots[6:]


def test_boot_line_pads_every_slot() -> None:
    """Every slot name takes four characters, also the last one."""
    assert "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT  " == FULL_PAT.boot_line()


@for_each(
    ("pat", "protvals"),
    [
        (FULL_PAT, [0x00, 0x08, 0x10, 0x18, 0x98, 0x88]),
        (ERRATA_PAT, [0x00, 0x08, 0x10, 0x18, 0x10, 0x10]),
        (NO_PAT, [0x00, 0x10, 0x10, 0x18, 0x08, 0x10]),
    ],
)
def test_protval_is_the_lowest_slot_or_uncached_minus(pat: PatConfig, protvals: list[int]) -> None:
    """A mode uses the lowest slot that holds it, and UC- when none does (S1.4)."""
    assert protvals == [pat.cachemode2protval(mode) for mode in CacheMode]


@for_each("pat", [FULL_PAT, ERRATA_PAT, NO_PAT])
def test_cache_bits_select_their_slot(pat: PatConfig) -> None:
    """Bits PAT, PCD and PWT count the slots; other bits of a pgprot do not matter."""
    bits = [0x00, 0x08, 0x10, 0x18, 0x80, 0x88, 0x90, 0x98]

    assert list(pat.slots) == [pat.pgprot2cachemode(b | PAGE_RW) for b in bits]


def test_slot_zero_must_be_write_back() -> None:
    """The kernel stops on anything else, so such a configuration cannot be made."""
    with pytest.raises(Misuse, match="slot 0"):
        PatConfig((WC, *FULL_PAT.slots[1:]))


def test_eight_slots() -> None:
    """A PAT with another number of slots cannot be made."""
    with pytest.raises(Misuse, match="8 slots"):
        PatConfig((WB,))
