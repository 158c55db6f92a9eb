"""There is one printer of texts: whatever wraps lines or lays out columns elsewhere is a second."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pfnlab

SOURCE = Path(pfnlab.__file__).parent

#: The modules that wrap text, and why it is not a terminal's.
WRAPPING = {
    "present/document/terminal.py": "the printer",
    "base/terminal_text.py": "help, whose options stand beside their texts",
    "present/document/mail.py": "a mail has 72 columns",
    "export/recovered.py": "comments of a program",
}


def wrapping(folder: Path) -> set[str]:
    """The modules below *folder* that import textwrap."""
    found = re.compile(r"^\s*(import|from) textwrap\b", re.MULTILINE)
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if found.search(path.read_text(encoding="utf-8"))
    }


def printing_themselves(text: str) -> list[str]:
    """The results in a module, by name, that have a text form of their own."""
    return [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id in ("PrintedStruct", "Result") for base in node.bases)
        and any(isinstance(one, ast.FunctionDef) and one.name == "__str__" for one in node.body)
    ]


def test_text_is_wrapped_in_known_places() -> None:
    """The printer, and what no terminal shows."""
    assert WRAPPING.keys() == wrapping(SOURCE)


def test_no_result_prints_itself() -> None:
    """It has blocks."""
    texts = (path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))

    assert [] == [name for text in texts for name in printing_themselves(text)]


def test_a_second_printer_is_seen(tmp_path: Path) -> None:
    """By its import, or by its method."""
    text = (
        "import textwrap\n\nclass Odd(PrintedStruct, tag='x'):\n    def __str__(self):\n        return ''\n"
    )
    (tmp_path / "odd.py").write_text(text)

    assert ({"odd.py"}, ["Odd"]) == (wrapping(tmp_path), printing_themselves(text))
