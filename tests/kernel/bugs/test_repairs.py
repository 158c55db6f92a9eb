"""The commits of the bugs, and their subjects."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.known_bugs import all_bugs, bug
from pfnlab.kernel.bugs.repairs import (
    bugs_called,
    bugs_of_commit,
    commit_titled,
    fix_subjects,
    is_commit,
    measurements_of,
    named_commits,
    subject_of,
)

TABLES = tomllib.loads(files("pfnlab.kernel.bugs").joinpath("subjects.toml").read_text(encoding="utf-8"))


def test_every_subject_is_of_a_commit_of_a_bug() -> None:
    """No table says more than the entries ask for."""
    assert set() == set(TABLES["commits"]) - set(named_commits())


def test_a_subject_without_a_commit_is_of_a_bug_without_one() -> None:
    """Two places would part."""
    assert [] == [number for number in TABLES["unpinned"] if subject_of(bug(number).dated.commit)]


def test_a_subject_is_of_one_commit() -> None:
    """A changelog that names it names that."""
    subjects = list(TABLES["commits"].values())

    assert len(subjects) == len(set(subjects))
    assert all(commit_titled(title) == commit for commit, title in TABLES["commits"].items())


def test_a_bug_that_was_measured_has_the_subject_of_the_other() -> None:
    """N08 is A06."""
    assert fix_subjects(bug("A06")) == fix_subjects(bug("N08"))
    assert "N08" in measurements_of("A06")


@for_each(
    ("commit", "expected"),
    [
        ("04c35ab3bdae", [("A01", "fixes"), ("A02", "introduced")]),
        ("04c35ab", [("A01", "fixes"), ("A02", "introduced")]),
        ("3B89863C3FA4", [("E06", "fixes")]),
        ("526a9ce7e134", [("B01", "backports the fix of"), ("B02", "backported the cause of")]),
    ],
)
def test_a_commit_fixes_and_brings_bugs(commit: str, expected: list[tuple[str, str]]) -> None:
    """However many digits of it are written."""
    found = [(one.bug.number, one.role) for one in bugs_of_commit(commit)]

    assert expected == [one for one in found if one[1] != "is about"]


@for_each(
    ("text", "answer"), [("04c35ab3bdae", True), ("deadbeef", False), ("04c35a", False), ("A06", False)]
)
def test_a_word_of_letters_is_no_commit(text: str, answer: bool) -> None:
    """Nor are fewer digits than git prints."""
    assert answer is is_commit(text)


def test_a_name_is_a_bug_or_a_commit() -> None:
    """A commit has several."""
    assert [["A06"], ["A01", "A02"]] == [
        [one.number for one in bugs_called(name)] for name in ("A06", "04c35ab3bdae")
    ]


def test_a_commit_of_no_bug_is_refused() -> None:
    """And where to go on is said."""
    with pytest.raises(Misuse, match=r"no bug of the list is about commit 1234567: `pfnlab bugs find"):
        bugs_called("1234567")


def test_every_commit_finds_its_bug() -> None:
    """Of each entry that has dates of its own."""
    own = [one for one in all_bugs() if one.commit and not one.same_as]

    assert all(one in [found.bug for found in bugs_of_commit(one.commit)] for one in own)
