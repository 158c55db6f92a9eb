"""Reviews of posted patches, in a terminal and in a report: how many came out, then a row each."""

from __future__ import annotations

import msgspec

from pfnlab.base.result import Outcome
from pfnlab.discussions.thread_reviews import PostedReviews, ReviewedRow, ShownProperty
from pfnlab.present.document.part import part_of
from pfnlab.present.document.read import result_of
from pfnlab.present.document.terminal import terminal

_PROGRAM = "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\nmunmap a[0]\n"

_ROW = ReviewedRow(
    row="R40",
    base="model:7.3",
    design="model:7.3,tracker=vm_pat",
    expected="broken",
    of=("no_leak",),
    says="broken: no_leak",
    as_expected=True,
    shown=(
        ShownProperty("no_leak", "sequence", 2, _PROGRAM),
        ShownProperty("no_deadlock", "schedule", 9, None),
    ),
    seconds=7.4,
)

RESULT = PostedReviews(
    rows=(_ROW, msgspec.structs.replace(_ROW, row="R41", as_expected=False, shown=())),
    not_reviewed={"R47": "there is no lockdep"},
    limit=60,
)


def test_the_first_line_counts_the_rows() -> None:
    """Those that came out, and those that did not."""
    first = terminal(part_of(RESULT)).splitlines()[0]

    assert "2 reviews of at most 60 s: 1 as expected, 1 not" == first
    assert Outcome.DISCOVERY is RESULT.outcome


def test_a_row_has_the_length_of_its_programs() -> None:
    """A schedule that is no program is said to be one."""
    lines = terminal(part_of(RESULT)).splitlines()

    (row,) = (line for line in lines if line.startswith("R40"))
    assert row.split("  ")[-2:] == ["no_leak 2, no_deadlock 9 (schedule)", "7"]
    assert any("NOT as expected" in line for line in lines if line.startswith("R41"))


def test_what_is_not_reviewed_has_its_reason() -> None:
    """Below the rows."""
    assert "not reviewed: R47: there is no lockdep" == terminal(part_of(RESULT)).splitlines()[-1]


def test_a_report_has_the_programs() -> None:
    """Which a terminal leaves to `--json`."""
    (chapter,) = (block for block in part_of(RESULT).blocks if getattr(block, "folded", False))

    assert "R40: model:7.3,tracker=vm_pat" == chapter.title
    assert "munmap a[0]" in chapter.blocks[0].text
    assert "munmap a[0]" not in terminal(part_of(RESULT))


def test_what_was_printed_is_read_back() -> None:
    """By reports."""
    assert RESULT == result_of(msgspec.to_builtins(RESULT))
