"""Broken rules: each changes one place of the model, and the fuzzer tells some of them from real kernels."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from for_each import for_each
from having import NEW, bootable, model_of
from mutant import Mutant
from mutants import EQUIVALENT, MUTANTS
from mutated import SOURCE, MutatedModel
from mutation_report import FOUND, OPERATIONS, look_for

from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences

REPORT = Path(__file__).parents[3] / "docs" / "evidence" / "mutation-report.md"

EVERY = [*MUTANTS, *(one for one, _ in EQUIVALENT)]


def named(breaks: str) -> Mutant:
    """The mutant that breaks this rule."""
    (found,) = (one for one in MUTANTS if one.breaks == breaks)
    return found


def test_there_are_enough_everywhere() -> None:
    """At least a hundred, spread over the memory core, its users, the policies and who has them."""
    folders = Counter(one.file.rpartition("/")[0] for one in MUTANTS)

    assert len(MUTANTS) >= 100
    memory, policies = ("mm", "mm/more", "mm/users"), ("policies", "policies/trackers", "policies/flushes")
    assert {"hw", *memory, *policies} == set(folders)
    assert len({one.file for one in MUTANTS}) >= 20
    assert len({one.breaks for one in EVERY}) == len(EVERY)


@for_each("mutant", EVERY, ids=lambda one: one.breaks)
def test_each_changes_one_place(mutant: Mutant) -> None:
    """What it replaces stands there once, so a model that changed is noticed here."""
    text = (SOURCE / "kernel" / mutant.file).read_text(encoding="utf-8")

    assert 1 == text.count(mutant.old)
    assert mutant.old != mutant.new


def test_a_model_in_a_process_of_its_own_is_the_model() -> None:
    """With nothing that matters changed, the runs are equal."""
    nothing = Mutant("nothing", "mm/unmap.py", "def gather_munmap(", "def gather_munmap(", "6.12")
    programs = [draw(9, index) for index in range(20)]

    with MutatedModel(nothing) as model:
        assert ModelMachine("6.12").run(programs) == model.run(programs)


def test_a_broken_rule_is_found_and_shrunk() -> None:
    """One of the table, as the report does it."""
    verdict = look_for(named("mprotect leaves a VMA alone that has the protection"))

    assert 0 < verdict.after <= 500
    assert 0 < len(verdict.smallest) <= OPERATIONS


def test_the_report_is_of_these_mutants_and_meets_the_goals() -> None:
    """A mutant more or less, or a rule that is not found any more, needs `make mutation-report`."""
    text = REPORT.read_text(encoding="utf-8")
    found = re.search(r"- found: (\d+) of (\d+)", text)
    small = re.search(r"at most \d+ operations: (\d+) of (\d+)", text)

    assert found is not None and small is not None
    assert len(MUTANTS) == int(found[2])
    assert int(found[1]) >= FOUND * len(MUTANTS)
    assert int(small[1]) >= FOUND * int(small[2])
    assert [] == [one.breaks for one, _ in EQUIVALENT if f"| {one.breaks} |" not in text]


def test_every_mutant_has_a_row_in_the_data_of_the_report() -> None:
    """As many were found as the page counts, and those not found are on the page."""
    text = REPORT.read_text(encoding="utf-8")
    with REPORT.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    missed = [row["broken rule"] for row in rows if row["after programs"] == "not found"]
    assert [(one.breaks, f"kernel/{one.file}") for one in MUTANTS] == [
        (row["broken rule"], row["where"]) for row in rows
    ]
    assert f"- found: {len(rows) - len(missed)} of {len(rows)} " in text
    assert [] == [name for name in missed if f"| {name} |" not in text]


#: Broken rules of which the newest kernel is asked.
TOLD_BY_A_KERNEL = (
    "copied pages lose write permission",
    "sealed VMAs are not unmapped",
    "the last VMA is split where the range ends",
    "mprotect leaves a VMA alone that has the protection",
)


@pytest.mark.target("long")
@pytest.mark.lab
@pytest.mark.timeout(600)
@pytest.mark.xdist_group(f"kernel-{NEW}")
def test_a_kernel_tells_broken_rules_from_the_right_ones() -> None:
    """The smallest program of each is for the kernel what it is for the model, and not for the broken one."""
    bootable(NEW)
    verdicts = [look_for(named(breaks)) for breaks in TOLD_BY_A_KERNEL]
    programs = [verdict.program for verdict in verdicts if verdict.program is not None]

    with QemuMachine(NEW, guests=1) as kernel:
        runs = kernel.run(programs)

    assert len(programs) == len(verdicts)
    for verdict, program, run in zip(verdicts, programs, runs, strict=True):
        with MutatedModel(verdict.mutant._replace(series=model_of(NEW))) as model:
            (broken,) = model.run([program])
        (right,) = ModelMachine(model_of(NEW)).run([program])
        assert ([], True) == (differences([right, run]), bool(differences([broken, run]))), verdict.mutant
