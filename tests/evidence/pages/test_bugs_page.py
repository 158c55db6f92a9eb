"""The page of the bugs is made of their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from evidence.pages.__main__ import made
from evidence.pages.bugs_page import bugs_page, findings_by_state
from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, SettledWord, ShownBy, StableRelease, all_bugs

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


def fault(number: str, kind: BugKind = BugKind.BUG, **dates: str) -> Bug:
    """An entry with these dates."""
    # The dates are texts, as in a data file.
    return Bug(what="It leaks.", kind=kind, number=number, **dates)  # type: ignore[arg-type]


def states(*bugs: Bug, **findings: list[str]) -> list[str]:
    """The rows of the section about states."""
    _, _, after = bugs_page(bugs, findings).partition("| state | entries | which |\n")
    return [line.strip("| ") for line in after.partition("\n\n")[0].splitlines()[1:]]


def test_faults_are_listed_by_the_release_that_fixed_them() -> None:
    """The oldest release first; a candidate comes before its release."""
    rows = states(
        fault("A81", mended="6.16"), fault("A82", mended="6.9"), fault("A83", mended="6.16"),
        fault("A84", mended="6.16-rc1"),
    )  # fmt: skip

    assert ["fixed in 6.9 | 1 | A82", "fixed in 6.16-rc1 | 1 | A84", "fixed in 6.16 | 2 | A81, A83"] == rows[
        :3
    ]


@pytest.mark.parametrize(
    ("bug", "state"),
    [
        (fault("A81"), "no known fix | 1 | A81"),
        (fault("A81", remark="driver by driver"), "no single release: see *until* | 1 | A81"),
        (fault("N05"), "fix proposed | 1 | N05"),
        (fault("N06", BugKind.CHANGE), "fix proposed | 1 | N06"),
        (fault("A81", same_as="A06"), "fixed in 6.16 | 1 | A81"),
    ],
)
def test_a_fault_without_a_release_has_a_state(bug: Bug, state: str) -> None:
    """By its patch here, the remark on its end, or the entry whose dates it shares."""
    assert state == states(bug)[0]


def test_what_is_no_fault_has_no_state() -> None:
    """A rule, for example."""
    assert not any("A81" in row for row in states(fault("A81", BugKind.RULE)))


def test_a_private_finding_is_only_counted() -> None:
    """The others are named."""
    rows = states(public=["open"], reported=["told"], private=["secret", "hidden"])

    assert [
        "finding, public | 1 | open",
        "finding, reported | 1 | told",
        "finding, private | 2 | not named",
    ] == rows


def test_a_finding_has_the_state_of_its_report(tmp_path: Path) -> None:
    """The second line; one without a state could be private."""
    for name, state in (("one", "private"), ("two", "reported on the list")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.md").write_text(f"# Title\nState: {state}\n", encoding="utf-8")

    assert {"public": [], "reported": ["two"], "private": ["one"]} == findings_by_state(tmp_path)
    (tmp_path / "one" / "report.md").write_text("# Title\n\nState: private\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no state"):
        findings_by_state(tmp_path)


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
        came=(StableRelease("6.1.3"),),
        shown=(ShownBy("munmap-middle", "model:6.1.3", "model:6.1.2"),),
        settled=SettledWord.CONFIRMED,
    )

    assert "| A79 | It leaks. | 6.1.3 | - |\n" in bugs_page([bug])
    assert "1 entries: 1 confirmed, 0 refuted, 0 undecided; 1 shown by programs." in bugs_page([bug])
