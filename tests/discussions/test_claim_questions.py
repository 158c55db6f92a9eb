"""Questions: what they ask, and when the answer is the one that was expected."""

from __future__ import annotations

import pytest
from counting import Parts
from for_each import for_each

from pfnlab.discussions import claim_questions
from pfnlab.discussions.claim_questions import (
    ClaimQuestion,
    ClaimSearch,
    CostQuestion,
    PropertyQuestion,
    SharedWordQuestion,
    StepQuestion,
    search_ahead,
    searched,
)
from pfnlab.discussions.step_parts import book, left, log

WC = "a = mmap bar[0:4] wc shared rw"


@for_each(
    ("asked", "shown", "right"),
    [
        (StepQuestion("7.2", [WC, "munmap a"], book, "empty"), "book: empty", True),
        (StepQuestion("7.2", [WC, "munmap a"], book, "bar[0:4] wc"), "book: empty", False),
        (
            StepQuestion("6.1", [WC, "munmap a[0]", "munmap a[1:4]"], left, "bar[0:1] wc"),
            "left: bar[0:1] wc",
            True,
        ),
        (StepQuestion("7.2", [WC, "look"], log, "nothing"), "log: nothing", True),
        (CostQuestion("track_ctx", (8, 24)), "8 in every VMA, 24 for each tracked mapping", True),
        (
            SharedWordQuestion("6.1", (4, 4)),
            "costs nothing in 4 configurations, cannot in 4",
            True,
        ),
        (
            SharedWordQuestion("6.1", (8, 0)),
            "costs nothing in 4 configurations, cannot in 4",
            False,
        ),
        (CostQuestion("track_ctx", (8, 25)), "8 in every VMA, 24 for each tracked mapping", False),
    ],
)
def test_an_answer_and_whether_it_was_expected(asked: ClaimQuestion, shown: str, right: bool) -> None:
    """The last operation is looked at, or what is left behind the end."""
    answer = asked.ask()

    assert (shown, right) == (answer.shown, answer.right)


def test_a_program_may_have_a_header_of_its_own() -> None:
    """As an area of many pages."""
    head = ("device bar: pci, 16 pages", "area a: 2048 pages")
    lines = (WC, "mmap bar[4:8] wc shared rw over a[2044:2048]", "munmap a[0:2048]")

    assert StepQuestion("7.2", lines, book, "empty", head=head).ask().right


def test_a_search_tells_its_counterexample() -> None:
    """As operations in one line."""
    answer = PropertyQuestion("6.1", "freed_once", "violated", scope="small").ask()

    assert answer.right
    assert "violated by `a = mmap bar[0:4] wc shared rw; munmap a[0]`" == answer.shown


def test_what_holds_in_a_scope_that_ends_holds_always() -> None:
    """No state is left that the search has not seen."""
    asked = PropertyQuestion("7.2", "no_leak", "always", scope="ends_modes")

    assert ("always", True) == asked.ask()[2:4]
    assert not asked._replace(expected="holds").ask().right


def test_what_holds_up_to_a_bound_does_not_hold_always() -> None:
    """The next operation might break it."""
    answer = PropertyQuestion("7.2", "no_leak", "always", scope="small").ask()

    assert ("holds", False) == answer[2:4]


def test_a_race_tells_its_turns() -> None:
    """A schedule has no short program."""
    answer = PropertyQuestion("7.2,flush=none", "told_free", "violated", scope="race").ask()

    assert "violated by 7 turns" == answer.shown


def test_what_never_arose_does_not_hold() -> None:
    """With a tracker that counts nothing there are no counters to be right."""
    answer = PropertyQuestion("6.1", "counters", "holds", scope="vfio").ask()

    assert ("never asked", False) == (answer.shown, answer.right)


def test_only_searches_say_so() -> None:
    """They are asked with the page."""
    asked = (
        PropertyQuestion("6.1", "no_leak", "holds"),
        StepQuestion("7.2", [WC], book, ""),
        CostQuestion("exact", (0, 0)),
    )

    assert [True, False, False] == [one.searches for one in asked]


def test_a_scope_without_a_depth_is_searched_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other one as far as a page asks."""
    monkeypatch.setattr(claim_questions, "_results", {})

    assert [True, False] == [searched("7.2", scope).ended for scope in ("ends_modes", "small")]


def test_a_search_without_an_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a tracker leaks, states pile up."""
    monkeypatch.setattr(claim_questions, "_results", {})
    monkeypatch.setattr(claim_questions, "MOST_STATES", 200)

    found = searched("6.12", "ends_areas")

    assert not found.ended
    assert found.cut


def test_searches_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are not there yet: what was asked twice is one."""
    monkeypatch.setattr(claim_questions, "_results", {})
    parts = Parts()
    asked = [ClaimSearch(model, "small", 1) for model in ("6.1", "7.2", "7.2")]

    search_ahead(asked, 1, parts)

    assert (2, 2) == (parts.expected, parts.done)
