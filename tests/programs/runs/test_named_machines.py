"""Programs on machines, side by side."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from typing import ClassVar

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program, op_lines
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs import named_machines
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.named_machines import (
    KINDS,
    MachineKind,
    all_series,
    full_name,
    kind_of,
    name_machine,
    name_machines,
    side_by_side,
    spread,
)
from pfnlab.programs.runs.observation import Run

MEMORY, PROC = LookLevel.MEMORY, LookLevel.PROC


def program(pages: int) -> Program:
    """A program that maps so many pages."""
    return load_text(f"pfnlab program 1\ndevice bar: pci, 16 pages\n\na = mmap bar[0:{pages}] wc shared rw\n")


class Kernel(ModelMachine):
    """A kernel that is no longer there outside of a block; it notes what is done with it.

    :ivar notes: of all kernels, in order
    """

    notes: ClassVar[list[str]] = []

    @property
    def sees_memory(self) -> bool:
        """Known of a kernel that was fetched alone."""
        assert "fetch" in self.notes
        return self.spec == "7.2"

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The runs of the model."""
        self.notes.append(f"{len(programs)} {self.look} on {self.spec}")
        return super().run(programs)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.notes.append(f"end of {self.spec}")


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done with kernels, which their models replace."""
    made = list[str]()
    monkeypatch.setattr(Kernel, "notes", made)
    monkeypatch.setattr(named_machines, "open_machine", lambda named, accel, look: Kernel(named.rest, look))
    monkeypatch.setattr(named_machines, "fetch_missing", lambda machines: made.append("fetch"))
    return made


def test_each_program_has_a_run_of_every_machine() -> None:
    """In the order of the machines and under the names that the user gave them."""
    named = name_machines(["model:7.2", "model:6.1"])
    programs = [program(4), program(8)]

    found = side_by_side(named, programs)

    expected = [
        tuple(run.steps for machine in ("7.2", "6.1") for run in ModelMachine(machine, MEMORY).run([one]))
        for one in programs
    ]
    assert [("model:7.2", "model:6.1")] * 2 == [tuple(run.machine for run in runs) for runs in found]
    assert expected == [tuple(run.steps for run in runs) for runs in found]


def test_what_is_missing_is_fetched_before_anything_runs(notes: list[str]) -> None:
    """Before a kernel is asked for its types too; its guests end before those of the next begin."""
    side_by_side(name_machines(["qemu:7.2", "qemu:6.1"]), [program(4), program(8)])

    assert ["fetch", *["1 proc on 7.2"] * 2, "end of 7.2", *["1 proc on 6.1"] * 2, "end of 6.1"] == notes


def test_programs_may_be_looked_at_differently(notes: list[str]) -> None:
    """Those without a way of their own are looked at as is usual, all in the same guests."""
    programs = [program(4), program(8), program(12)]

    found = side_by_side([name_machine("qemu:7.2")], programs, [PROC, None, PROC])

    assert ["fetch", "1 proc on 7.2", "1 memory on 7.2", "1 proc on 7.2", "end of 7.2"] == notes
    assert [(PROC,), (MEMORY,), (PROC,)] == [tuple(run.look for run in runs) for runs in found]
    assert [op_lines(one) for one in programs] == [[run.steps[0].op] for (run,) in found]


def test_no_machine_is_opened_without_a_kernel_of_the_profile() -> None:
    """A profile that is about no machine is misuse."""
    with pytest.raises(Misuse, match="--profile applies to a kernel file only"):
        name_machines(["model:7.2", "model:6.1"], "6.12")


@for_each("prefix", KINDS)
def test_every_kind_is_where_the_table_says(prefix: str) -> None:
    """The table has words, which no import checks."""
    kind = kind_of(prefix)

    assert isinstance(kind, MachineKind)


def test_a_model_needs_no_lab() -> None:
    """It is named, opened and run without a module of the lab."""
    asked = (
        "import sys\n"
        "from pfnlab.programs.lang.load import load_text\n"
        "from pfnlab.programs.runs.named_machines import name_machines, side_by_side\n"
        f"text = {format_program(program(4))!r}\n"
        "side_by_side(name_machines(['model:7.2']), [load_text(text)])\n"
        "print([name for name in sys.modules if name.startswith('pfnlab.lab')])\n"
    )

    ended = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60)

    assert ("[]\n", 0) == (ended.stdout, ended.returncode)


@for_each(
    ("spec", "names"),
    [
        ("6.1..6.3", ["model:6.1", "model:6.2", "model:6.3"]),
        ("qemu:7.2..7.3", ["qemu:7.2", "qemu:7.3"]),
        ("6.12", ["model:6.12"]),
        ("6.12.94", ["model:6.12.94"]),
        ("model:7.2,flush=none", ["model:7.2,flush=none"]),
        ("kernels/6.1..7.3/bzImage", ["kernels/6.1..7.3/bzImage"]),
    ],
)
def test_a_range_stands_for_every_series_in_it(spec: str, names: list[str]) -> None:
    """Other names stay what they are."""
    assert names == spread([spec])


def test_all_is_every_profile() -> None:
    """The oldest first."""
    assert [f"model:{series}" for series in all_series()] == spread(["all"])


@for_each(
    ("spec", "says"),
    [
        ("6.1..9.9", "there is no profile '9.9'"),
        ("7.3..6.1", "ends before it begins: write 6.1..7.3"),
    ],
)
def test_a_range_that_is_none_is_refused(spec: str, says: str) -> None:
    """With what to write instead."""
    with pytest.raises(Misuse, match=re.escape(says)):
        spread([spec])


@for_each(
    ("spec", "full"),
    [
        ("7.3", "model:7.3"),
        ("6.12.94,flush=none", "model:6.12.94,flush=none"),
        ("qemu:7.3", "qemu:7.3"),
        ("bzImage", "bzImage"),
    ],
)
def test_a_version_alone_is_a_model(spec: str, full: str) -> None:
    """Wherever a machine is named."""
    assert full == full_name(spec)
