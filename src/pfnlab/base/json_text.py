"""JSON that somebody else may have written, as values that everything behind can work with.

A result may come from a mail. Its numbers are those that a kernel can have, its texts can be written to a
file, and its depth is bounded; whatever is otherwise is refused here, in one line, and nowhere behind.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible

#: The numbers of a kernel: signed and unsigned ones of 64 bits.
_LEAST, _MOST = -(1 << 63), (1 << 64) - 1

#: The deepest values within values; results of pfnlab have about ten.
_DEEPEST = 100

#: Halves of a character, which no file can hold: pfnlab prints them for the name of a file that is no text.
_HALF = re.compile("[\ud800-\udfff]")

_AGAIN = "print it again with --json"


class _Foreign(ValueError):
    """JSON, but nothing that pfnlab prints."""


def json_values(text: str, source: str) -> Iterator[tuple[int, Any]]:
    """The JSON values in *text*, one behind the other, each with the line on which it begins.

    Halves of characters come as the text that stands for them in JSON.

    :param source: the name of the text in errors
    :raises Misuse: there is something else, with line and column; a number, or values within values, that no
        result has
    """
    decoder = json.JSONDecoder(parse_constant=_no_number, parse_int=_whole, parse_float=_fraction)
    at, line = _skip(text, 0), 1
    counted = 0
    while at < len(text):
        line, counted = line + text.count("\n", counted, at), at
        try:
            value, end = decoder.raw_decode(text, at)
            yield line, _plain(value, _DEEPEST)
        except json.JSONDecodeError as trouble:
            place = f"{source}:{trouble.lineno}:{trouble.colno}"
            raise Misuse(f"{place}: this is no JSON: {trouble.msg}; {_AGAIN}") from None
        except RecursionError:
            raise Misuse(f"{source}:{line}: {_TOO_DEEP}; {_AGAIN}") from None
        except _Foreign as trouble:
            raise Misuse(f"{source}:{line}: {trouble}; {_AGAIN}") from None
        at = _skip(text, end)


_TOO_DEEP = f"values within values, deeper than the {_DEEPEST} that a result may have"


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _no_number(name: str) -> Any:
    raise _Foreign(f"this is no JSON: {name} is no number of JSON")


def _whole(digits: str) -> int:
    # Python refuses to read very long ones.
    if len(digits) > len(str(_LEAST)) or not _LEAST <= int(digits) <= _MOST:
        raise _Foreign(f"a number of {len(digits.lstrip('-'))} digits is in no result: they have 64 bits")
    return int(digits)


def _fraction(digits: str) -> float:
    if not math.isfinite(float(digits)):
        raise _Foreign("a number without end is in no result")
    return float(digits)


def _plain(value: Any, depth: int) -> Any:
    if not depth:
        raise _Foreign(_TOO_DEEP)
    if isinstance(value, str):
        return value if value.isascii() else _HALF.sub(lambda half: visible(half[0]), value)
    if isinstance(value, list):
        return [_plain(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return {_plain(key, depth): _plain(item, depth - 1) for key, item in value.items()}
    return value
