"""Severities: by one rule from who can reach a bug and what it breaks."""

from __future__ import annotations

from for_each import for_each

from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, BugReach, all_bugs, bug
from pfnlab.kernel.bugs.severity import severity


@for_each(
    "reach, breaks, expected",
    [
        ("user", ("told_free",), "high"),
        ("user", ("no_warning",), "high"),
        ("user", (), "medium"),
        ("privileged", ("told_free", "freed_once"), "medium"),
        ("privileged", ("no_leak",), "medium"),
        ("privileged", ("freed_once",), "low"),
        ("driver", ("told_free",), "low"),
    ],
)
def test_a_severity_is_of_reach_and_loss(reach: str, breaks: tuple[str, ...], expected: str) -> None:
    """A line of the log is no loss; a leak is the next user's."""
    one = Bug(what="", kind=BugKind.BUG, reach=(BugReach(reach),), breaks=breaks)

    assert expected == severity(one)


@for_each("kind", [BugKind.RULE, BugKind.CHANGE, BugKind.PROPOSAL])
def test_what_is_no_fault_is_low(kind: BugKind) -> None:
    """Whoever reaches it."""
    assert "low" == severity(Bug(what="", kind=kind, reach=(BugReach.USER,), breaks=("told_free",)))


def test_a_cve_is_high() -> None:
    """Whoever reaches it."""
    assert {"high"} == {severity(one) for one in all_bugs() if one.cve and one.kind.is_fault}


def test_a_whole_reservation_weighs_as_much_as_a_half() -> None:
    """A16 leaks all of what A06 leaks half of, and the same processes reach both."""
    assert severity(bug("A06")) == severity(bug("A16")) == "medium"
