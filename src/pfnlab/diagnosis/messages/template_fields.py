"""Template fields: their forms in a paste, and how their text becomes values."""

import errno as _errno
import os
import re
from collections.abc import Mapping

import msgspec

from pfnlab.base.toml_text import package_tables
from pfnlab.diagnosis.messages.family_files import RangeEnd, Wording
from pfnlab.kernel.hw.cachemode import CacheMode


class TemplateField(msgspec.Struct, frozen=True):
    """One kind of field: a regex without groups; its text becomes a value in the event if *kept*.

    :param called: its name in an event's list of unknown facts; empty if it is not listed
    """

    pattern: str
    kept: bool = True
    called: str = ""


class _Fields(msgspec.Struct, forbid_unknown_fields=True):
    """``fields.toml``, which describes its own format."""

    parts: dict[str, str]
    fields: dict[str, TemplateField]

    def whole(self, pattern: str) -> str:
        """Return a pattern with its named parts filled in."""
        return re.sub(r"\(\?&(\w+)\)", lambda found: self.whole(self.parts[found[1]]), pattern)


_FIELDS = package_tables(__package__, "fields.toml", _Fields)
_ERROR_WORDS = {os.strerror(number) for number in _errno.errorcode} | {"Operation not supported"}
_FIELDS.parts["error"] = "|".join(map(re.escape, sorted(_ERROR_WORDS, key=len, reverse=True)))
_FIELDS.parts["errors"] = "|".join(sorted(_errno.errorcode.values(), key=len, reverse=True))

#: Pattern for a value that was removed by hand.
ELIDED = _FIELDS.parts["elided"]

FIELDS = {
    name: msgspec.structs.replace(field, pattern=_FIELDS.whole(field.pattern))
    for name, field in _FIELDS.fields.items()
}

#: The number after the last address.
TOP = 1 << 64
#: From here on a number is a sign-extended 32-bit address.
_EXTENDED = 0xFFFF_FFFF_0000_0000
_PAGE = 4096
_BETWEEN = re.compile(r"\s*(?:->|-|,|\bto\b)\s*")

_BY_NAME = {
    **{mode.cattr.replace("-", ""): mode for mode in CacheMode},
    **{mode.short: mode for mode in CacheMode},
    "uncachable": CacheMode.UC,
    "writeprotect": CacheMode.WP,
}

#: Page bits in kernels before 3.19: PWT is 0x8, PCD is 0x10.
_BY_BITS = {0x8: CacheMode.WC, 0x10: CacheMode.UC_MINUS, 0x18: CacheMode.UC}
_ERRORS = {
    os.strerror(number).lower(): name for number, name in sorted(_errno.errorcode.items(), reverse=True)
}

#: What an error may be called, in small letters.
ERRORS = frozenset({*_ERRORS, *map(str, _errno.errorcode), *map(str.lower, _errno.errorcode.values())})


class SaidRange(msgspec.Struct, frozen=True):
    """A half-open range in a message; it has no end if the message gives a single address."""

    start: int
    end: int | None
    doubts: tuple[str, ...] = ()


def mode_of(text: str) -> CacheMode | None:
    """Return the mode in a message, from a name, a number (0 to 5: page_cache_mode) or page bits; or None."""
    plain = re.sub(r"[\s-]", "", text).lower()
    if plain in ("uc", "ucminus"):
        return CacheMode.UC_MINUS if "-" in text else CacheMode.UC
    if plain in _BY_NAME:
        return _BY_NAME[plain]
    try:
        number = int(plain, 0)
    except ValueError:
        return None
    if number in _BY_BITS:
        return _BY_BITS[number]
    return CacheMode(number) if 0 <= number <= max(CacheMode) else None


def error_of(text: str) -> str | None:
    """Return the name of an error, e.g. ``EBUSY``, from any form that messages use; None for other texts."""
    if text.lower() in _ERRORS:
        return _ERRORS[text.lower()]
    plain = text.lstrip("-")
    if plain.isdigit():
        return _errno.errorcode.get(int(plain))
    return plain if plain in _errno.errorcode.values() else None


def range_of(values: Mapping[str, str], wording: Wording, field: str = "range") -> SaidRange | None:
    """Return the half-open range in a line's *field* (range or holder_range), or None."""
    if field in values:
        first, second = _BETWEEN.split(values[field].strip(), maxsplit=1)
        return _range(_number(first, wording), _number(second, wording), wording.end)
    if field != "range":
        return None
    if "start" in values:
        start = _number(values["start"], wording)
        if "end" in values:
            return _range(start, _number(values["end"], wording), wording.end)
        size = _size(values, wording)
        return (
            SaidRange(start & 0xFFFF_FFFF if _EXTENDED <= start < TOP - 1 else start, None)
            if size is None
            else _range(start, size, RangeEnd.SIZE)
        )
    if "pfn" in values:
        start = int(values["pfn"], 16) * _PAGE
        size = _size(values, wording)
        return _range(start, _PAGE if size is None else size, RangeEnd.SIZE)
    return None


def is_plausible(values: Mapping[str, str], wording: Wording) -> bool:
    """False if a matched line has a range that ends before it begins."""
    said = range_of(values, wording)
    return said is None or said.end is None or said.end > said.start


def _number(text: str, wording: Wording) -> int:
    plain = text.lower()
    if plain.startswith("0x"):
        return int(plain, 16) * wording.unit
    try:
        return int(plain, wording.radix) * wording.unit
    except ValueError:
        return int(plain, 16) * wording.unit


def _size(values: Mapping[str, str], wording: Wording) -> int | None:
    if "size" in values:
        return _number(values["size"], wording)
    if "amount" in values:
        number, unit = values["amount"], 1
        if not number[-1].isdigit():
            number, unit = number[:-1], 1 << 10 * (1 + "KMGT".index(number[-1]))
        return int(number) * unit
    for field, unit in (("bytes", 1), ("kib", 1 << 10), ("mib", 1 << 20)):
        if field in values:
            return int(values[field]) * unit
    return None


def _range(start: int, second: int, kind: RangeEnd) -> SaidRange:
    end = start + second if kind is RangeEnd.SIZE else second + (kind is RangeEnd.INCLUSIVE)
    doubts = []
    if _EXTENDED <= start < TOP - 1:
        start, end = start & 0xFFFF_FFFF, (end - 1 & 0xFFFF_FFFF) + 1
        doubts.append("The addresses are of 32 bits, printed with their sign extended.")
    elif end >= TOP or (kind is RangeEnd.EXCLUSIVE and second >= TOP - 1):
        doubts.append("The end wrapped past the last address, so the line does not say it.")
    if end <= start:
        doubts.append("The range ends before it begins: a part of a number may be missing.")
    return SaidRange(start, end, tuple(doubts))
