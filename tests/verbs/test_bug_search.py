"""Bugs, messages, programs and claims, found by what somebody has."""

from __future__ import annotations

import re

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.known_bugs import all_bugs
from pfnlab.present.document.terminal import text_of
from pfnlab.verbs.bug_search import bug_findings


@for_each(
    ("asked", "read_as", "first"),
    [
        ("04c35ab3bdae", "commit", "A01"),
        ("04c35ab3bdae7fefbd7c7a7355f29fa03a035221", "commit", "A01"),
        ("vfio/pci: Align huge faults to order", "commit", "E04"),
        ("cve-2025-22090", "CVE", "A04"),
        ("a06", "bug", "A06"),
        ("partial-munmap", "bug", "A06"),
        ("x86/PAT: bash:99 freeing invalid memtype [mem 0xfd000000-0xfd000fff]", "log line", "A01"),
        ("truncate lock", "words", "A10"),
    ],
)
def test_what_is_asked_is_recognized(asked: str, read_as: str, first: str) -> None:
    """And the entry is the first, or among those of the line."""
    found = bug_findings(asked)

    assert read_as == found.read_as
    assert first in [one.name for one in found.found]


def test_a_commit_has_its_subject_and_its_roles() -> None:
    """It fixes one bug and brings another."""
    found = bug_findings("04c35ab3bdae")

    assert "x86/mm/pat: fix VM_PAT handling in COW mappings" == found.title
    assert [("A01", "fixed by it"), ("A02", "came with it")] == [(one.name, one.why) for one in found.found]


def test_words_find_every_kind() -> None:
    """Bugs, messages, programs and claims."""
    kinds = {one.kind for word in ("untrack_pfn", "fork") for one in bug_findings(word, every=True).found}

    assert {"bug", "message", "program", "claim"} == kinds


def test_another_form_of_a_word_finds_the_same() -> None:
    """A plural is not another search."""
    assert bug_findings("reservation").found[0] == bug_findings("reservations").found[0]


@for_each("asked", ["quetzalcoatl", "CVE-1999-0001", "1234567"])
def test_nothing_found_says_what_to_do(asked: str) -> None:
    """It is an answer, not an error."""
    found = bug_findings(asked)

    assert () == found.found
    assert text_of(found.blocks()).startswith(f"No result for the {found.read_as} {asked}. ")


@for_each("asked", ["", "  ", "?!"])
def test_no_words_are_refused(asked: str) -> None:
    """In one line."""
    with pytest.raises(Misuse, match="nothing to search for"):
        bug_findings(asked)


def test_what_is_left_out_is_counted() -> None:
    """All of it is shown when asked for."""
    short, whole = bug_findings("memory"), bug_findings("memory", every=True)

    assert short.left_out > 0
    assert len(whole.found) == len(short.found) + short.left_out


@for_each("asked", ["remap_pfn_range fault", "memtype", "04c35ab3bdae"])
def test_lines_fit_a_terminal(asked: str) -> None:
    """And have no link of Markdown in them."""
    lines = text_of(bug_findings(asked, every=True).blocks(), 80).splitlines()

    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "](" in line]


def test_a_bug_with_a_cve_is_found_by_its_own_sentence() -> None:
    """Its own words are the best search for it."""
    for one in (one for one in all_bugs() if one.cve):
        found = bug_findings(one.what, every=True)
        assert one.number in [entry.name for entry in found.found], one.number


@given(st.text(max_size=120))
def test_any_text_is_searched_or_refused(text: str) -> None:
    """Nothing else is raised."""
    try:
        found = bug_findings(text)
    except Misuse:
        return
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", str(found))


def test_six_digits_are_the_first_of_a_known_commit() -> None:
    """The same as twelve of them."""
    assert bug_findings("04c35ab3bdae").found == bug_findings("04c35a").found


def test_six_digits_of_no_known_commit_are_too_few() -> None:
    """They are no word, and nothing unrelated is found."""
    with pytest.raises(Misuse, match="abc123: too few digits for a commit"):
        bug_findings("abc123")


def test_e820_is_a_word() -> None:
    """It has digits and letters of a commit."""
    assert "words" == bug_findings("e820").read_as
