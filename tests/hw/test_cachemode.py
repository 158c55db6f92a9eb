"""S1.1: the six modes and their names."""

import pytest
from for_each import for_each

from pfnlab.errors import Misuse
from pfnlab.hw.cachemode import CacheMode


def test_values_are_those_two_messages_print() -> None:
    """The numbers are part of the kernel log, so they never change."""
    assert [0, 1, 2, 3, 4, 5] == [
        CacheMode.WB,
        CacheMode.WC,
        CacheMode.UC_MINUS,
        CacheMode.UC,
        CacheMode.WT,
        CacheMode.WP,
    ]


@for_each("mode", list(CacheMode))
def test_cattr_reads_back(mode: CacheMode) -> None:
    """Every name of debugfs names the mode it came from."""
    assert mode is CacheMode.from_cattr(mode.cattr)


def test_short_names() -> None:
    """Programs write the modes in at most three letters."""
    assert ["wb", "wc", "uc-", "uc", "wt", "wp"] == [mode.short for mode in CacheMode]


def test_broken_is_no_mode() -> None:
    """What the kernel prints for an unknown value is refused, with the names to choose from."""
    with pytest.raises(Misuse, match="write-combining"):
        CacheMode.from_cattr("broken")
