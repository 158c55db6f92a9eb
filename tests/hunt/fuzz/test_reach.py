"""Known violations of a hunt, counted by their rows."""

from __future__ import annotations

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
from pfnlab.hunt.fuzz.reach import KnownRow, note_known
from pfnlab.present.document.campaign_part import part
from pfnlab.present.document.terminal import terminal
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.violation import Violation

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"
ROW = "freed_once: A06: pieces"


def program(*lines: str) -> Program:
    return load_text(HEAD + "".join(f"{line}\n" for line in lines))


MIDDLE = program("a = mmap bar[0:8] wc shared rw", "munmap a[2:4]", "munmap a")


def violation(step: int, known: str = "A06: pieces") -> Violation:
    return Violation("freed_once", step, "munmap", "seen", known, machine="qemu:6.1")


def test_a_program_counts_once_a_row() -> None:
    """However many steps of it the row explains."""
    rows: dict[str, KnownRow] = {}

    note_known(rows, MIDDLE, [violation(1), violation(2), violation(3)])

    assert 1 == rows[ROW].programs
    assert {"munmap": 1, "end": 1} == {kind: shape.programs for kind, shape in rows[ROW].shapes.items()}


def test_the_first_program_of_a_kind_of_operation_is_kept() -> None:
    """Later ones are counted."""
    rows: dict[str, KnownRow] = {}
    other = program("a = mmap bar[0:8] wc shared rw", "munmap a[0:4]", "munmap a")

    note_known(rows, MIDDLE, [violation(1)])
    note_known(rows, other, [violation(2)])

    shape = rows[ROW].shapes["munmap"]
    assert (2, 1, format_program(MIDDLE)) == (shape.programs, shape.step, shape.program)


def test_what_nobody_knows_has_no_row() -> None:
    """It is a finding."""
    rows: dict[str, KnownRow] = {}

    note_known(rows, MIDDLE, [violation(1, known="")])

    assert {} == rows


def hunted() -> HuntState:
    """A hunt on a kernel of 6.1, which does as its model."""
    state = HuntState(["model:6.1", "qemu:6.1"], 77, Vocabulary())
    machines = {"model:6.1": ModelMachine("6.1"), "qemu:6.1": ModelMachine("6.1")}
    Hunt(machines, state, watched=False).run(60)
    return state


def test_a_hunt_counts_and_says_them() -> None:
    """A row and a kind of operation each line; nothing of it is a finding."""
    state = hunted()

    (row,) = (name for name in state.known if name.startswith("no_leak: A06"))
    result = FuzzResult.of(state, watched=False)
    assert {} == state.findings
    assert state.known[row].programs == result.known[row].programs > 0
    assert row in terminal(part(result))


def test_models_have_none() -> None:
    """A model may do as it likes."""
    state = HuntState(["model:6.1", "model:6.1.1"], 77, Vocabulary())

    Hunt({"model:6.1": ModelMachine("6.1"), "model:6.1.1": ModelMachine("6.1")}, state, watched=False).run(30)

    assert {} == state.known
