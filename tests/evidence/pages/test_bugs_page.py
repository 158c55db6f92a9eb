"""The page of the bugs is made of their files."""

from __future__ import annotations

from pathlib import Path

from evidence.pages.__main__ import made
from evidence.pages.bugs_page import bugs_page
from pfnlab.kernel.bugs.bug_status import Point
from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, SettledWord, ShownBy, all_bugs

PAGE = Path(__file__).parents[3] / "docs" / "bugs.md"


def test_the_page_is_current() -> None:
    """Write it anew with ``python -m evidence.pages bugs --write``."""
    assert made("bugs") == PAGE.read_text(encoding="utf-8")


def test_every_bug_has_its_row() -> None:
    """One each."""
    rows = [
        line for line in bugs_page().splitlines() if line.startswith(tuple(f"| {n} |" for n in numbers()))
    ]

    assert numbers() == [line.split(" ")[1] for line in rows]


def numbers() -> list[str]:
    """The identifiers."""
    return [bug.number for bug in all_bugs()]


def test_a_row_has_both_dates() -> None:
    """With the commits and what has to be said of them; a line where nothing is known."""
    bug = Bug(
        what="It leaks.",
        kind=BugKind.BUG,
        number="A77",
        since="6.1",
        mended="6.2",
        commit="0123456789ab",
        remark="not whole",
    )

    assert "| A77 | It leaks. | 6.1 | 6.2, 0123456789ab (not whole) |\n" in bugs_page([bug])
    rule = Bug(what="It leaks.", kind=BugKind.RULE, number="A78")
    assert "| A78 | It leaks. | - | - |\n" in bugs_page([rule])


def test_a_bug_of_a_stable_release_has_it_as_its_date() -> None:
    """No mainline release had it."""
    bug = Bug(
        what="It leaks.",
        kind=BugKind.BUG,
        number="A79",
        came=(Point("6.1.3"),),
        shown=(ShownBy("munmap-middle", "model:6.1.3", "model:6.1.2"),),
        settled=SettledWord.CONFIRMED,
    )

    assert "| A79 | It leaks. | 6.1.3 | - |\n" in bugs_page([bug])
    assert "1 entries: 1 confirmed, 0 refuted, 0 undecided; 1 shown by programs." in bugs_page([bug])
