"""A kernel that is only given what can be compared."""

from __future__ import annotations

import msgspec
import pytest
from kernels_of_models import LITMUS, Booting, Kernel

from pfnlab.base.errors import Why
from pfnlab.hunt.meeting.meet import Comparable
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run

#: The model of the kernel.
NOW = "6.12.117"


def test_a_kernel_that_is_spared_programs_can_be_rebooted() -> None:
    """What it prints once a boot is to be seen again."""
    kernel = Booting(NOW)

    Comparable(kernel, ModelMachine(NOW)).reboot()

    assert kernel.boots == 2


class Refusing(Kernel):
    """A model that knows that no kernel goes on after one program."""

    def one(self, program: Program) -> Run:
        """It says so of the one in the middle."""
        run = super().one(program)
        if program is LITMUS["middle"]:
            return msgspec.structs.replace(
                run, steps=(), undecided="the kernel stops with BUG: here", why=Why.NO_END
            )
        return run


def test_what_no_kernel_survives_is_not_asked() -> None:
    """The model's refusal stands for it, and the others are asked as ever."""
    kernel = Kernel(NOW)
    machine = Comparable(kernel, Refusing(NOW))

    runs = machine.run(list(LITMUS.values()))

    assert [None, None, Why.NO_END] == [run.undecided and run.why for run in runs]
    assert [LITMUS["locked"], LITMUS["locked-again"]] == kernel.asked


def test_every_run_is_reported_by_its_place() -> None:
    """Of what the kernel was not given too."""
    machine = Comparable(Kernel(NOW), Refusing(NOW))
    reported: dict[int, Run] = {}

    runs = machine.run_telling(list(LITMUS.values()), reported.__setitem__)

    assert dict(enumerate(runs)) == reported


class Worded(Kernel):
    """A model that refuses the program in the middle, in words that are those of no refusal or of another."""

    def __init__(self, words: str, kind: Why) -> None:
        super().__init__(NOW)
        self._words, self._kind = words, kind

    def one(self, program: Program) -> Run:
        """It refuses the one in the middle."""
        run = super().one(program)
        if program is LITMUS["middle"]:
            return msgspec.structs.replace(run, steps=(), undecided=self._words, why=self._kind)
        return run


@pytest.mark.parametrize("words", ["the kernel stops with BUG: here", "anything"])
@pytest.mark.parametrize(
    ("kind", "asked"), [(Why.NO_END, 2), (Why.MACHINE_DECIDES, 2), (Why.NO_RULE, 3), (Why.MISSING, 3)]
)
def test_the_kind_of_a_refusal_decides_what_is_asked(words: str, kind: Why, asked: int) -> None:
    """A kernel has an answer where the model has no rule; the words of the refusal decide nothing."""
    kernel = Kernel(NOW)

    Comparable(kernel, Worded(words, kind)).run(list(LITMUS.values()))

    assert asked == len(kernel.asked)
