"""The bugs of one kernel, by its version, configuration, architecture and changelog."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.affected import OPEN, AffectsResult, affecting
from pfnlab.kernel.bugs.known_bugs import all_bugs

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
    with pytest.raises(Misuse, match="is not a kernel version"):
        affecting("bookworm")


@for_each("version", ["4.18.0-553.el8_10.x86_64", "5.14.0-503.el9", "6.4.0-150600.23.47-default"])
def test_a_frozen_number_has_no_bug_that_was_ever_fixed(version: str) -> None:
    """Whether it was backported is not known, and the first sentence says so."""
    result = affecting(version)

    assert "has" not in result.counts
    assert "bugs do not follow from the version" in result.about[0]


def test_wsl_is_the_release_it_was_built_from() -> None:
    """Its fourth number is Microsoft's."""
    ours, theirs = (affecting(text) for text in ("6.6.87", "6.6.87.2-microsoft-standard-WSL2"))

    assert "6.6.87" == theirs.upstream
    assert ours.counts == theirs.counts


def test_a_version_that_never_was_is_refused() -> None:
    """In one line, with the last there was."""
    with pytest.raises(Misuse, match=r"6\.11\.99 is not a known kernel: the last 6\.11\.y"):
        affecting("6.11.99")


def test_a_release_of_the_future_has_nothing_for_certain() -> None:
    """No date says anything about it."""
    assert "has" not in affecting("9.1").counts


def test_an_architecture_leaves_bugs_out() -> None:
    """The row says where it exists; without one nothing is left out."""
    rows = {
        arch: {row.id: row.word for row in affecting("6.12.25", every=True, arch=arch).bugs}
        for arch in (None, "x86_64", "aarch64")
    }

    assert ["has", "not on this architecture", "has"] == [rows[arch]["E13"] for arch in rows]
    assert ["has", "has", "not on this architecture"] == [rows[arch]["A06"] for arch in rows]


def test_a_changelog_fixes_and_takes_back(tmp_path: Path) -> None:
    """A named fix is fixed, a reverted one is there still, and others stay as they were."""
    path = tmp_path / "changelog"
    path.write_text(
        '- Revert "vfio/pci: Align huge faults to order" (X)\n'
        "- vfio/pci: Align huge faults to order (X)\n"
        "- mm/memory: fix PMD/PUD checks in follow_pfnmap_start() (X)\n",
        encoding="utf-8",
    )

    rows = {row.id: row for row in affecting("6.12.25", changelog=path).bugs}

    assert ["mended", "has", "has"] == [rows[number].word for number in ("E05", "E04", "A06")]
    assert [3] == [one.line for one in rows["E05"].named]


def test_rows_are_by_gravity() -> None:
    """A CVE stands before what has none."""
    faults = [bool(row.cve) for row in affecting("6.1.20").bugs if row.kind.is_fault]

    assert faults == sorted(faults, reverse=True)


def test_rows_show_the_severity_that_they_are_sorted_by() -> None:
    """A CVE is high; a change is low."""
    rows = affecting("6.1.20", every=True).bugs
    faults = [("high", "medium", "low").index(row.severity) for row in rows if row.kind.is_fault]

    assert faults == sorted(faults)
    assert {0, 1, 2} == set(faults)
    assert {"high"} == {row.severity for row in rows if row.cve and row.kind.is_fault}
    assert {"low"} == {row.severity for row in rows if not row.kind.is_fault}
