"""Pieces of C: functions that a reproducer may need, each with those it needs itself.

A piece begins with a line ``//: NAME NEEDED...`` in a file of ``c/``, or of ``module/`` where it is one of a
kernel module, and ends where the next begins. Those of the guest agent's ``calls/`` are among the first.
Its ``#include`` lines go to the head of the file that is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from operator import attrgetter

import msgspec

#: The functions that a text defines, and the words that it has.
_DEFINED = re.compile(r"^[a-z][^;={}()]*?\b(\w+)\(", re.MULTILINE)
_NAMED = re.compile(r"[A-Za-z_]\w*")

#: The folders of each kind of piece.
_ROOMS = {
    "c": (("pfnlab.export", "c"), ("pfnlab.lab", "guest/calls")),
    "module": (("pfnlab.export", "module"),),
}

_MARK = "//: "
_INCLUDE = "#include "


class CPiece(msgspec.Struct, frozen=True):
    """One piece.

    :param needs: names of the pieces that must stand before it
    :param includes: the headers, as ``<stdio.h>``
    """

    name: str
    needs: tuple[str, ...]
    includes: tuple[str, ...]
    text: str


@cache
def all_pieces(room: str = "c") -> dict[str, CPiece]:
    """Every piece of a kind by its name, in the order of the files."""
    pieces = {}
    folders = [files(package).joinpath(inside) for package, inside in _ROOMS[room]]
    for file in (file for folder in folders for file in sorted(folder.iterdir(), key=attrgetter("name"))):
        for part in f"\n{file.read_text(encoding='utf-8')}".split(f"\n{_MARK}")[1:]:
            head, _, body = part.partition("\n")
            name, *needs = head.split()
            lines = body.split("\n")
            includes = tuple(line.removeprefix(_INCLUDE) for line in lines if line.startswith(_INCLUDE))
            text = "\n".join(line for line in lines if not line.startswith(_INCLUDE)).strip("\n")
            pieces[name] = CPiece(name, tuple(needs), includes, text)
    return pieces


@cache
def _functions(room: str) -> dict[str, str]:
    """The pieces of a folder by their names and by the functions that they define."""
    found = {name: name for name in all_pieces(room)}
    for name, piece in all_pieces(room).items():
        found |= dict.fromkeys(_DEFINED.findall(piece.text), name)
    return found


def pieces_called(text: str, room: str = "c") -> tuple[str, ...]:
    """The pieces whose functions an expression names, in the order of their names."""
    functions = _functions(room)
    return tuple(dict.fromkeys(functions[word] for word in _NAMED.findall(text) if word in functions))


def with_needs(names: Iterable[str], instead: Mapping[str, str], room: str = "c") -> list[CPiece]:
    """The pieces of these names and all that they need, each behind what it needs.

    :param instead: the names of pieces that take the place of others
    :param room: ``c``, or ``module`` for those of a kernel module
    """
    pieces = all_pieces(room)
    ordered: dict[str, CPiece] = {}

    def add(name: str) -> None:
        name = instead.get(name, name)
        if name in ordered:
            return
        for needed in pieces[name].needs:
            add(needed)
        ordered[name] = pieces[name]

    for name in names:
        add(name)
    return list(ordered.values())
