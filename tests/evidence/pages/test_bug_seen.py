"""Bugs on the kernels of goldens: a word for each, which the dates do not contradict."""

from __future__ import annotations

import msgspec
from for_each import for_each

from evidence.pages.bug_seen import KernelWord, seen_on, word_of_entry
from pfnlab.kernel.bugs.known_bugs import Bug, all_bugs, bug
from pfnlab.kernel.policies.releases import series_of


def words(one: Bug) -> dict[str, set[str]]:
    """The words for an entry by series."""
    found: dict[str, set[str]] = {}
    for seen in seen_on(one):
        found.setdefault(series_of(seen.version), set()).add(seen.word)
    return found


@for_each("one", [one for one in all_bugs() if one.shown or one.holds], ids=lambda one: one.number)
def test_no_kernel_contradicts_the_dates(one: Bug) -> None:
    """Nor a rule."""
    assert [] == [seen for seen in seen_on(one) if not seen.as_expected]


def test_a_fault_is_broken_before_its_repair_and_mended_after() -> None:
    """A06 ended in 6.16, and no stable series has the repair."""
    found = words(bug("A06"))

    assert ({"broken"}, {"broken"}, {"mended"}) == (found["6.1"], found["6.12"], found["7.3"])


def test_a_rule_holds_on_the_series_that_it_names() -> None:
    """C01 is the same on all of them."""
    assert {"6.1": {"holds"}, "6.12": {"holds"}, "7.3": {"holds"}} == words(bug("C01"))


def test_a_rule_that_is_wrong_differs() -> None:
    """The answer of kernels is EINVAL."""
    one = bug("C01")
    wrong = msgspec.structs.replace(one, holds=(msgspec.structs.replace(one.holds[1], says="ok"),))

    assert {"differs"} == set.union(*words(wrong).values())


def test_wrong_dates_are_contradicted() -> None:
    """Kernels of 6.12 show A06, though these dates say it ended in 6.1."""
    wrong = msgspec.structs.replace(bug("A06"), mended="6.1", commit="", no_stable=False)

    assert {"6.1", "6.12"} == {series_of(seen.version) for seen in seen_on(wrong) if not seen.as_expected}


def test_an_entry_that_nothing_shows_was_seen_nowhere() -> None:
    """It has no program."""
    assert () == seen_on(bug("F08"))


def test_a_program_without_a_golden_was_seen_nowhere() -> None:
    """Those of history/ have none."""
    assert () == seen_on(bug("A18"))


@for_each(
    ("found", "word"),
    [
        (["mended", "broken"], "broken"),
        (["neither", "mended"], "mended"),
        (["holds", "differs"], "differs"),
        (["undecided"], ""),
        ([], ""),
    ],
)
def test_the_word_for_an_entry_is_that_of_what_is_wrong(found: list[str], word: str) -> None:
    """Of all its programs."""
    assert word == word_of_entry(found)


def test_a_word_that_decides_nothing_contradicts_nothing() -> None:
    """Another change hides the sign."""
    assert KernelWord("munmap-middle", "7.3.4", "neither", "mended").as_expected
    assert not KernelWord("munmap-middle", "7.3.4", "broken", "mended").as_expected
