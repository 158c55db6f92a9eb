"""Levels of looking in a hunt: each program has one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz import rounds
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.filing import Folder
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.hunt.fuzz.rounds import MIXED, Looks, looking_named
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel, Machine
from pfnlab.programs.runs.named_machines import NamedMachine, name_machine
from pfnlab.programs.runs.observation import Run

MEMORY, PROC, END = LookLevel.MEMORY, LookLevel.PROC, LookLevel.END
LEAVES = Vocabulary(driver=True, leaves=True)


class Looked(ModelMachine):
    """A kernel: of each step it shows what is looked at."""

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs."""
        return [self._shown(run) for run in super().run(programs)]

    def _shown(self, run: Run) -> Run:
        if self.look is not END:
            return run
        unseen = {"vmas": None, "ptes": None, "tracked": None, "prots": None, "flushes": None, "events": None}
        steps = [
            msgspec.structs.replace(step, **unseen, **({"book": None} if step.op != "end" else {}))
            for step in run.steps
        ]
        return msgspec.structs.replace(run, steps=tuple(steps))


class Disturbed(Looked):
    """A kernel on which the reader of smaps flushes something, in a way no model knows."""

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The runs, one flush too many at the end where /proc is read."""
        return [
            self._flushed(run) if self.look is PROC and run.steps else run for run in super().run(programs)
        ]

    def _flushed(self, run: Run) -> Run:
        last = msgspec.structs.replace(run.steps[-1], flushes=99)
        return msgspec.structs.replace(run, steps=(*run.steps[:-1], last))


def looked(kernel: type[ModelMachine], *levels: LookLevel) -> dict[LookLevel, dict[str, Machine]]:
    """A model and a kernel at each level."""
    return {
        level: {
            "model:7.2": ModelMachine("7.2", level),
            "qemu:7.2": kernel("7.2", level),
            "qemu:same": kernel("7.2", level),
        }
        for level in levels
    }


def state(looking: Looks, vocabulary: Vocabulary = LEAVES) -> HuntState:
    """The beginning of a hunt."""
    return HuntState(["model:7.2", "qemu:7.2"], 3, vocabulary, looking=looking)


def test_each_program_has_one_level_by_its_number() -> None:
    """Mostly memory, and all of them in every ten."""
    counts = Counter(level for index in range(100) for level in (MIXED.of(index),))

    assert {MEMORY: 70, PROC: 20, END: 10} == counts
    assert all(MIXED.of(index) == MIXED.of(index + 10) for index in range(30))


def test_levels_by_name() -> None:
    """One is for all programs; there is no list of them."""
    assert Looks((PROC,)) == looking_named("proc")
    assert MIXED == looking_named("mixed")
    assert ["proc", "mixed"] == [str(looking_named(name)) for name in ("proc", "mixed")]
    with pytest.raises(Misuse, match="there is no way to look 'memory,proc': write memory, proc, end"):
        looking_named("memory,proc")


def test_a_mixed_hunt_asks_each_level() -> None:
    """Every program once."""
    began, looks = state(MIXED), Counter[LookLevel]()
    hunt = Hunt(
        looked(Looked, MEMORY, PROC, END), began, on_compared=lambda runs: looks.update([runs[-1].look])
    )
    hunt.run(programs=30)

    assert {MEMORY, PROC, END} == set(looks)
    assert began.compared == looks.total()
    assert {} == began.findings


@pytest.mark.target("long")
def test_a_finding_is_repeated_and_filed_at_its_level(tmp_path: Path) -> None:
    """What only /proc shows is shrunk through /proc, and its report says so by the command."""
    began = state(MIXED, Vocabulary())
    machines = looked(Disturbed, MEMORY, PROC, END)
    Hunt(machines, began, Folder(tmp_path)).run(programs=30)

    (known,) = began.findings.values()
    assert 4 < known.met < 8
    assert "qemu:same --look proc" in (tmp_path / known.folder / "report.md").read_text()


def test_one_kernel_serves_all_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its guests are observed as each program asks."""
    opened_at: list[tuple[str, LookLevel]] = []

    def open_machine(
        named: NamedMachine, accel: Accel, look: LookLevel, guests: int | None, *, blocks: bool
    ) -> object:
        opened_at.append((named.spec, look))
        return object()

    monkeypatch.setattr(rounds, "open_machine", open_machine)
    monkeypatch.setattr(rounds, "fetch_missing", lambda named: None)
    named = [name_machine("model:7.3"), name_machine("qemu:7.3")]

    with rounds.opened(named, Looks((MEMORY, PROC, END))) as lab:
        at = lab.machines

    assert ["memory"] == [str(look) for spec, look in opened_at if spec == "qemu:7.3"]
    assert ["memory", "proc", "end"] == [str(look) for spec, look in opened_at if spec == "model:7.3"]
    assert 1 == len({id(at[look]["qemu:7.3"]) for look in (MEMORY, PROC, END)})
