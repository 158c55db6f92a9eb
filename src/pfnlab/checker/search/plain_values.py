"""Plain values as bytes: reading them, even from an untrusted file, yields only data.

The format is marshal version 2, which writes equal values as equal bytes. Marshal's own reader trusts its
input and also creates code objects; this reader creates only values.
"""

import marshal
import struct
from typing import Any

#: None, bools, ints, floats, strings, bytes, and tuples and frozen sets of these.
Plain = Any

_VERSION = 2
_CONSTANT = {ord("N"): None, ord("T"): True, ord("F"): False}
_INT, _LONG, _FLOAT, _BYTES, _TEXT, _TUPLE, _SET = b"ilgsu(>"
_LONG_DIGIT_BITS = 15


def dumps(value: Plain) -> bytes:
    """*value* as bytes. If it contains other types, :func:`loads` may not be able to read them back.

    :raises ValueError: if it is not a plain value
    """
    return marshal.dumps(value, _VERSION)


def loads(data: bytes) -> Plain:
    """The value from which :func:`dumps` made *data*.

    :raises ValueError: if the bytes do not encode exactly one plain value
    """
    try:
        value, end = _read(data, 0)
    except (IndexError, struct.error, RecursionError, TypeError) as wrong:
        raise ValueError("no plain value") from wrong
    if end != len(data):
        raise ValueError("more than one plain value")
    return value


def _read(data: bytes, at: int) -> tuple[Any, int]:
    """The value that begins at *at*, and the position of its end."""
    code, at = data[at], at + 1
    if code in _CONSTANT:
        return _CONSTANT[code], at
    if code == _FLOAT:
        return struct.unpack_from("<d", data, at)[0], at + 8
    count, at = struct.unpack_from("<i", data, at)[0], at + 4
    if code == _INT:
        return count, at
    if code == _LONG:
        digits = struct.unpack_from(f"<{abs(count)}H", data, at)
        size = sum(digit << _LONG_DIGIT_BITS * place for place, digit in enumerate(digits))
        return (size if count > 0 else -size), at + 2 * len(digits)
    if code in (_BYTES, _TEXT):
        part = data[at : at + count]
        if len(part) != count:
            raise ValueError("cut short")
        return part if code == _BYTES else part.decode("utf-8", "surrogatepass"), at + count
    if code in (_TUPLE, _SET):
        items = []
        for _ in range(count):
            item, at = _read(data, at)
            items.append(item)
        return tuple(items) if code == _TUPLE else frozenset(items), at
    raise ValueError(f"{chr(code)!r} begins no plain value")
