"""``--look``: how it reaches the machines, what it is without it, and that a golden keeps its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from asking import Ask, Fake, open_with

from pfnlab.hunt.fuzz.filing import Folder, FoundDifference
from pfnlab.hunt.fuzz.hunt_state import read_state
from pfnlab.hunt.fuzz.rounds import MIXED, Looks
from pfnlab.hunt.fuzz.signature import signature_of
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.golden import golden_look
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel
from pfnlab.programs.runs.named_machines import NamedMachine, settle_look
from pfnlab.programs.runs.observation import Run

KERNEL = "qemu:6.1"


class FakeMachine(Fake):
    """A machine that says how it was looked at; it has memory to look at, or has not."""

    sees_memory = True

    def __init__(self, spec: str) -> None:
        super().__init__(spec)
        self.look = LookLevel.PROC
        self.looks: list[LookLevel] = []

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The prepared answer."""
        self.looks.append(self.look)
        return [msgspec.structs.replace(run, look=self.look) for run in super().run(programs)]


class Blind(FakeMachine):
    """A kernel without types."""

    sees_memory = False


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[FakeMachine]:
    """The machines that were opened; those whose name has `7.2` in it have no types."""
    machines = list[FakeMachine]()

    def open_fake(
        named: NamedMachine,
        accel: Accel = Accel.TCG,
        look: LookLevel = LookLevel.PROC,
        guests: int | None = None,
        **more: object,
    ) -> FakeMachine:
        machines.append(Blind(named.spec) if "7.2" in named.spec else FakeMachine(named.spec))
        machines[-1].look = look
        return machines[-1]

    open_with(monkeypatch, open_fake)
    return machines


@pytest.mark.parametrize(
    ("words", "look"),
    [
        (["--on", KERNEL], LookLevel.MEMORY),
        (["--on", KERNEL, "--look", "proc"], LookLevel.PROC),
        (["--on", KERNEL, "--look", "end"], LookLevel.END),
        (["--on", KERNEL, "--on", "qemu:7.2"], LookLevel.PROC),
        (["--on", KERNEL, "--on", "qemu:7.2", "--look", "memory"], LookLevel.MEMORY),
    ],
)
def test_how_run_looks(
    ask: Ask, program: Path, opened: list[FakeMachine], words: list[str], look: LookLevel
) -> None:
    """In memory, unless a kernel has no types, or the user says otherwise; at all machines alike."""
    ask("run", program, *words)

    assert [[look]] * len(opened) == [machine.looks for machine in opened]


@pytest.mark.parametrize("look", [LookLevel.PROC, LookLevel.MEMORY])
def test_a_golden_is_made_again_as_it_was_made(
    ask: Ask, program: Path, opened: list[FakeMachine], look: LookLevel
) -> None:
    """Whatever the usual way is."""
    ask("run", program, "--on", KERNEL, "--promote", "--look", look)

    ask("run", program, "--on", KERNEL, "--promote")

    assert [look] == opened[-1].looks
    assert look is golden_look(program)


def test_a_first_golden_is_made_the_usual_way(ask: Ask, program: Path, opened: list[FakeMachine]) -> None:
    """It says so."""
    ask("run", program, "--on", KERNEL, "--promote")

    assert LookLevel.MEMORY is golden_look(program)


def test_programs_with_different_goldens_are_looked_at_differently(
    ask: Ask, program: Path, opened: list[FakeMachine]
) -> None:
    """Each run is that of its program."""
    other = program.with_name("other.pfn")
    other.write_text(program.read_text().replace("munmap a[4:8]", "munmap a[4:9]"))
    ask("run", other, "--on", KERNEL, "--promote", "--look", "proc")

    ask("run", program, other, "--on", KERNEL, "--promote")

    assert [LookLevel.MEMORY, LookLevel.PROC] == opened[-1].looks
    assert (LookLevel.MEMORY, LookLevel.PROC) == (golden_look(program), golden_look(other))


def test_a_golden_of_the_end_holds_nothing(ask: Ask, program: Path, opened: list[FakeMachine]) -> None:
    """It is misuse."""
    answer = ask("run", program, "--on", KERNEL, "--promote", "--look", "end")

    assert 2 == answer.code
    assert "drop --look end" in answer.err


def test_a_model_alone_is_looked_at_in_memory() -> None:
    """A prediction needs no lens."""
    model = ModelMachine("7.2")

    look = settle_look([model], None)

    assert (LookLevel.MEMORY, LookLevel.MEMORY) == (look, model.look)


def hunt(folder: Path, *specs: str) -> tuple[object, ...]:
    """The options of a hunt on a model and kernels that is kept in *folder*."""
    machines = [word for spec in ("model:6.1", *specs) for word in ("--on", spec)]
    return (*machines, "--resume", folder / "state.json", "--findings", folder / "found")


def kept_looking(folder: Path) -> Looks:
    """How the hunt kept in *folder* looks."""
    state = read_state(folder / "state.json")
    assert state is not None
    return state.looking


@pytest.mark.parametrize(
    ("kernels", "words", "looking"),
    [
        ([KERNEL], [], MIXED),
        ([KERNEL], ["--look", "memory"], Looks((LookLevel.MEMORY,))),
        ([KERNEL, "qemu:7.2"], [], Looks((LookLevel.PROC,))),
        ([KERNEL, "qemu:7.2"], ["--look", "end"], Looks((LookLevel.END,))),
    ],
)
def test_how_a_hunt_looks(
    ask: Ask, tmp_path: Path, opened: list[FakeMachine], kernels: list[str], words: list[str], looking: Looks
) -> None:
    """At mixed levels, unless a kernel has no types, or the user says otherwise."""
    ask("fuzz", *hunt(tmp_path, *kernels), "--programs", 1, *words)

    assert looking == kept_looking(tmp_path)


def test_a_hunt_goes_on_as_it_began(ask: Ask, tmp_path: Path, opened: list[FakeMachine]) -> None:
    """Without --look, whatever the usual way is by now."""
    options = hunt(tmp_path, KERNEL)
    ask("fuzz", *options, "--programs", 1, "--look", "proc")

    answer = ask("fuzz", *options, "--programs", 2)

    assert 2 != answer.code
    assert Looks((LookLevel.PROC,)) == kept_looking(tmp_path)
    assert {LookLevel.PROC} == {look for machine in opened for look in machine.looks}


def test_a_hunt_cannot_go_on_in_another_way(ask: Ask, tmp_path: Path, opened: list[FakeMachine]) -> None:
    """What it has met would not show again."""
    options = hunt(tmp_path, KERNEL)
    ask("fuzz", *options, "--programs", 1)

    answer = ask("fuzz", *options, "--programs", 2, "--look", "proc")

    assert 2 == answer.code
    assert "holds another hunt: write --on model:6.1" in answer.err and "--look mixed, or" in answer.err


@pytest.mark.parametrize("look", [LookLevel.MEMORY, LookLevel.PROC])
def test_a_finding_is_replayed_as_it_was_looked_at(
    ask: Ask, tmp_path: Path, opened: list[FakeMachine], look: LookLevel
) -> None:
    """Its data say how."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar wc shared rw\nmunmap a[0]\n"
    )
    runs = tuple(ModelMachine(spec).run([program])[0] for spec in ("6.12", "7.2"))
    signature = signature_of(program, runs)
    assert signature is not None
    found = FoundDifference(signature, program, runs, "random 1:2", 2, (1, 1), look=look)
    folder = tmp_path / Folder(tmp_path).file(found)
    assert program.ops == load_program(folder / "program.pfn").ops

    ask("replay", folder)

    assert [look] * 2 == [machine.look for machine in opened]
