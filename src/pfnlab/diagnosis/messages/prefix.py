"""The text before a kernel's message: stamps, host, level, caller, the structured line of a runtime."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import msgspec

#: The most signs before a message, and the most pieces of a line into which several lines flowed.
_MOST_SIGNS, _MOST_PIECES = 8, 64

_STAMP = re.compile(r"\s*\[\s{0,8}(\d{1,9}\.\d{1,9})\s{0,3}\]:?")
_LOST_BRACKET = re.compile(r"\s*(\d{1,7}\.\d{6})\]")
_CLOCK = r"\d{1,2}:\d{2}:\d{2}(?:[.,]\d{1,9})?"
_CALLER = r"\[\s{0,8}[TC]\d{1,10}\]"
_LEVEL = r"<\d{1,3}>"
#: `[Tue Aug 26 16:02:52 2025]`, in any language.
_HUMAN = rf"\[[^\[\]]{{3,24}}?\s{_CLOCK}(?:\s[A-Z]{{2,5}})?\s{{1,3}}\d{{4}}\]"
_SYSLOG = (
    rf"(?:<\d{{1,3}}>)?(?:[^\W\d_]{{2,9}}\.?\s{{1,3}}\d{{1,2}}\.?|\d{{1,2}}\.?\s{{1,3}}[^\W\d_]{{2,9}}\.?"
    rf"|\d{{1,2}}月\s{{0,3}}\d{{1,2}}日?)\s{{1,3}}(?:\d{{4}}\s{{1,3}})?{_CLOCK}\s{{1,3}}"
)
_ISO = rf"\[?\d{{4}}-\d{{2}}-\d{{2}}[T ]{_CLOCK}(?:\s?(?:Z|[+-]\d{{2}}:?\d{{2}}))?\]?[\s:]"
_ONLY_CLOCK = rf"\[?{_CLOCK}\]?\s(?=.*\bkernel:)"
_FACILITY = r"(?:kern|user|daemon|syslog|local\d)\s{0,6}(?::\s{0,3}|\.)(?:[a-z]{3,7})\s{0,6}:?\s"
#: The first of them that fits; behind a clock a host may stand.
_OTHERS = re.compile(
    rf"\s*(?:{_CALLER}|{_LEVEL}|{_HUMAN}|(?P<clock>{_SYSLOG}|{_ISO})|{_FACILITY}|{_ONLY_CLOCK})"
)
_KERNEL = re.compile(r"\s*(?:([\w.-]{1,64})\s{1,3})?(?:kernel|vmunix)(?:\[\d*\])?:\s?")
_HOST = re.compile(r"\s*([\w.-]{1,64})\s{1,3}(?=kernel\b|[\w./-]{1,40}(?:\[\d{1,10}\])?:\s)")
_LATER_STAMP = re.compile(r"(?<=\S)\s+(?=\[\s{0,8}\d{1,7}\.\d{4,9}\s{0,3}\](?:\[\s{0,8}[TC]\d{1,10}\])?\s)")

_QUOTED_VALUE = re.compile(r"""(?:\b[\w.-]{1,40}=|"[\w.-]{1,40}"\s?:\s?)"((?:[^"\\]|\\.){8,})(?:"|$)""")


class LogPiece(msgspec.Struct, frozen=True):
    """One message, as a line or a part of a line holds it.

    :param stamp: seconds since the boot, where it has one
    :param host: the machine, where the line names it
    :param bare: nothing stands before the text, so it may go on with the line before
    """

    text: str
    stamp: float | None = None
    host: str = ""
    bare: bool = True


def pieces(line: str, interesting: Callable[[str], bool]) -> Iterator[LogPiece]:
    """The messages of one line: one, or several where a paste made a paragraph of a log.

    :param interesting: says of the text of a structured line's value that it may be a message
    """
    line = _unpacked(line, interesting)
    parts = _LATER_STAMP.split(line, _MOST_PIECES) if line.count("[") > 1 else [line]
    waiting: LogPiece | None = None
    for part in parts:
        piece = _stripped(part)
        if not piece.text and not piece.bare:
            # Only stamps: those of a console capture, before the kernel's own.
            waiting = piece
            continue
        if waiting is not None:
            piece = msgspec.structs.replace(piece, host=piece.host or waiting.host, bare=False)
            waiting = None
        yield piece


def _unpacked(line: str, interesting: Callable[[str], bool]) -> str:
    """The kernel's line in a structured line of a container runtime; twice, for one may hold another."""
    for _ in range(2):
        if '="' not in line and '":' not in line:
            break
        held = [found[1] for found in _QUOTED_VALUE.finditer(line) if interesting(found[1])]
        if not held:
            break
        inner = max(held, key=len)
        try:
            unescaped = json.loads(f'"{inner}"', strict=False)
        except ValueError:
            unescaped = inner.replace('\\"', '"')
        line = str(unescaped).strip().replace("\n", " ")
    return line


def _stripped(text: str) -> LogPiece:
    """A text without all that stands before the message."""
    stamp, host, place = None, "", 0
    may_be_kernel = "kernel" in text or "vmunix" in text
    for _ in range(_MOST_SIGNS):
        if found := _STAMP.match(text, place) or (_LOST_BRACKET.match(text, place) if not place else None):
            stamp = float(found[1])
        elif may_be_kernel and (found := _KERNEL.match(text, place)):
            host = found[1] or host
        elif found := _OTHERS.match(text, place):
            named = _HOST.match(text, found.end()) if found.lastgroup == "clock" else None
            if named is not None:
                host = named[1]
                place = named.end()
                continue
        if found is None:
            break
        place = found.end()
    return LogPiece(text[place:].strip(), stamp, host, bare=place == 0)
