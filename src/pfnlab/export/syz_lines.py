"""The text of a syzkaller program: its calls, with their arguments and properties.

The form is that of ``prog/encoding.go`` of syzkaller: a call a line, ``r0 = openat(...)``, memory as
``&(0x7f0000000000/0x4000)=nil`` (an address and how much is there), strings in ``'...'``, properties behind
the call as ``(fail_nth: 5)`` and ``(async)``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pfnlab.base.errors import Misuse
from pfnlab.export.printed_values import arguments_in, end_of_string, unescaped

#: Where the data area of programs begins, as their text has it, and how many pages it has.
DATA_START = 0x7F0000000000
DATA_PAGES = 4096


class SyzCall(NamedTuple):
    """A call of a syzkaller program.

    :param line: its line, counted from 1
    :param result: the variable that is its result, ``r0``, or ``""``
    :param name: of the system call, without the variant behind ``$``
    :param arguments: as they stand there
    :param props: its properties, as ``fail_nth: 5``
    """

    line: int
    result: str
    name: str
    arguments: tuple[str, ...]
    props: tuple[str, ...]


_HEAD = re.compile(r"(?:(r\d+) = )?([a-z_][a-z0-9_]*)(\$\w+)?\(")
_PROPS = re.compile(r"\s*(?:\(([a-z_]+(?:: \d+)?(?:, [a-z_]+(?:: \d+)?)*)\))?\s*\Z")
_POINTER = re.compile(r"&\((0x[0-9a-f]+)(?:/(0x[0-9a-f]+))?\)(?:=(.*))?\Z", re.DOTALL)
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'")


def looks_like_syz(text: str) -> bool:
    """True where the first line with content is a call of a syzkaller program."""
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    head = _HEAD.match(first)
    return head is not None and bool(head[1] or head[3] or re.search(r"0x|\(\)|nil|\br\d", first))


def calls_of(text: str, source: str) -> list[SyzCall]:
    """The calls of a program.

    :raises Misuse: a line is none
    """
    calls = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line and not line.startswith("#"):
            calls.append(_call(line, number, source))
    return calls


def comments_of(text: str) -> list[str]:
    """The comments of a program, without their mark."""
    return [line.strip()[1:].strip() for line in text.splitlines() if line.strip().startswith("#")]


def address(argument: str) -> int | None:
    """The address of a pointer, of its number where it is one; None for what has none."""
    found = _POINTER.match(argument)
    if found is not None:
        return int(found[1], 16)
    try:
        return int(argument, 0)
    except ValueError:
        return 0 if argument == "nil" else None


def pointed_text(argument: str) -> str | None:
    """The string that a pointer shows, up to its end; None where it shows none."""
    found = _POINTER.match(argument)
    text = _TEXT.match(found[3]) if found and found[3] else None
    return None if text is None else unescaped(text[1]).partition("\0")[0]


def pointed(argument: str) -> str:
    """The text behind a pointer, as it is written; empty where it shows nothing."""
    found = _POINTER.match(argument)
    return (found[3] or "") if found is not None else ""


def members(text: str) -> tuple[str, ...]:
    """The members of a structure or an array; none of what is neither."""
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return ()
    split = arguments_in(f"{text[1:-1]})", 0, _behind_text)
    return () if split is None else split[0]


def _call(line: str, number: int, source: str) -> SyzCall:
    head = _HEAD.match(line)
    split = None if head is None else arguments_in(line, head.end(), _behind_text)
    props = None if split is None else _PROPS.match(line, split[1] + 1)
    if head is None or split is None or props is None:
        raise Misuse(f"{source}:{number}: this is no call of a syzkaller program: {line[:60]}")
    said = tuple(filter(None, (props[1] or "").split(", ")))
    return SyzCall(number, head[1] or "", head[2], split[0], said)


def _behind_text(text: str, at: int) -> int:
    """The place behind a string at *at*; *at* itself without one."""
    return end_of_string(text, at) if text[at] in "'\"`" else at
