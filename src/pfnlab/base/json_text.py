"""JSON from an untrusted source, as values that all later code can handle; the parts of a value.

A result may have arrived by mail. Its numbers must fit a kernel's integers, its texts must be writable to a
file, and its depth is bounded; anything else is rejected here, with a one-line message.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible

#: The range of kernel integers: signed and unsigned 64 bits.
_LEAST, _MOST = -(1 << 63), (1 << 64) - 1

#: The deepest nesting allowed; pfnlab's results have about ten levels.
_DEEPEST = 100

#: Lone surrogates, which no file can contain: pfnlab prints them for file names that are not UTF-8.
_HALF = re.compile("[\ud800-\udfff]")

_AGAIN = "print it again with --json"


class _Foreign(ValueError):
    """JSON that pfnlab would never print."""


def json_values(text: str, source: str) -> Iterator[tuple[int, Any]]:
    """The JSON values in *text*, in sequence, each with the line where it starts.

    Lone surrogates are returned as their JSON escapes.

    :param source: the name of the text in errors
    :raises Misuse: if the text is not JSON (with line and column), or contains a number or a nesting
        depth that no result has
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
            raise Misuse(f"{place}: this is not JSON: {trouble.msg}; {_AGAIN}") from None
        except RecursionError:
            raise Misuse(f"{source}:{line}: {_TOO_DEEP}; {_AGAIN}") from None
        except _Foreign as trouble:
            raise Misuse(f"{source}:{line}: {trouble}; {_AGAIN}") from None
        at = _skip(text, end)


_TOO_DEEP = f"values nested deeper than the {_DEEPEST} levels that a result may have"


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _no_number(name: str) -> Any:
    raise _Foreign(f"this is not JSON: {name} is not a JSON number")


def _whole(digits: str) -> int:
    # Python refuses to parse very long integers.
    if len(digits) > len(str(_LEAST)) or not _LEAST <= int(digits) <= _MOST:
        raise _Foreign(f"no result has a number of {len(digits.lstrip('-'))} digits: they have 64 bits")
    return int(digits)


def _fraction(digits: str) -> float:
    if not math.isfinite(float(digits)):
        raise _Foreign("no result has an infinite number")
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


def values_in(value: Any) -> Iterator[Any]:
    """*value*, and every value in it: in tables, lists and structures."""
    yield value
    parts: Iterable[Any] = ()
    if isinstance(value, msgspec.Struct):
        parts = msgspec.structs.astuple(value)
    elif isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple):
        parts = value
    for part in parts:
        yield from values_in(part)
