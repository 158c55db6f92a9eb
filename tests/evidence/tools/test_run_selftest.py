"""The kernel's selftest in a guest: what its console says, and the table made of it."""

from __future__ import annotations

import pytest
import tooling

from pfnlab.base.errors import LostGuest

TOOL = tooling.run_selftest()

#: A line of the kernel's own stands between the test's.
CONSOLE = """\
TAP version 13
1..3
#  RUN           pfnmap.fork ...
#            OK  pfnmap.fork
ok 1 pfnmap.fork
[    1.2] x86/PAT: main:1 map pfn RAM range req write-combining
# pfnmap.c:495:head:Expected '1111' == '0111'.
not ok 2 pfnmap_tracked.head
ok 3 pfnmap_tracked.claimed # SKIP Not asked to let a driver claim
# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0
selftest ended with 1
"""
RESULTS = {
    "pfnmap.fork": "ok",
    "pfnmap_tracked.head": "not ok",
    "pfnmap_tracked.claimed": "SKIP Not asked to let a driver claim",
}


def test_results() -> None:
    """Passed, failed and skipped tests are told apart, whatever the kernel says meanwhile."""
    assert RESULTS == TOOL.results_of(CONSOLE)


@pytest.mark.parametrize("name", ["selftest", "count", "probe_2"])
def test_a_guest_ends_whatever_its_first_process_is_called(name: str) -> None:
    """Its line stands at the end, below the kernel's."""
    console = f"[    1.2] x86/PAT: main:1 map pfn RAM\n{name} ended with 0\n"

    whole = TOOL.to_the_end(console)

    assert console == whole


@pytest.mark.parametrize(
    "console", [CONSOLE.replace("selftest ended with 1", "selftest end"), "[ 1.2] it ended with 1\n"]
)
def test_a_guest_that_did_not_end_by_itself_is_lost(console: str) -> None:
    """Its own line is missing; one of the kernel's is none."""
    with pytest.raises(LostGuest, match="did not end by itself"):
        TOOL.to_the_end(console)


@pytest.mark.parametrize(
    ("results", "passes"),
    [({"a": "ok"}, True), ({"a": "ok", "b": "not ok"}, False), ({"a": "SKIP"}, False), ({}, False)],
)
def test_all_have_to_pass(results: dict[str, str], passes: bool) -> None:
    """A test that was skipped has not passed, and no test is no success."""
    assert passes is TOOL.Outcome("7.3", "7.3.4-1", results).passes


def test_table() -> None:
    """A row for each test, also for one that a kernel did not report."""
    outcomes = [
        TOOL.Outcome("7.3", "7.3.4-1", {"a.b": "not ok"}),
        TOOL.Outcome("mine", "", {"a.b": "ok", "a.c": "ok"}),
    ]

    assert [
        "| test | 7.3 | mine |",
        "| --- | --- | --- |",
        "| `a.b` | not ok | ok |",
        "| `a.c` | - | ok |",
    ] == TOOL.table_of(outcomes).splitlines()
