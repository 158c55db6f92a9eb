"""A hunt of what no rule decides: kernels run it all the same, and each is judged alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from harmed import Harmed

from pfnlab.base.errors import Why
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.filing import Folder, findings_in
from pfnlab.hunt.fuzz.hunt import NO_FOLDER, Hunt, _ends_too
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
from pfnlab.present.document.campaign_part import part
from pfnlab.present.document.terminal import terminal
from pfnlab.programs.lang.ops import Munmap, Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

MODEL, KERNEL, OTHER = "model:7.2", "qemu:7.2", "qemu:7.3"


def unmaps(program: Program) -> bool:
    """True where a program unmaps something."""
    return any(isinstance(op.call, Munmap) for op in program.ops)


class WithoutRule:
    """A model that has no answer for programs that unmap something."""

    def __init__(self, kind: Why = Why.NO_RULE) -> None:
        self._model, self._kind = ModelMachine("7.2"), kind

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs, and no answer to some."""
        return [
            msgspec.structs.replace(run, undecided="nobody knows", why=self._kind) if unmaps(program) else run
            for program, run in zip(programs, self._model.run(programs), strict=True)
        ]


class Lost(Harmed):
    """Its guest does not answer behind a munmap, and nobody knows why."""

    def harm(self, run: Run, at: int) -> Run:
        """The run up to there."""
        return msgspec.structs.replace(super().harm(run, at), alarm=None)


class Kernel(Harmed):
    """A kernel that comes to no harm.

    :ivar ran: the programs that it ran, each once a run
    """

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[Program] = []

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The runs."""
        self.ran += programs
        return super().run(programs)

    def harm(self, run: Run, at: int) -> Run:
        """None."""
        return run


def hunted(
    machines: dict[str, Machine], programs: int = 40, folder: Folder = NO_FOLDER
) -> tuple[HuntState, Hunt]:
    """A hunt on these machines."""
    state = HuntState(list(machines), 1, Vocabulary())
    hunt = Hunt(machines, state, folder)
    hunt.run(programs)
    return state, hunt


def test_kernels_run_what_no_rule_decides() -> None:
    """It is counted as undecided, and as judged."""
    kernel = Kernel()
    state, _ = hunted({MODEL: WithoutRule(), KERNEL: kernel})

    # A kernel that a model stands for has no answer to everything itself.
    answered = [run for run in ModelMachine("7.2").run(list(filter(unmaps, kernel.ran))) if not run.undecided]
    assert state.judged == len(answered) <= state.reasons["nobody knows"]
    assert answered
    assert 0 == state.alarming


def test_nothing_is_compared() -> None:
    """The model's answer is none, whatever two kernels show."""
    state, _ = hunted({MODEL: WithoutRule(), KERNEL: Kernel(), OTHER: Kernel()})

    assert {} == state.findings
    assert state.compared + state.undecided == state.next


def test_what_ends_for_no_kernel_is_not_run() -> None:
    """A guest would wait until its time is over."""
    kernel = Kernel()
    state, _ = hunted({MODEL: WithoutRule(Why.NO_END), KERNEL: kernel})

    assert state.undecided
    assert 0 == state.judged
    assert not any(map(unmaps, kernel.ran))


def test_an_alarm_is_a_finding_of_the_kernel_that_raised_it(tmp_path: Path) -> None:
    """Its program becomes smaller without a rule, and is filed with what kernels did."""
    state, hunt = hunted({MODEL: WithoutRule(), KERNEL: Harmed(), OTHER: Kernel()}, folder=Folder(tmp_path))

    (finding,) = state.findings.values()
    (found,) = hunt.found
    assert state.alarming == state.judged
    assert "alarm munmap (qemu:7.2): oops: BUG: in zap" == finding.says
    assert 2 >= len(found.program.ops)
    assert [KERNEL, OTHER] == [run.machine for run in found.runs]


def test_a_lost_guest_is_none() -> None:
    """A program without a rule may wait for ever."""
    state, _ = hunted({MODEL: WithoutRule(), KERNEL: Lost()})

    assert state.judged
    assert {} == state.findings


def test_it_is_said() -> None:
    """Beside the reasons."""
    state, _ = hunted({MODEL: WithoutRule(), KERNEL: Harmed()})
    result = FuzzResult.of(state)

    assert f"{state.judged} of them judged on kernels only, {state.alarming} with findings" in terminal(
        part(result)
    )
    assert (state.judged, state.alarming) == (result.judged, result.alarming)


def test_two_kernels_show_one_finding() -> None:
    """It is repeated and made smaller on the first of them."""
    state, hunt = hunted({MODEL: WithoutRule(), KERNEL: Harmed(), OTHER: Harmed()})

    (finding,) = state.findings.values()
    assert finding.met == state.alarming
    assert ["alarm munmap (qemu:7.2): oops: BUG: in zap"] == [str(found.signature) for found in hunt.found]


def test_a_finding_of_another_kernel_is_known(tmp_path: Path) -> None:
    """It is counted there, and not made smaller again."""
    hunted({MODEL: WithoutRule(), KERNEL: Harmed()}, folder=Folder(tmp_path))
    state, hunt = hunted({MODEL: WithoutRule(), OTHER: Harmed()}, folder=Folder(tmp_path))

    assert [] == hunt.found
    (finding,) = state.findings.values()
    assert finding.met == state.alarming


def test_programs_that_end_in_a_known_alarm_are_spared(tmp_path: Path) -> None:
    """The model has the reason of the filed program for them; no kernel is lost; they are counted."""
    known, new = tmp_path / "known", tmp_path / "new"
    first, _ = hunted({MODEL: WithoutRule(), KERNEL: Harmed()}, folder=Folder(known))
    kernel = Harmed()
    state, _ = hunted({MODEL: WithoutRule(), KERNEL: kernel}, folder=Folder(new, findings_in(known)))

    assert first.spared == 0 < first.alarming
    assert (first.undecided, 0, {}) == (state.spared, state.judged, state.findings)
    assert f"{state.spared} of them not run on kernels" in terminal(part(FuzzResult.of(state)))


def test_a_finding_of_its_own_spares_nothing(tmp_path: Path) -> None:
    """A hunt that is resumed runs what one without a break would run."""
    hunted({MODEL: WithoutRule(), KERNEL: Harmed()}, folder=Folder(tmp_path))
    state, _ = hunted({MODEL: WithoutRule(), KERNEL: Harmed()}, folder=Folder(tmp_path))

    assert (0, True) == (state.spared, state.judged > 0)


@pytest.mark.parametrize(
    ("kernel", "spares"),
    [
        ("qemu:7.2", True),
        ("qemu:7.1", True),
        ("qemu:7.2.13", True),
        ("qemu:6.1", False),
        ("qemu:/a/b", False),
    ],
)
def test_a_kernel_between_two_that_end_does_too(kernel: str, spares: bool) -> None:
    """A series outside may have been fixed, and nothing is known of an own build."""
    assert spares == _ends_too(kernel, ("qemu:6.12", "model:7.3", "qemu:7.3"))
