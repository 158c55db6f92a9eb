"""A bench in a process: what comes back from it, and what ends it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_guests import PROGRAM

from pfnlab.base.errors import Defect, LostGuest
from pfnlab.base.worker import End
from pfnlab.lab.running import bench_process
from pfnlab.lab.running import qemu_machine as of_machines
from pfnlab.lab.running.bench_process import BenchProcess
from pfnlab.lab.running.pending import ObservedProgram
from pfnlab.lab.vm.boots import AbandonedBoot
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

OBSERVED = ObservedProgram(PROGRAM, LookLevel.PROC)
RUN = Run("qemu:6.1", "linux 6.1.1-1", steps=(), lost="nobody is there")


class FakeMachine:
    """A machine that notes in a file what is asked of it, and does what it was made for."""

    def __init__(self, guests: int, say: Callable[[str], None], file: str, does: str) -> None:
        assert guests == 1
        self._file, self._does = Path(file), does
        self._note("made")
        if does == "say":
            say("compiling")

    def _note(self, word: str) -> None:
        with self._file.open("a") as file:
            file.write(f"{word}\n")

    def run(self, programs: list[Program], looks: list[LookLevel]) -> list[Run]:
        """Always the same."""
        self._note(f"run-{looks[0]}")
        if self._does == "fail":
            raise LostGuest("it hung", console="console.txt")
        if self._does == "divide":
            raise ZeroDivisionError("by zero")
        if self._does == "end":
            os._exit(3)
        return [RUN] * len(programs)

    def reboot(self) -> None:
        """Noted."""
        self._note("reboot")

    def close(self) -> None:
        """Noted."""
        self._note("close")


def machine(end: End, settings: dict[str, Any]) -> Callable[[list[ObservedProgram] | None], list[Run] | None]:
    """What the process runs, with a machine that needs no guest."""
    of_machines.QemuMachine = FakeMachine  # type: ignore[assignment, misc]
    return bench_process.machine(end, settings)


class Bench(BenchProcess):
    """One with such a machine."""

    def __init__(self, folder: Path, does: str = "") -> None:
        self.said: list[str] = []
        self._file = folder / "noted"
        settings = {"file": str(self._file), "does": does}
        super().__init__(settings, self.said.append)

    @property
    def noted(self) -> list[str]:
        """What was asked of its machine."""
        return self._file.read_text().split()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    """Makes processes that need no guest."""
    monkeypatch.setattr(bench_process, "_MACHINE", f"{__name__}:machine")
    made: list[Bench] = []

    def make(does: str = "") -> Bench:
        made.append(Bench(tmp_path, does))
        return made[-1]

    yield make
    for one in made:
        one.close()


Make = Callable[..., Bench]


def test_programs_are_run_until_there_are_no_more(bench: Make) -> None:
    """A run is equal to itself on the other side, and the machine is closed."""
    one = bench()

    runs = [*one.run_all([OBSERVED]), *one.run_all([OBSERVED])]
    one.drop()
    one.close()

    assert ([RUN, RUN], ["made", "run-proc", "run-proc", "reboot", "close"]) == (runs, one.noted)


def test_one_that_was_given_up_is_up_again_with_the_next_program(bench: Make) -> None:
    """In the same process."""
    one = bench()
    up = [one.is_up]

    one.run_all([OBSERVED])
    up.append(one.is_up)
    one.drop()
    up.append(one.is_up)
    one.run_all([OBSERVED])

    assert ([False, True, False, True], 1) == ([*up, one.is_up], one.noted.count("made"))


def test_every_program_is_observed_in_its_own_way(bench: Make) -> None:
    """In the same process."""
    one = bench()

    for look in (LookLevel.MEMORY, LookLevel.END):
        one.run_all([ObservedProgram(PROGRAM, look)])

    assert ["made", "run-memory", "run-end"] == one.noted


def test_lines_are_said_where_the_user_sees_them(bench: Make) -> None:
    """What takes time is."""
    one = bench("say")

    one.run_all([OBSERVED])

    assert ["compiling"] == one.said


def test_an_error_keeps_its_kind_and_its_parts(bench: Make) -> None:
    """The process goes on."""
    one = bench("fail")

    with pytest.raises(LostGuest, match="it hung") as caught:
        one.run_all([OBSERVED])

    one.drop()
    assert ("console.txt", ["made", "run-proc", "reboot"]) == (caught.value.console, one.noted)


def test_an_error_that_is_nobodys_is_a_defect(bench: Make) -> None:
    """With its text."""
    with pytest.raises(Defect, match="ZeroDivisionError: by zero"):
        bench("divide").run_all([OBSERVED])


def test_a_process_that_ends_is_noticed(bench: Make) -> None:
    """Nobody waits for it for ever."""
    one = bench("end")

    with pytest.raises(Defect, match="ended with status 3"):
        one.run_all([OBSERVED])

    assert not one.is_up


def test_a_process_that_was_killed_stops_the_run(bench: Make) -> None:
    """As a run that was given up."""
    one = bench()
    one.run_all([OBSERVED])

    one.kill()

    with pytest.raises(AbandonedBoot):
        one.run_all([OBSERVED])


def test_closing_ends_the_process(bench: Make) -> None:
    """And nothing is left of it."""
    one = bench()
    one.run_all([OBSERVED])
    worker = one._worker
    assert worker is not None

    one.close()

    assert not Path(f"/proc/{worker.process.pid}").exists()
