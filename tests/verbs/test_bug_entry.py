"""One bug with all that is known of it."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.kernel.bugs.affected import sources_of
from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, all_bugs, bug
from pfnlab.kernel.policies.releases import series_of
from pfnlab.present.document.terminal import text_of
from pfnlab.programs.runs.golden import NO_GOLDENS
from pfnlab.verbs import bug_entry
from pfnlab.verbs.bug_entry import BugEntry, affected_kernels


@for_each("one", all_bugs(), ids=lambda one: one.number)
def test_every_entry_can_be_shown(one: Bug) -> None:
    """With its number, its words and a source."""
    text = text_of(BugEntry.of(one).blocks())

    assert text.startswith(f"{one.number}  {one.title}\n")
    assert one.trigger in text
    assert sources_of(one)


def test_a_measurement_has_the_dates_of_its_bug() -> None:
    """N03 is A06 measured."""
    entry = BugEntry.of(bug("N03"))

    assert ("6.16", "f8e97613fed2", True) == (entry.mended, entry.commit, entry.no_stable)


def test_it_was_seen_on_kernels_that_have_it() -> None:
    """Kernels ran its programs on all series, and those of 6.16 and later do not have it."""
    assert {"6.1", "6.12"} == {series_of(version) for version in affected_kernels(bug("A06"))}


def test_what_was_mended_before_the_first_kernel_was_never_seen() -> None:
    """No golden is that old."""
    assert [] == affected_kernels(bug("A12"))


def test_stable_releases_of_a_switch_are_there_too() -> None:
    """As those of the file."""
    versions = {str(release) for release in BugEntry.of(bug("A01")).stable}

    assert {"6.1.85", "4.19.312"} <= versions


def test_without_goldens_it_is_said_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a wheel; what was never on a kernel has no such line."""
    monkeypatch.setattr(bug_entry, "has_goldens", lambda: False)

    proposal = next(one for one in all_bugs() if one.kind is BugKind.PROPOSAL)

    said = [NO_GOLDENS in text_of(BugEntry.of(one).blocks()) for one in (bug("A06"), proposal)]

    assert [True, False] == said
