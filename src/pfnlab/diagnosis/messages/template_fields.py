"""The fields of templates: what each may look like in a paste, and its text as a value."""

import errno as _errno
import os
import re
from collections.abc import Mapping

import msgspec

from pfnlab.diagnosis.messages.family_files import RangeEnd, Wording
from pfnlab.kernel.hw.cachemode import CacheMode

#: What stands in place of a value that was cut out by hand.
ELIDED = r"(?:[0-9a-fx]{0,8}\.{2,}(?:-[0-9a-fx]{0,8}\.{2,})?|…|<(?!->)[^<>\s]{1,24}>|\?{2,}|[Xx]{4,})"
_HEX = r"(?:0[xX])?[0-9a-fA-F]{1,16}"
#: A number at the beginning of a range: of one without 0x, words such as "e" are no number.
_FIRST = r"(?<![\w-])(?:0[xX][0-9a-fA-F]{1,16}|[0-9a-fA-F]{4,16})"
#: Between the two numbers of a range; a mailer may break the line after the hyphen.
_TO = r"\s*(?:->|-|,|\bto\b)\s*"

_WORDS = sorted(
    {os.strerror(number) for number in _errno.errorcode} | {"Operation not supported"}, key=len, reverse=True
)

_MODE = (
    r"(?:write[-\s]{1,2}combining|write[-\s]{0,2}back|write[-\s]{1,2}through|write[-\s]{1,2}protect(?:ed)?"
    r"|uncached[-\s]{1,2}minus|uncached|uncachable|0x[0-9a-fA-F]{1,4}|\d{1,3}|(?:UC-|UC|WC|WB|WT|WP)(?![\w-])"
    r"|broken|(?<=req )-)"
)


class TemplateField(msgspec.Struct, frozen=True):
    """One kind of field: a regex without groups, whose text is a value of the event if *kept*.

    :param called: its name where an event says what it does not know; empty where it does not say so
    """

    pattern: str
    kept: bool = True
    called: str = ""


FIELDS: dict[str, TemplateField] = {
    "comm": TemplateField(r"[^\s:](?:.{0,38}[^\s])?", called="the task"),
    "pid": TemplateField(rf"(?:\d{{1,10}}|{ELIDED})", called="the process"),
    "range": TemplateField(rf"(?:{_FIRST}{_TO}{_HEX}|{ELIDED})", called="the range"),
    "holder_range": TemplateField(
        rf"(?:{_FIRST}{_TO}{_HEX}|{ELIDED})", called="the range of what is in the way"
    ),
    "start": TemplateField(rf"(?:{_HEX}|{ELIDED})", called="the address"),
    "end": TemplateField(rf"(?:{_HEX}|{ELIDED})", called="the end of the range"),
    "size": TemplateField(rf"(?:{_HEX}|{ELIDED})", called="the size"),
    "bytes": TemplateField(r"\d{1,20}"),
    "kib": TemplateField(r"\d{1,16}"),
    "mib": TemplateField(r"\d{1,16}"),
    "pfn": TemplateField(_HEX, called="the page frame"),
    "wanted": TemplateField(_MODE, called="the mode that was asked for"),
    "granted": TemplateField(_MODE, called="the mode that was given"),
    "existing": TemplateField(_MODE, called="the mode of what is there"),
    "differs": TemplateField(_MODE, called="the modes of what is there"),
    # What the list would have taken; in 2.6.29 to 2.6.34 the mode of what is there.
    "track": TemplateField(_MODE),
    "device": TemplateField(r"(?:\(NULL device \*\)|[\w.][\w.:-]{0,40}[\w.]|\w)", called="the device"),
    "driver": TemplateField(r"[\w.-]{1,40}", called="the driver"),
    "bar": TemplateField(r"\d{1,2}"),
    "holder": TemplateField(r"\S(?:.{0,60}?\S)?"),
    "errno": TemplateField(
        rf"(?:-?\d{{1,4}}|-?E[A-Z0-9]{{2,12}}|{'|'.join(map(re.escape, _WORDS))})", called="the error"
    ),
    "slots": TemplateField(r"(?:(?:WB|WC|UC-|UC|WT|WP)(?:\s+|(?![\w-]))){2,8}"),
    "amount": TemplateField(r"\d{1,6}[KMGT]?"),
    "perms": TemplateField(r"[r-][w-][x-][sp-](?:-{1,3}R?)?", kept=False),
    "path": TemplateField(r"(?:/|\[|anon_inode:)\S{1,200}(?:\s\(deleted\))?", kept=False),
    "vm_flags": TemplateField(r"(?:0x)?[0-9a-fA-F]{1,16}"),
    "addr": TemplateField(r"(?:(?:0x)?[0-9a-fA-F]{1,16}|\((?:null|ptrval|____ptrval____)\))", kept=False),
    "number": TemplateField(r"-?\d{1,20}", kept=False),
    "symbol": TemplateField(r"[A-Za-z_][\w.]*(?:\+0x[0-9a-fA-F]+(?:/0x[0-9a-fA-F]+)?)?", kept=False),
    "file": TemplateField(r"[\w./+~-]{1,200}\.(?:[chS]|rs)", kept=False),
    "line": TemplateField(r"\d{1,6}", kept=False),
    "word": TemplateField(r"\S{1,200}", kept=False),
    "text": TemplateField(r".{0,400}?", kept=False),
}

#: The number after the last address.
TOP = 1 << 64
#: From here on a number is an address of 32 bits that was extended with its sign.
_EXTENDED = 0xFFFF_FFFF_0000_0000
_PAGE = 4096
_BETWEEN = re.compile(r"\s*(?:->|-|,|\bto\b)\s*")

_BY_NAME = {
    **{mode.cattr.replace("-", ""): mode for mode in CacheMode},
    **{mode.short: mode for mode in CacheMode},
    "uncachable": CacheMode.UC,
    "writeprotect": CacheMode.WP,
}

#: Page bits of kernels before 3.19: PWT is 0x8, PCD 0x10.
_BY_BITS = {0x8: CacheMode.WC, 0x10: CacheMode.UC_MINUS, 0x18: CacheMode.UC}
_ERRORS = {os.strerror(number): name for number, name in sorted(_errno.errorcode.items(), reverse=True)}


class SaidRange(msgspec.Struct, frozen=True):
    """A range that a message names, half-open; without an end where it has one address only."""

    start: int
    end: int | None
    doubts: tuple[str, ...] = ()


def mode_of(text: str) -> CacheMode | None:
    """The mode that a message writes as a name, number (0 to 5: page_cache_mode) or page bits, or None."""
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
    """The name of an error, as ``EBUSY``, whichever way a message writes it; None where it is none."""
    if text in _ERRORS:
        return _ERRORS[text]
    plain = text.lstrip("-")
    if plain.isdigit():
        return _errno.errorcode.get(int(plain))
    return plain if plain in _errno.errorcode.values() else None


def range_of(values: Mapping[str, str], wording: Wording, field: str = "range") -> SaidRange | None:
    """The range that *field* (range or holder_range) of a line names, half-open; None for none."""
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
    """True where the range of a matched line, where it has one, ends behind its beginning."""
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
