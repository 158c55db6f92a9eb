"""The sign of two runs where one kernel ends."""

from __future__ import annotations

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse, Why
from pfnlab.hunt.meeting.bisect import sign_target
from pfnlab.hunt.meeting.bug_run import program_file
from pfnlab.hunt.meeting.sign import END, answer_in, ended_at, sign_of, sign_word
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.observation import Run

PROGRAM = "vfio-regions"
ENDS, GOES_ON = "6.1,without=909290786ea3", "6.1"


def run_on(machine: str, program: str = PROGRAM) -> Run:
    """The run of a program on a model, also of one that ends."""
    (run,) = ModelMachine(machine).run([load_program(program_file(program))])
    return run


def lost(run: Run, alarm: Alarm | None) -> Run:
    """The same as a guest that was lost."""
    return msgspec.structs.replace(run, undecided=None, lost="it was lost", alarm=alarm)


def test_the_end_of_a_kernel_is_a_sign() -> None:
    """In the operation that the other kernel still answers."""
    (sign,) = sign_of(run_on(ENDS), run_on(GOES_ON))

    assert (END, 3, "b = mmap bar[1879048192] vfio shared rw") == (sign.field, sign.step, sign.op)


def test_what_a_user_sees_before_the_end_comes_first() -> None:
    """Two kernels that part in a step do so there."""
    ends = run_on(ENDS)
    first = msgspec.structs.replace(ends.steps[0], result="EINVAL")
    other = msgspec.structs.replace(ends, steps=(first, *ends.steps[1:]))

    assert [("result", 0)] == [(one.field, one.step) for one in sign_of(other, run_on(GOES_ON))]


@for_each(("before", "after"), [(ENDS, ENDS), (GOES_ON, GOES_ON)])
def test_two_kernels_that_end_alike_have_no_sign(before: str, after: str) -> None:
    """Nor two that go on."""
    assert () == sign_of(run_on(before), run_on(after))


def test_a_kernel_that_did_not_come_so_far_is_no_other_side() -> None:
    """Nobody knows whether it would end there."""
    ends, goes_on = run_on(ENDS), run_on(GOES_ON)
    short = msgspec.structs.replace(goes_on, steps=goes_on.steps[:2])

    assert () == sign_of(ends, short)
    assert "undecided" == sign_word(sign_of(ends, goes_on), ends, goes_on, short)


@for_each(("machine", "word"), [(ENDS, "before"), ("7.3", "after")])
def test_a_third_kernel_ends_or_goes_on(machine: str, word: str) -> None:
    """As one of the two."""
    before, after = run_on(ENDS), run_on(GOES_ON)

    assert word == sign_word(sign_of(before, after), before, after, run_on(machine))


def test_a_guest_ends_with_an_alarm() -> None:
    """One that is lost without one says nothing of its kernel."""
    alarm = Alarm("oops", "BUG: kernel NULL pointer dereference")

    assert 3 == ended_at(lost(run_on(ENDS), alarm))
    assert ended_at(lost(run_on(ENDS), None)) is None


def test_the_answers_say_who_ends() -> None:
    """A run that did not come so far has none."""
    assert (("the kernel ends",), ("the kernel continues",)) == (
        answer_in(run_on(ENDS), 3, END),
        answer_in(run_on(GOES_ON), 3, END),
    )
    assert answer_in(run_on(ENDS), 5, END) is None


def test_a_search_can_be_for_the_end_of_a_kernel() -> None:
    """A model that has no rule is still no end of a search."""
    target = sign_target(PROGRAM, run_on(GOES_ON), run_on(ENDS))
    unknown = msgspec.structs.replace(run_on(ENDS), undecided="no rule", why=Why.NO_RULE)

    assert ("bad", "good") == (target.word(run_on(ENDS)), target.word(run_on("7.3")))
    with pytest.raises(Misuse, match="does not run to its end"):
        sign_target(PROGRAM, run_on(GOES_ON), unknown)
