"""The bugs of one kernel, out of some that could be a cause."""

from __future__ import annotations

from for_each import for_each

from pfnlab.kernel.bugs.here import bugs_here


def said(kernel: str, *numbers: str, since: str = "", until: str = "") -> list[str]:
    """What is said of each bug that the kernel has or may have."""
    return [one.says for one in bugs_here(kernel, numbers, since=since, until=until)]


def test_a_kernel_without_the_bug_hears_nothing() -> None:
    """A06 is not of 7.2."""
    assert [] == said("7.2", "A06")


def test_a_kernel_with_the_bug_hears_what_mends_it() -> None:
    """And that no stable series has it."""
    assert ["6.1.85 has A06; fixed in 6.16 (f8e97613fed2), in no stable series."] == said("6.1.85", "A06")


@for_each(
    "number, says",
    [
        ("A06", "A06: since 2.6.29; fixed in 6.16 (f8e97613fed2), in no stable series."),
        ("N03", "N03: since 2.6.29; fixed in 6.16 (f8e97613fed2), in no stable series."),
        ("N06", "N06: since 6.16."),
        ("C01", "C01: in all releases."),
        ("G08", "G08: since when is not known."),
        ("P04", "P04: only in 5.4.y."),
        ("N02", "N02: measured on 6.1, 6.12, 6.16, 7.2."),
    ],
)
def test_of_an_unknown_kernel_the_dates_are_said(number: str, says: str) -> None:
    """A measurement has those of its bug."""
    assert [says] == said("", number)


def test_a_bug_that_was_over_or_had_not_begun_is_left_out() -> None:
    """Where the wording of a line narrows the release."""
    assert [] == said("", "A06", "N03", since="6.16")
    assert [] == said("", "D06", "N06", until="6.12")
    assert 2 == len(said("", "A06", "D06"))


def test_what_candidates_alone_had_is_no_cause() -> None:
    """P08, between 5.13-rc1 and 5.13; stable series had A16, too."""
    assert [] == said("", "P08")
    assert 1 == len(said("", "A16"))


def test_a_proposal_is_no_cause() -> None:
    """No kernel has A09."""
    assert [] == said("", "A09")
    assert [] == said("6.1.85", "A09")
