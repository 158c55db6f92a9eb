"""One bug with all that is known of it."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, all_bugs, bug
from pfnlab.kernel.policies.releases import series_of
from pfnlab.present.report import bug_entry
from pfnlab.present.report.bug_entry import OPEN, AffectsResult, BugEntry, affecting, kernels_seen, sources_of
from pfnlab.programs.runs.golden import NO_GOLDENS


@for_each("one", all_bugs(), ids=lambda one: one.number)
def test_every_entry_can_be_shown(one: Bug) -> None:
    """With its number, its words and a source."""
    text = str(BugEntry.of(one))

    assert text.startswith(f"{one.number}  {one.title}\n")
    assert one.trigger in text
    assert sources_of(one)


def test_a_measurement_has_the_dates_of_its_bug() -> None:
    """N03 is A06 measured."""
    entry = BugEntry.of(bug("N03"))

    assert ("6.16", "f8e97613fed2", True) == (entry.mended, entry.commit, entry.no_stable)


def test_it_was_seen_on_kernels_that_have_it() -> None:
    """Kernels ran its programs on all series, and those of 6.16 and later do not have it."""
    assert {"6.1", "6.12"} == {series_of(version) for version in kernels_seen(bug("A06"))}


def test_what_was_mended_before_the_first_kernel_was_never_seen() -> None:
    """No golden is that old."""
    assert [] == kernels_seen(bug("A12"))


def test_stable_releases_of_a_switch_are_there_too() -> None:
    """As those of the file."""
    versions = {str(release) for release in BugEntry.of(bug("A01")).stable}

    assert {"6.1.85", "4.19.312"} <= versions


def test_without_goldens_it_is_said_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a wheel; what was never on a kernel has no such line."""
    monkeypatch.setattr(bug_entry, "has_goldens", lambda: False)

    proposal = next(one for one in all_bugs() if one.kind is BugKind.PROPOSAL)

    said = [NO_GOLDENS in str(BugEntry.of(one)) for one in (bug("A06"), proposal)]

    assert [True, False] == said


VERSIONS = ("6.1.20", "6.12.25", "6.16.12", "7.3.4", "6.12.117+deb13-cloud-amd64", "6.1.176-1")


def words(result: AffectsResult) -> dict[str, str]:
    """The word of each row."""
    return {row.id: row.word for row in result.bugs}


@for_each("version", VERSIONS)
def test_every_row_has_a_source(version: str) -> None:
    """And a sentence that names the bug."""
    for row in affecting(version, every=True).bugs:
        assert row.sources
        assert row.id in row.sentence


@for_each(
    ("version", "has", "over"),
    [
        ("6.1.20", ("A01", "A06", "A18"), ("A02", "A16", "D01")),
        ("6.12.25", ("A02", "A06", "A16", "C12", "E04"), ("A01", "A04", "D01")),
        ("6.16.12", ("D01", "D02", "D06", "P05"), ("A06", "A16", "A02")),
        ("7.3.4", ("D01", "N05"), ("A06", "F07", "F06", "E07")),
        ("6.12.117+deb13-cloud-amd64", ("A06", "A17"), ("A16", "E05", "E07")),
        ("6.1.176-1", ("A06", "A02"), ("A01", "A04", "A03")),
    ],
)
def test_a_version_has_some_and_others_are_over(
    version: str, has: tuple[str, ...], over: tuple[str, ...]
) -> None:
    """By the dates of each."""
    found = words(affecting(version, every=True))

    assert ["has"] * len(has) == [found[one] for one in has]
    assert set() == {found[one] for one in over} & set(OPEN)


def test_what_is_over_is_counted_and_not_shown() -> None:
    """So are rules, which every kernel has."""
    short, whole = affecting("6.16.12"), affecting("6.16.12", every=True)

    assert len(all_bugs()) == len(whole.bugs) == len(short.bugs) + short.left_out
    assert {row.word for row in short.bugs} <= set(OPEN)
    assert "rule" not in {row.kind for row in short.bugs}
    assert 0 == whole.left_out


def test_what_is_wrong_stands_first() -> None:
    """Bugs, regressions, changes."""
    kinds = [row.kind.value for row in affecting("6.12.25").bugs]

    assert ["bug", "regression", "change"] == list(dict.fromkeys(kinds))


def test_a_configuration_leaves_bugs_out() -> None:
    """What needs an option that is not set is not there, and the row says which."""
    options = {"X86_PAT": "y", "TRANSPARENT_HUGEPAGE": "n"}
    rows = {row.id: row for row in affecting("6.12.25", options).bugs}

    assert ("has", "not with this configuration") == (rows["A06"].word, rows["E05"].word)
    assert "E05 needs TRANSPARENT_HUGEPAGE=y, which this configuration does not set." == rows["E05"].sentence


def test_a_configuration_brings_nothing_back() -> None:
    """What is mended stays so, whatever is not set."""
    assert "mended" == words(affecting("6.12.25", {}, every=True))["A01"]


@for_each(
    ("version", "upstream"),
    [
        ("6.1.176-1", "6.1.176"),
        ("6.12.117+deb13-cloud-amd64", "6.12.117"),
        ("7.3-rc7", "7.3-rc7"),
        ("5.15.0-91-generic", None),
    ],
)
def test_a_distribution_is_read_as_it_writes(version: str, upstream: str | None) -> None:
    """Where its text hides the point, nothing is said of it."""
    assert upstream == affecting(version).upstream


def test_no_version_is_refused() -> None:
    """In one line."""
    with pytest.raises(Misuse, match="no version of a kernel"):
        affecting("bookworm")
