"""The six page cache modes, as ``enum page_cache_mode`` numbers them (S1.1)."""

from __future__ import annotations

from enum import IntEnum


class CacheMode(IntEnum):
    """How the CPU may cache a page; two kernel messages print the value in hex."""

    WB = 0
    WC = 1
    UC_MINUS = 2
    UC = 3
    WT = 4
    WP = 5

    @property
    def cattr(self) -> str:
        """The name in debugfs and in the kernel log, as ``write-combining`` (``cattr_name()``)."""
        return _CATTR[self]

    @property
    def short(self) -> str:
        """The name in programs and reports, as ``wc``."""
        return _SHORT[self]

    @classmethod
    def from_short(cls, text: str) -> CacheMode:
        """The mode a program calls *text*, as ``uc-``; KeyError for others."""
        return {mode.short: mode for mode in cls}[text]


# Both in the order of the values above.
_CATTR = ("write-back", "write-combining", "uncached-minus", "uncached", "write-through", "write-protected")
_SHORT = ("wb", "wc", "uc-", "uc", "wt", "wp")
