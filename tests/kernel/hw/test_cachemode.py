"""S1.1: the six modes and their names."""

from pfnlab.kernel.hw.cachemode import CacheMode


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


def test_names_in_the_log() -> None:
    """debugfs and the kernel log write the modes out."""
    assert [
        *("write-back", "write-combining", "uncached-minus", "uncached", "write-through", "write-protected")
    ] == [mode.cattr for mode in CacheMode]


def test_short_names() -> None:
    """Programs write the modes in at most three letters."""
    assert ["wb", "wc", "uc-", "uc", "wt", "wp"] == [mode.short for mode in CacheMode]
