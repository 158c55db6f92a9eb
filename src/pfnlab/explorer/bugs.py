"""Bugs and changes by their identifiers: the tables of docs/bugs.md."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from pfnlab.errors import Misuse

_PACKAGE = Path(__file__).resolve().parents[1]


class Bug(msgspec.Struct, frozen=True):
    """A row of docs/bugs.md.

    :param group: the heading it stands under, as ``tracking by VMA (VM_PAT)``
    :param kernels: the kernels that have it, in the words of its table
    """

    number: str
    group: str
    says: str
    kernels: str


def find_bug(number: str) -> Bug | None:
    """The bug or change with that identifier; None where there is none.

    :raises Misuse: the page is not here
    """
    return _bugs().get(number)


@cache
def _bugs() -> dict[str, Bug]:
    bugs: dict[str, Bug] = {}
    group, columns = "", ["", ""]
    for line in _page().read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            group = line.partition(": ")[2]
        elif line.startswith("| "):
            number, says, *others = (cell.strip() for cell in line.strip("|").split("|"))
            if number == "id":
                columns = others
                continue
            kernels = zip(columns, others, strict=True)
            bugs[number] = Bug(
                number, group, says, "; ".join(f"{name} {cell}" for name, cell in kernels if cell != "-")
            )
    return bugs


def _page() -> Path:
    # Package data of a wheel, and a page of a checkout.
    for path in (_PACKAGE / "bugs.md", _PACKAGE.parents[1] / "docs" / "bugs.md"):
        if path.is_file():
            return path
    raise Misuse("the bugs of pfnlab are not installed: install it from its wheel")
