"""Releases that may print a line, dated by files, functions and forms that come and go (``datings.toml``)."""

import re
from functools import cache

import msgspec

from pfnlab.base.toml_text import package_tables


class Dating(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Part of a line that only some releases print.

    :param text: a regex that matches it
    :param since: the first release with it; empty if unknown; *until* is the last one
    """

    text: str
    since: str = ""
    until: str = ""


class _DatingFile(msgspec.Struct, forbid_unknown_fields=True):
    dating: tuple[Dating, ...]


_DATINGS = package_tables(__package__, "datings.toml", _DatingFile).dating


#: A line with none of these words cannot be dated; that is nearly every line.
_MAY_BE_DATED = re.compile(r"WARNING: |\.[chS]:\d|\+0x|UID: |\[vfio_pci_core\]|^[RE]IP: ")


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], Dating], ...]:
    return tuple((re.compile(one.text), one) for one in _DATINGS)


def dated(text: str) -> list[Dating]:
    """Return the parts of a line that date it."""
    if _MAY_BE_DATED.search(text) is None:
        return []
    return [one for pattern, one in _patterns() if pattern.search(text)]
