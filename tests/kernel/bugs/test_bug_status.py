"""Where a kernel stands with a bug."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.bug_status import bug_status
from pfnlab.kernel.bugs.known_bugs import bug


def test_a_bug_without_a_stable_repair() -> None:
    """The sentence says in which release it was mended, and that no stable series has that."""
    assert "6.1.85 has A06; fixed in 6.16 (f8e97613fed2), in no stable series." == (
        bug_status(bug("A06"), "6.1.85").sentence
    )


@for_each(
    "number, version, word",
    [
        ("A06", "2.6.28", "not yet"),
        ("A06", "2.6.29", "has"),
        ("A06", "6.15.11", "has"),
        ("A06", "6.16", "mended"),
        ("A06", "6.16-rc3", "not known"),
        ("A06", "6.15-rc3", "has"),
        # A stable series that took the repair over.
        ("A01", "6.1.84", "has"),
        ("A01", "6.1.85", "mended"),
        ("A01", "5.4.274", "mended"),
        ("A01", "6.7.12", "has"),
        ("A01", "6.8", "has"),
        # One that took the cause over, and the repair.
        ("A02", "6.1.84", "not yet"),
        ("A02", "6.1.85", "has"),
        ("A16", "6.12.22", "not yet"),
        ("A16", "6.12.25", "has"),
        ("A16", "6.12.31", "mended"),
        ("A16", "6.14", "not yet"),
        ("A16", "6.15", "mended"),
        ("A17", "6.1.110", "not yet"),
        ("A17", "6.1.111", "has"),
        # Candidates alone.
        ("C02", "5.5-rc0", "has"),
        ("C02", "5.5-rc1", "mended"),
        ("C02", "5.4.100", "not yet"),
        # Stable series alone.
        ("B02", "5.15.64", "never"),
        ("B02", "5.15.65", "not known"),
        ("B02", "6.1.85", "never"),
        # Measured between two releases.
        ("A05", "6.12.22", "not yet"),
        ("A05", "6.12.23", "has"),
        ("A05", "6.12.50", "not known"),
        ("A05", "6.12.117", "mended"),
        # A repair of which nobody knows whether a stable series has it.
        ("F01", "3.18", "has"),
        ("F01", "3.18.5", "not known"),
        # Others.
        ("A09", "6.1", "never"),
        ("C01", "7.3", "has"),
        ("D01", "6.12.117", "not yet"),
        ("E07", "7.2.8", "mended"),
        ("E07", "7.2.7", "has"),
        ("N05", "7.2.3", "has"),
        ("N05", "6.5", "not known"),
        ("G08", "6.1", "not known"),
    ],
)
def test_a_kernel_stands_somewhere(number: str, version: str, word: str) -> None:
    """As the dates of mainline and of the stable series have it."""
    assert word == bug_status(bug(number), version).word


@for_each("version", ["2.6.28", "6.1.176-1", "6.12.117+deb13-cloud-amd64", "6.16.3"])
def test_a_measurement_stands_as_its_bug(version: str) -> None:
    """N03 is A06 measured, under its own number."""
    of, measured = bug_status(bug("A06"), version), bug_status(bug("N03"), version)

    assert (of.word, of.sentence.replace("A06", "N03")) == (measured.word, measured.sentence)


@for_each("version", ["6.1.84-1", "6.8.0-40-generic", "5.15.0-91-generic"])
def test_a_package_may_have_more(version: str) -> None:
    """A distribution takes repairs over by itself."""
    assert "distribution's kernel may have taken" in bug_status(bug("A01"), version).sentence


def test_a_package_that_hides_its_point_is_not_known() -> None:
    """5.15.0-91 has a number of Ubuntu's, not of 5.15.y."""
    assert "not known" == bug_status(bug("A01"), "5.15.0-91-generic").word


def test_a_change_is_not_mended() -> None:
    """What ends is a change, not a fault."""
    assert "mended" not in bug_status(bug("D01"), "7.2").sentence


def test_what_is_no_version_is_refused() -> None:
    """In one line."""
    with pytest.raises(Misuse, match="is not a kernel version"):
        bug_status(bug("A06"), "bookworm")


@for_each(
    ("number", "version", "word"),
    [
        # Other stable series may have the repair.
        ("C03", "5.10.19", "has"),
        ("C03", "5.10.20", "mended"),
        ("C03", "5.4.100", "not known"),
        ("C03", "5.4", "has"),
        # Its end is told in words alone.
        ("P03", "6.11", "not yet"),
        ("P03", "6.12.25", "not known"),
        # A stable release has a repair of which no mainline release is known.
        ("G06", "6.12.91", "not known"),
        ("G06", "6.12.92", "mended"),
        # Measured between two.
        ("A05", "6.12.100", "not known"),
        # Its title is in the changelog.
        ("F06", "7.3-rc7", "has"),
        ("F06", "7.3.2", "has"),
        ("F06", "7.3.4", "mended"),
        # Of one stable series.
        ("P04", "5.4.200", "not known"),
        ("P04", "6.1", "never"),
    ],
)
def test_what_is_known_in_part_is_said_so(number: str, version: str, word: str) -> None:
    """A list of series that is not whole says nothing of the others."""
    assert word == bug_status(bug(number), version).word


def test_a_repair_of_a_stable_release_alone_is_named() -> None:
    """There is no mainline release to say."""
    assert "6.12.92 no longer has G06: fixed in 6.12.92." == bug_status(bug("G06"), "6.12.92").sentence
