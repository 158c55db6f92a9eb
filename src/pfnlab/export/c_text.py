"""Text of C: comments, places, functions and statements, laid out in the kernel's coding style."""

from __future__ import annotations

from collections.abc import Iterable

from pfnlab.base.inert import c_comment
from pfnlab.programs.lang.span import Span

#: Columns of a line of C, as the kernel's coding style has them, a tab being eight.
_COLUMNS, _TAB = 100, 8


def comment(lines: Iterable[str]) -> str:
    """The comment at the head of a file."""
    return "\n".join(["/*", *(f" * {c_comment(line)}".rstrip() for line in lines), " */"])


def bytes_of(pages: int) -> str:
    """So many pages, in bytes."""
    return "PAGE" if pages == 1 else f"{pages} * PAGE"


def area_at(span: Span) -> str:
    """The address of pages of an area."""
    return f"area_{span.name}" + (f" + {bytes_of(span.start)}" if span.start else "")


def device_at(span: Span) -> str:
    """The physical address of pages of a device."""
    return f"at_{span.name}" + (f" + {bytes_of(span.start)}" if span.start else "")


def function(head: str, lines: Iterable[str]) -> str:
    """A function with the statements *lines*."""
    body = "\n".join(f"\t{line}".rstrip() for line in lines)
    return f"{head}\n{{\n{body}\n}}"


def block(condition: str, statements: list[str]) -> list[str]:
    """A condition or loop with its statements, in braces where they are several."""
    inner = [f"\t{line}" for line in statements]
    return [condition, *inner] if len(statements) == 1 else [f"{condition} {{", *inner, "}"]


def called(before: str, call: str, behind: str, level: int) -> list[str]:
    """A statement with a call in it, in lines of at most 100 columns where that is possible.

    It is broken before the call, where other arguments come first, and at commas in it.

    :param before: what stands before the call
    :param level: the tabs that will stand before the lines
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
