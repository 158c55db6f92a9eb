"""VMAs counted in guests: what their consoles say, and the table made of it."""

from __future__ import annotations

import pytest
import tooling

from pfnlab.base.errors import Undecided

TOOL = tooling.count_vmas()

CONSOLE = """\
count booted processes 9 vmas 63 pfnmap 9 tracked 0
[    1.2] a line of the kernel's own
count resource processes 10 vmas 71 pfnmap 11 tracked 1
count vfio processes 11 vmas 80 pfnmap 13 tracked 2
count ended with 0
"""


def test_counts_are_read() -> None:
    """Three moments, whatever the kernel says meanwhile."""
    assert [("booted", 9, 63, 9, 0), ("resource", 10, 71, 11, 1), ("vfio", 11, 80, 13, 2)] == TOOL.counts_of(
        CONSOLE
    )


def test_a_count_that_is_missing_is_noticed() -> None:
    """A process did not get its mapping."""
    with pytest.raises(Undecided, match="did not count all"):
        TOOL.counts_of(CONSOLE.replace("count vfio", "no"))


def test_table() -> None:
    """A row for each moment."""
    assert "| 6.1.192 | `resource4_wc` | 10 | 71 | 11 | 1 |" in TOOL.table_of(
        {"6.1.192": TOOL.counts_of(CONSOLE)}
    )


def test_a_handful_is_tracked() -> None:
    """The page has it of both series with VM_PAT: as many as devices were mapped."""
    page = TOOL.PAGE.read_text(encoding="utf-8").partition(TOOL.BEGIN)[2].partition(TOOL.END)[0]

    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| 6.")]

    tracked = {(row[0].rpartition(".")[0], row[1]): int(row[-1]) for row in rows}
    assert [0, 1, 2] == [tracked["6.1", mapped] for mapped in ("-", "`resource4_wc`", "and vfio-pci")]
    assert [0, 1, 1] == [tracked["6.12", mapped] for mapped in ("-", "`resource4_wc`", "and vfio-pci")]
    assert all(int(vmas) > 40 for _, _, _, vmas, *_ in rows)
