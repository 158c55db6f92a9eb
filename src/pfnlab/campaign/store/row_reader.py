"""Rows of a store, read by the form that they are written in.

A store may be a copy that somebody sent, or one in which another program wrote. What stands in a row is as
pfnlab writes it, or the store is damaged, which is said in one line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from pfnlab.campaign.store.database import damaged

_Form = TypeVar("_Form", bound=msgspec.Struct)

#: The deepest values within values; those of pfnlab have about ten.
_DEEPEST = 100

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def row_of(
    address: str,
    place: str,
    form: type[_Form],
    row: Sequence[Any],
    *,
    json: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> _Form:
    """One row as a *form*.

    :param address: of the store, for errors
    :param place: the row, for errors
    :param row: the values, in the order of the fields of *form*
    :param json: the names of values that are JSON
    :param flags: those that are 0 or 1
    :raises Misuse: a value is none of its name
    """
    name, content = "", dict(zip(form.__struct_fields__, row, strict=True))
    try:
        for name in json:
            content[name] = _json(content[name])
        for name in flags:
            content[name] = {0: False, 1: True}[content[name]]
        return msgspec.convert(content, form)
    except msgspec.ValidationError as wrong:
        raise damaged(address, f"{place}: {wrong}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise damaged(address, f"{place}: {name} is not what pfnlab writes") from None


def _json(text: str) -> Any:
    """:raises ValueError: *text* is no JSON, or nested too deeply"""
    if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST:
        raise ValueError("nested too deeply")
    return msgspec.json.decode(text)


def _depth(text: str) -> int:
    depth = deepest = 0
    for sign in _STRING.sub("", text):
        depth += (sign in "[{") - (sign in "]}")
        deepest = max(deepest, depth)
    return deepest
