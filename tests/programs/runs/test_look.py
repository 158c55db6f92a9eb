"""Levels of looking, and what a model predicts for each."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel, look_named

LEAF = load_text(
    "pfnlab program 1\ndevice bar: pci, 1 GiB\n\na = mmap bar[0:262144] vfio shared rw\nread a[0]\nlook\n"
)


@for_each("look", list(LookLevel))
def test_every_level_has_its_name(look: LookLevel) -> None:
    """As it is written."""
    assert look is look_named(str(look))


def test_another_name_is_refused() -> None:
    """With those there are."""
    with pytest.raises(Misuse, match="write memory, proc, end"):
        look_named("hard")


@for_each(
    ("look", "entry"),
    [
        (LookLevel.PROC, "none@L3"),
        (LookLevel.MEMORY, "L3 UC- P RW US SPECIAL A"),
        (LookLevel.END, "L3 UC- P RW US SPECIAL A"),
    ],
)
def test_reading_smaps_drops_a_leaf_of_a_gigabyte(look: LookLevel, entry: str) -> None:
    """The other levels of looking leave it alone."""
    steps = ModelMachine("7.3", look).run_one(LEAF).steps

    assert [entry] == [run.entry for run in steps[1].ptes or ()]


@for_each("look", list(LookLevel))
def test_a_run_says_how_it_was_looked_at(look: LookLevel) -> None:
    """That of a program without a rule too."""
    undecided = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap anon[0:4] shared rw\nmremap a 2 pages\n"
    )

    runs = ModelMachine("7.3", look).run([LEAF, undecided])

    assert [look, look] == [run.look for run in runs]


def test_in_memory_no_frame_of_a_device_is_ordinary() -> None:
    """A walker of some kernels takes one for a page; the page's own memory says otherwise."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar[0:4] wc private rw\nwrite a[0] 1\n"
    )
    by_proc, in_memory = (
        ModelMachine("6.1", look).run_one(program).steps[1].vmas
        for look in (LookLevel.PROC, LookLevel.MEMORY)
    )

    assert ([0], [4]) == ([vma.rss for vma in by_proc or ()], [vma.rss for vma in in_memory or ()])
