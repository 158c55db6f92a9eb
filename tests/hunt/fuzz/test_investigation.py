"""Findings that a hunt has no time to shrink: filed as they are, and shrunk by the resumed hunt."""

from __future__ import annotations

from pathlib import Path

import pytest
from harmed import Harmed

from pfnlab.hunt.fuzz import investigation
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.filing import PROGRAM, REPORT, Folder
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState, read_state, write_state
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.machine import Machine

NAMES = ["model:7.2", "qemu:7.2"]


def hunted(state: HuntState, folder: Path, programs: int = 10) -> Hunt:
    """A hunt on a kernel that does not survive munmap, after these programs in all."""
    machines: dict[str, Machine] = {"model:7.2": ModelMachine("7.2"), "qemu:7.2": Harmed()}
    hunt = Hunt(machines, state, Folder(folder))
    hunt.run(programs=programs)
    return hunt


def without_time(monkeypatch: pytest.MonkeyPatch, folder: Path) -> HuntState:
    """The state of a hunt without time to shrink."""
    state = HuntState(NAMES, 1, Vocabulary())
    with monkeypatch.context() as patch:
        patch.setattr(investigation, "MOST_SECONDS", -1.0)
        hunted(state, folder)
    return state


def test_a_finding_is_filed_unshrunk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the program that showed it."""
    (known,) = without_time(monkeypatch, tmp_path).findings.values()

    assert known.operations == len(load_program(tmp_path / known.folder / PROGRAM).ops)
    assert (False, True) == (known.minimal, known.operations > 1)
    assert "the search for smaller ones was cut short" in (tmp_path / known.folder / REPORT).read_text()


def test_a_resumed_hunt_shrinks_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same folder then has the smallest program, though the state went through a file."""
    state = without_time(monkeypatch, tmp_path / "found")
    write_state(tmp_path / "state", state)
    resumed = read_state(tmp_path / "state")
    assert resumed is not None

    hunt = hunted(resumed, tmp_path / "found")

    (before,), (known,) = state.findings.values(), resumed.findings.values()
    assert (before.folder, before.met, before.first) == (known.folder, known.met, known.first)
    assert (True, 1, {}) == (known.minimal, known.operations, resumed.unfinished)
    assert 1 == len(load_program(tmp_path / "found" / known.folder / PROGRAM).ops)
    assert [] == hunt.found


def test_a_report_that_somebody_edited_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A person has shrunk the program by hand."""
    state = without_time(monkeypatch, tmp_path)
    (known,) = state.findings.values()
    file = tmp_path / known.folder / PROGRAM
    file.write_text(text := "# by hand\n" + file.read_text())

    hunted(state, tmp_path)

    assert text == file.read_text()


def test_a_hunt_that_is_late_does_not_shrink(tmp_path: Path) -> None:
    """The end of the hunt is the end of shrinking too."""
    state = HuntState(NAMES, 1, Vocabulary())
    machines: dict[str, Machine] = {"model:7.2": ModelMachine("7.2"), "qemu:7.2": Harmed()}

    class LateHunt(Hunt):
        @property
        def _is_late(self) -> bool:
            return False

    LateHunt(machines, state, Folder(tmp_path)).run(programs=10, seconds=0.0)

    assert state.findings.keys() == state.unfinished.keys() != set()
