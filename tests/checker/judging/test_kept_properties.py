"""Expectations about a property: kept, violated, or open."""

from __future__ import annotations

import msgspec
import pytest

from pfnlab.base.errors import Misuse
from pfnlab.checker.judging.judge import judged, judged_runs
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.named_machines import name_machines

TEXT = """pfnlab program 1
device  bar: pci, 4 pages

a = mmap bar[0:4] wc shared rw
munmap a[0]

expect 6.1.. keeps {name}
"""


def test_a_property_is_kept_or_violated() -> None:
    """By the machines that the line is about, whatever stays reserved."""
    program = load_text(TEXT.format(name="freed_once"))

    (result,) = judged_runs(name_machines(("model:5.15", "model:6.12", "model:7.3")), {"": program})

    assert [("model:6.12", False), ("model:7.3", True)] == [
        (one.machine, one.holds) for one in result.expectations
    ]


def test_a_run_without_an_end_leaves_it_open() -> None:
    """Unless it has violated the property before."""
    program = load_text(TEXT.format(name="freed_once"))
    machines = name_machines(("model:6.12", "model:7.3"))
    (result,) = judged_runs(machines, {"": program})
    cut = [msgspec.structs.replace(run, steps=run.steps[:-1], lost="gone") for run in result.runs]

    verdict = judged(program, cut, {"model:6.12": "6.12", "model:7.3": "7.3"})

    assert [False, None] == [one.holds for one in verdict.expectations]


def test_a_property_that_no_run_is_judged_by_is_refused() -> None:
    """Before anything runs, with the nearest name."""
    with pytest.raises(
        Misuse, match="freed_onc`: this property is not checked on runs: did you mean `freed_once`"
    ):
        judged_runs(name_machines(("model:7.3",)), {"": load_text(TEXT.format(name="freed_onc"))})
