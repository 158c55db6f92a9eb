"""The page of entries on models and kernels is made of the catalogue, the goldens and the kept records."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from evidence.pages.__main__ import made
from evidence.pages.bug_seen import KernelWord
from evidence.pages.bugs_seen_page import bugs_seen_page
from evidence.pages.held_reverts import HeldProgram, HeldRevert
from pfnlab.kernel.bugs.known_bugs import Bug, bug

PAGE = Path(__file__).parents[3] / "docs" / "evidence" / "bugs.md"

PROGRAM = HeldProgram(
    **{"entry": "A01", "program": "copied-first-munmap", "op": "munmap a", "fields": ("book",)},
    **{"without": "broken", "stock": "mended", "differ": ()},
)
HELD = HeldRevert(
    **{"kernel": "6.1.192+0", "stock": "6.1.192-2", "source": "linux-source-6.1 6.1.192-2"},
    **{"build_seconds": 45, "programs": (PROGRAM,)},
)


def cells(one: Bug, held: dict[str, HeldRevert] | None = None) -> list[str]:
    """The row of an entry on a page of its own."""
    lines = bugs_seen_page([one], held or {}).splitlines()
    (row,) = [line for line in lines if line.startswith(f"| {one.number} |")]
    return row.strip("| ").split(" | ")


def total(name: str, *bugs: Bug, held: dict[str, HeldRevert] | None = None) -> str:
    """A row of the totals."""
    (row,) = [
        line for line in bugs_seen_page(bugs, held or {}).splitlines() if line.startswith(f"| {name} |")
    ]
    return row.strip("| ").split(" | ")[1]


def test_the_page_is_current() -> None:
    """Write it anew with ``python -m evidence.pages evidence/bugs --write``."""
    assert made("evidence/bugs") == PAGE.read_text(encoding="utf-8")


def test_a_row_has_models_kernels_and_what_became_of_it() -> None:
    """A06 is broken on kernels of 6.1 and 6.12, and nothing was taken out for it."""
    row = cells(bug("A06"))

    assert ["A06", "partial-munmap", "6.16,without=f8e97613fed2 / 6.16"] == row[:3]
    assert ["broken 6.1 to 6.12; fixed 6.16 to 7.3", "-", "confirmed"] == row[3:]


def test_a_program_that_a_newer_kernel_was_not_asked_has_its_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one golden alone was made on a new kernel, the others are of the kernel before, and count."""
    seen = {
        "A01": (KernelWord("one", "6.12.117", "mended", ""), KernelWord("one", "6.12.90", "broken", "")),
        "A06": (KernelWord("two", "6.12.117", "broken", ""), KernelWord("two", "6.12.118", "mended", "")),
    }
    monkeypatch.setattr("evidence.pages.bugs_seen_page.seen_on", lambda bug: seen[bug.number])

    page = bugs_seen_page([bug("A01"), bug("A06")], {})

    assert "answered,\n  of 6.12.117, 6.12.118.\n" in page
    assert ["fixed 6.12", "fixed 6.12"] == [
        line.split(" | ")[3] for line in page.splitlines() if line.startswith(("| A01", "| A06"))
    ]


def test_kernels_without_a_commit_are_named_together() -> None:
    """One commit on two series."""
    held = {"04c35ab3bdae-6.1": HELD, "04c35ab3bdae-6.12": HELD}

    assert "04c35ab3bdae: broken on 6.1, 6.12" == cells(bug("A01"), held)[-2]


def test_an_entry_without_a_program_has_dashes() -> None:
    """It is in the catalogue all the same."""
    assert ["F08", "access-phys-32bit-loop", "-", "-", "-", "undecided"] == cells(bug("F08"))


def test_totals_count_what_was_seen() -> None:
    """On stock kernels, and on those without a commit."""
    held = {"04c35ab3bdae-6.1": HELD}

    assert "1" == total("faults seen broken on a kernel without a commit", bug("A01"), bug("A06"), held=held)
    assert "1" == total("faults seen broken on a stock kernel", bug("A01"), bug("A06"), held=held)
    assert "2" == total("faults seen fixed on a stock kernel", bug("A01"), bug("A06"), held=held)
    assert "2" == total("expressed", bug("A01"), bug("A06"), bug("F08"))


def test_a_record_of_another_entry_is_not_its_own() -> None:
    """The commit brought A02 too."""
    other = msgspec.structs.replace(HELD, programs=(msgspec.structs.replace(PROGRAM, entry="A02"),))

    assert "-" == cells(bug("A01"), {"04c35ab3bdae-6.1": other})[-2]
