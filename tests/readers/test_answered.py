"""Answers of readers: which are right, and which are faults."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from answered import answer
from every_reader import Reader
from for_each import for_each

from pfnlab.base.errors import Defect, Discovery, Misuse, Undecided


def _raises(trouble: BaseException) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        raise trouble

    return read


@for_each(
    "refusal",
    [Misuse("a: no"), Undecided("a: no"), Discovery("a: no"), Misuse("a\x1b: no"), Misuse("no" * 9999)],
)
def test_a_refusal_in_one_line_is_right(refusal: Exception) -> None:
    """The command line writes control characters out, and bounds what is said."""
    assert "" == answer(Reader("one", _raises(refusal)), b"").fault


@for_each(
    ("trouble", "said"),
    [
        (Misuse("a: no\nb"), "a refusal of more than 1 line"),
        (Misuse(" "), "a refusal without words"),
        (KeyError("a"), "KeyError at "),
        (MemoryError(), "MemoryError at "),
        (RecursionError(), "RecursionError at "),
        (SystemExit(0), "SystemExit at "),
        (Defect("a"), "Defect at "),
    ],
)
def test_anything_else_is_a_fault(trouble: BaseException, said: str) -> None:
    """Of whatever kind."""
    assert answer(Reader("one", _raises(trouble)), b"").fault.startswith(said)


def test_more_lines_may_be_declared() -> None:
    """A program is refused with its line and a caret."""
    assert "" == answer(Reader("one", _raises(Misuse("a\nb\nc")), lines=3), b"").fault


def test_what_is_printed_moves_no_cursor() -> None:
    """Wherever that is printed."""
    printed = answer(Reader("one", lambda path: "\x1b[2J"), b"")

    assert "control characters in what is printed" == printed.fault


def test_a_reader_that_acts_is_a_fault() -> None:
    """Also where it catches all errors; what it is declared to start, it may start."""

    def starts(path: Path) -> None:
        try:
            subprocess.run(["/bin/true"], check=True)
        except Exception:
            pytest.fail("the reader went on")

    assert "_Acted at " in answer(Reader("one", starts), b"").fault
    assert "" == answer(Reader("one", starts, starts=("true",)), b"").fault


def test_an_input_may_be_a_folder() -> None:
    """No name in it leads out of it."""
    seen = []

    def read(path: Path) -> None:
        seen.extend(sorted(str(file.relative_to(path)) for file in path.rglob("*")))

    answer(Reader("one", read, is_folder=True), b"== a/b\nx\n== ../../c\nx\n-> d\na/b\n== /e\nx\n")

    assert ["a", "a/b", "d", "e"] == seen
