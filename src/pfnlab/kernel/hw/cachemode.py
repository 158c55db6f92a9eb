"""The six page cache modes, numbered like ``enum page_cache_mode`` (S1.1)."""

from __future__ import annotations

from enum import IntEnum


class CacheMode(IntEnum):
    """A page cache mode. Two kernel messages print its value in hex."""

    WB = 0
    WC = 1
    UC_MINUS = 2
    UC = 3
    WT = 4
    WP = 5

    @property
    def cattr(self) -> str:
        """The mode's name in debugfs and the kernel log, e.g. ``write-combining`` (``cattr_name()``)."""
        return _CATTR[self]

    @property
    def short(self) -> str:
        """The mode's name in programs and reports, e.g. ``wc``."""
        return _SHORT[self]

    @classmethod
    def from_short(cls, text: str) -> CacheMode:
        """The mode whose short name is *text*, e.g. ``uc-``; any other text raises KeyError."""
        return {mode.short: mode for mode in cls}[text]


# Both tables follow the order of the values above.
_CATTR = ("write-back", "write-combining", "uncached-minus", "uncached", "write-through", "write-protected")
_SHORT = ("wb", "wc", "uc-", "uc", "wt", "wp")
