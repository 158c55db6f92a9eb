"""Runs of a hunt's machines: what they tell, and when they are weighed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from pfnlab.base.errors import Undecided, Why
from pfnlab.hunt.fuzz import hunt as loop
from pfnlab.hunt.fuzz.asked_machines import Weighed, weigh
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.hunt.fuzz.signature import signatures_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Reason, Run

PROGRAM = load_text(
    "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"
    "a = mmap bar[0:16] wc shared rw\nmunmap a[4:8]\nmunmap a\n"
)


def runs(*specs: str) -> list[Run]:
    """Of the program, on models."""
    return [
        msgspec.structs.replace(ModelMachine(spec).run([PROGRAM])[0], machine=f"model:{spec}")
        for spec in specs
    ]


@pytest.mark.parametrize("specs", [("7.2", "7.2,mseal=on"), ("6.1", "7.2")], ids=["equal", "different"])
def test_it_tells_what_each_part_tells(specs: tuple[str, str]) -> None:
    """All of it is told at once, because the dear part is the same."""
    both = runs(*specs)

    told = weigh(PROGRAM, both)

    assert (None, both) == (told.reason, told.runs)
    assert list(told.signatures) == signatures_of(PROGRAM, both)
    assert bool(told.signatures) == (specs[0] == "6.1")


def test_a_run_without_an_answer_tells_nothing() -> None:
    """Only why."""
    one, other = runs("7.2", "7.3")
    unanswered = msgspec.structs.replace(other, undecided="no headers for 7.3", why=Why.MISSING, steps=())

    assert (Reason("no headers for 7.3", Why.MISSING), ()) == (
        (told := weigh(PROGRAM, [one, unanswered])).reason,
        told.signatures,
    )


class Kernel(ModelMachine):
    """A model that hands over each run when it is there, the last one first."""

    def __init__(self, trouble: bool = False) -> None:
        super().__init__("7.2")
        self.trouble = trouble
        self.weighed_before_the_last = 0

    def run_telling(
        self,
        programs: Sequence[Program],
        on_done: Callable[[int, Run], None],
        looks: Sequence[LookLevel] | None = None,
    ) -> list[Run]:
        """Runs as those of guests."""
        made = self.run(programs)
        for index in reversed(range(len(programs))):
            if self.trouble and not index:
                raise Undecided("the guest's disk is full")
            on_done(index, made[index])
        return made


def of(machine: ModelMachine) -> HuntState:
    """The end of a hunt with a model on the other side."""
    names = ["model:7.2", "qemu:7.2"]
    state = HuntState(names, 1, Vocabulary())
    Hunt({names[0]: ModelMachine("7.2"), names[1]: machine}, state).run(programs=40)
    return state


@pytest.mark.target("long")
def test_the_order_in_which_runs_come_changes_nothing() -> None:
    """A hunt ends as with a machine that hands over all at once."""
    assert of(ModelMachine("7.2")) == of(Kernel())


@pytest.mark.target("long")
def test_runs_are_weighed_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the last one is there: guests run programs meanwhile."""
    weighed: list[str] = []

    def noted(program: Program, runs: Sequence[Run], *, agreed: bool) -> Weighed:
        weighed.append(program.title)
        return weigh(program, runs, agreed=agreed)

    monkeypatch.setattr(loop, "weigh", noted)
    with pytest.raises(Undecided):
        of(Kernel(trouble=True))

    assert len(weighed) > 20
