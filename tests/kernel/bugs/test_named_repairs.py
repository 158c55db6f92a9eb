"""Fixes that changelogs name."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.known_bugs import bug
from pfnlab.kernel.bugs.named_repairs import repairs_named, repairs_named_in

A01 = "x86/mm/pat: fix VM_PAT handling in COW mappings"
#: Lines of changelogs that name the fix of A01, each in the way of another tool.
NAMING = [
    f"- {A01} (Jane Doe) [RHEL-1 RHEL-2]",
    f"- {A01} (bsc#1224525).",
    "    - [x86] mm/pat: fix VM_PAT handling in COW mappings",
    f"    - {A01} (CVE-2024-35877)",
    f"04c35ab3bdae {A01}",
    "commit 04c35ab3bdae7fefbd7c7a7355f29fa03a035221",
    "    commit 04c35ab3bdae7fefbd7c7a7355f29fa03a035221 upstream.",
    "[ Upstream commit 04c35ab3bdae7fefbd7c7a7355f29fa03a035221 ]",
    "(cherry picked from commit 04c35ab3bdae7fefbd7c7a7355f29fa03a035221)",
    "  * CVE-2024-35877",
]
#: And those that only speak of it.
SPEAKING = [
    f'    Fixes: 04c35ab3bdae ("{A01}")',
    f'    This is what 04c35ab3bdae ("{A01}")',
    f"- {A01} on a Tuesday, once more",
    "  * CVE-2024-35878",
    "- x86/mm/pat: fix something else",
]


@for_each("line", NAMING)
def test_a_fix_is_named(line: str) -> None:
    """By its commit, its subject or its CVE."""
    found = repairs_named(["first", line, "- another: change (X)"]).of_fix(bug("A01"))

    assert [2] == [one.line for one in found]
    assert not found[0].reverted


@for_each("line", SPEAKING)
def test_a_fix_that_is_spoken_of_is_not_there(line: str) -> None:
    """A longer subject is another commit."""
    assert () == repairs_named([line]).of_fix(bug("A01"))


def test_a_line_says_a_cve_once() -> None:
    """However often it stands there, and in which letters."""
    found = repairs_named(["* CVE-2024-35877: mm, fix for cve-2024-35877 (CVE-2024-35877)"]).of_fix(
        bug("A01")
    )

    assert [("CVE", "CVE-2024-35877")] == [(one.how, one.text) for one in found]


def test_a_subject_may_go_on_below() -> None:
    """As changelogs of Debian wrap it."""
    lines = ["    - mm: avoid leaving partial pfn mappings around in", "      error case", "    - next: one"]

    assert [1] == [one.line for one in repairs_named(lines).of_fix(bug("A18"))]


def test_a_revert_takes_the_fix_back() -> None:
    """The newest entry stands first, and decides."""
    lines = [f'- Revert "{A01}"', f"- {A01}"]

    assert [(1, True)] == [(one.line, one.reverted) for one in repairs_named(lines).of_fix(bug("A01"))]


def test_a_revert_of_a_revert_is_the_fix() -> None:
    """It came back."""
    lines = [f'- Revert "Revert "{A01}""', f'- Revert "{A01}"']

    assert [(1, False)] == [(one.line, one.reverted) for one in repairs_named(lines).of_fix(bug("A01"))]


def test_a_fix_of_two_commits_needs_both() -> None:
    """One of them is half a fix."""
    one, other = "usb: usbfs: Enforce page requirements for mmap", "usb: usbfs: Use consistent mmap functions"

    assert () == repairs_named([f"- {one}"]).of_fix(bug("G02"))
    assert () != repairs_named([f"- {one}", f"- {other}"]).of_fix(bug("G02"))


def test_a_cause_is_named() -> None:
    """The commit that fixes A01 brings A02."""
    assert [1] == [one.line for one in repairs_named([f"- {A01}"]).of_cause(bug("A02"))]


@for_each("packed", [False, True])
def test_a_file_may_be_packed(tmp_path: Path, packed: bool) -> None:
    """As Debian installs changelogs."""
    text = f"- {A01}\n- last".encode()
    path = tmp_path / "changelog"
    path.write_bytes(gzip.compress(text) if packed else text)

    found = repairs_named_in(path)

    assert 2 == found.lines
    assert [1] == [one.line for one in found.of_fix(bug("A01"))]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Half of a packed changelog would say that fixes are not there."""
    path = tmp_path / "changelog.gz"
    path.write_bytes(gzip.compress(b"- a line\n" * 1000)[:-12])

    with pytest.raises(Misuse, match="damaged gzip file"):
        repairs_named_in(path)


@given(st.lists(st.text(max_size=80), max_size=20))
def test_any_lines_are_read(lines: list[str]) -> None:
    """Nothing is raised, and all are counted."""
    assert len(lines) == repairs_named(lines).lines
