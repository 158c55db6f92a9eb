"""Counts of flushes by the distance of mappings, of the programs that show them."""

from __future__ import annotations

import pytest
from litmus_files import FILES

from pfnlab.base.errors import Misuse
from pfnlab.present.report.flush_counts import DISTANCES, KINDS, by_distance, counts
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine


def test_another_operation_is_not_counted() -> None:
    """A program of this page ends with one of three calls."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar[0:1] wc shared rw\nmlock a\n"
    )

    with pytest.raises(Misuse, match="no operation of this page"):
        counts(program, ModelMachine("7.2").run_one(program).steps)


def test_a_row_for_every_placement_as_data() -> None:
    """Of each kind of mappings, with a count for every distance: that of the munmap of four."""
    found = by_distance(FILES)

    assert set(KINDS) == set(found)
    assert {(len(DISTANCES),)} == {(len(counts),) for rows in found.values() for counts in rows.values()}
    assert {"gather_v4": (2, 2, 2, 2), "end_vma": (5, 5, 5, 5)}.items() <= found["PFN"].items()
