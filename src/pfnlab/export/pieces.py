"""C in the kernel's coding style, and pieces of it: functions that a reproducer may need.

A piece names the pieces it needs. It starts with a line ``//: NAME NEEDED...`` in a file in ``c/``, or in
``module/`` for a kernel module, and extends to the next such line. Pieces in the guest agent's ``calls/``
count as ``c/``, and those of its driver as ``module/``. Their ``#include`` lines move to the top of the
generated file.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from operator import attrgetter

import msgspec

from pfnlab.base.inert import c_comment
from pfnlab.programs.lang.span import Span

#: The functions and structures that a text defines, and the names it uses, outside of strings and comments.
_DEFINED = re.compile(r"^[a-z][^;={}()]*?\b(\w+)(?:\(| = \{)", re.MULTILINE)
_SAID = re.compile(r'"(?:[^"\\]|\\.)*"|/\*.*?\*/', re.DOTALL)
_NAMED = re.compile(r"(?<![\w.>])[A-Za-z_]\w*")

#: The folders for each kind of piece.
_ROOMS = {
    "c": (("pfnlab.export", "c"), ("pfnlab.lab", "guest/calls")),
    "module": (("pfnlab.export", "module"), ("pfnlab.lab", "guest/driver")),
}

_MARK = "//: "
_INCLUDE = "#include "


class CPiece(msgspec.Struct, frozen=True):
    """One piece.

    :param needs: the names of pieces that must come before it
    :param includes: the headers, e.g. ``<stdio.h>``
    """

    name: str
    needs: tuple[str, ...]
    includes: tuple[str, ...]
    text: str


@cache
def all_pieces(room: str = "c") -> dict[str, CPiece]:
    """All pieces of one kind by name, in the order of the files."""
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
    """The pieces in a folder, by name and by what they define; of several, the first one counts."""
    pieces = all_pieces(room)
    defined = {word: name for name in reversed(pieces) for word in _DEFINED.findall(pieces[name].text)}
    return defined | {name: name for name in pieces}


def pieces_called(text: str, room: str = "c") -> tuple[str, ...]:
    """The pieces that a text uses, in its order."""
    functions, words = _functions(room), _NAMED.findall(_SAID.sub("", text))
    return tuple(dict.fromkeys(functions[word] for word in words if word in functions))


def with_needs(names: Iterable[str], instead: Mapping[str, str], room: str = "c") -> list[CPiece]:
    """The pieces with these names and everything they need, each after the ones it needs.

    :param instead: names of pieces, each with the name of its replacement
    :param room: ``c``, or ``module`` for a kernel module's pieces
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


#: The maximum width of a line in the kernel's coding style, with tabs of eight columns.
_COLUMNS, _TAB = 100, 8


def comment(lines: Iterable[str]) -> str:
    """The comment at the top of a file."""
    return "\n".join(["/*", *(f" * {c_comment(line)}".rstrip() for line in lines), " */"])


def bytes_of(pages: int) -> str:
    """The C expression for the size of *pages* in bytes."""
    return "PAGE" if pages == 1 else f"{pages} * PAGE"


def area_at(span: Span) -> str:
    """The address of pages in an area."""
    return f"area_{span.name}" + (f" + {bytes_of(span.start)}" if span.start else "")


def device_at(span: Span) -> str:
    """The physical address of pages of a device."""
    return f"at_{span.name}" + (f" + {bytes_of(span.start)}" if span.start else "")


def function(head: str, lines: Iterable[str]) -> str:
    """A function with the statements *lines*."""
    body = "\n".join(f"\t{line}".rstrip() for line in lines)
    return f"{head}\n{{\n{body}\n}}"


def block(condition: str, statements: list[str]) -> list[str]:
    """A condition or loop and its statements, in braces if there are several."""
    inner = [f"\t{line}" for line in statements]
    return [condition, *inner] if len(statements) == 1 else [f"{condition} {{", *inner, "}"]


def called(before: str, call: str, behind: str, level: int) -> list[str]:
    """A statement that contains a call, in lines of at most 100 columns if possible.

    It is broken before the call if other arguments come first, and at commas within the call.

    :param before: the text before the call
    :param level: the number of tabs before the lines
    """
    if level * _TAB + len(before + call + behind) <= _COLUMNS:
        return [f"{before}{call}{behind}"]
    lines = []
    if before.endswith(", "):
        lines.append(before.rstrip())
        before = _blank(before.index("(") + 1)
    name, bracket, arguments = f"{call}{behind}".partition("(")
    line = f"{before}{name}{bracket}"
    indent = len(line.expandtabs(_TAB))
    words = arguments.split(", ")
    for number, word in enumerate(words):
        part = word if number == len(words) - 1 else f"{word},"
        if number and level * _TAB + len(line.expandtabs(_TAB)) + len(part) + 1 > _COLUMNS:
            lines.append(line)
            line = _blank(indent) + part
        else:
            line += f" {part}" if number else part
    return [*lines, line]


def _blank(columns: int) -> str:
    tabs, blanks = divmod(columns, _TAB)
    return "\t" * tabs + " " * blanks
