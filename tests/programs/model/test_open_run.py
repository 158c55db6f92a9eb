"""A run that goes on: its kernel stays as long as nothing moves that is there already."""

from __future__ import annotations

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine, OpenRun

HEAD = "pfnlab program 1\ndevice bar: pci, 16 pages\n"


def opened(*lines: str) -> OpenRun:
    """The run of a program so far."""
    program = load_text(HEAD + "".join(f"{line}\n" for line in lines))
    run = OpenRun(ModelMachine("7.2"), program, check=True)
    run.go_on(program)
    return run


def extended(run: OpenRun, *lines: str) -> OpenRun:
    """*run*, as far as the program of *lines*."""
    return run.extended(load_text(HEAD + "".join(f"{line}\n" for line in lines)))


def test_it_goes_on_where_it_stands() -> None:
    """An operation on what is there is done on the same kernel."""
    run = opened("a = mmap bar[0:8] wc shared rw")

    longer = extended(run, "a = mmap bar[0:8] wc shared rw", "munmap a[0:4]", "look")

    assert run is longer
    assert ["a = mmap bar[0:8] wc shared rw", "munmap a[0:4]", "look"] == [step.op for step in run.steps]


def test_what_moves_something_begins_anew() -> None:
    """An area that gets larger, a device that is taken as a whole, or tasks side by side."""
    lines = ("a = mmap bar[0:8] wc shared rw",)
    for more in (
        ("b = mmap bar[0:4] wc shared rw",),
        ("vfio_close bar",),
        ("hold unmap_vmas: munmap a", "release"),
    ):
        run = opened(*lines)

        longer = extended(run, *lines, *more)

        assert run is not longer
        assert 1 + len(more) == len(longer.steps)


def test_the_end_kills_all_tasks() -> None:
    """As at the end of every run."""
    run = opened("a = mmap bar[0:8] wc shared rw", "c = fork")

    run.end()

    assert ("end", (), ()) == (run.steps[-1].op, run.steps[-1].book, run.steps[-1].vmas)
    assert not run.kernel.tasks
