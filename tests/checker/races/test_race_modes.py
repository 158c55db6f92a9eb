"""The cache modes of a frame in the middle of operations: of entries, and of translations."""

from __future__ import annotations

import pytest
from broken import lines

from pfnlab.base.result import Outcome
from pfnlab.checker.check import PropertyResult, check
from pfnlab.checker.judging.judge import violations
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope, read_scope
from pfnlab.programs.model.model_machine import ModelMachine

RACE = """
devices = ["bar: pci, 2 pages"]
[[races]]
setup = ["p = fork", "a = mmap bar[0:2] wc shared rw", "t = thread"{touched}]
beside = ["munmap a", "p: b = mmap bar[0:2] {mode} shared rw"]
"""


def raced(machine: str, mode: str = "uc", touched: str = ', "t: read a[0]"') -> PropertyResult:
    """What was found of the cache modes."""
    result = check(ModelMachine(machine), read_scope(RACE.format(mode=mode, touched=touched), "one"))
    return next(answer for answer in result.answers if answer.name == "one_mode")


@pytest.mark.parametrize(
    ("machine", "verdict"),
    [
        ("6.1", "violated"),
        ("6.12", "violated"),
        ("6.16", "holds"),
        ("7.3", "holds"),
        ("7.3,tracker=vm_pat", "violated"),
    ],
)
def test_a_reservation_outlives_the_translations_from_6_16_on(machine: str, verdict: str) -> None:
    """Before, another process gets its own mode while a processor still remembers the old one."""
    assert verdict == raced(machine).verdict


@pytest.mark.parametrize("mode, touched", [("wc", ', "t: read a[0]"'), ("uc", "")])
def test_a_translation_of_the_same_mode_or_none_breaks_nothing(mode: str, touched: str) -> None:
    """Where the pages were never touched, nobody remembers them."""
    assert "violated" != raced("6.1", mode, touched).verdict


@pytest.mark.parametrize(("mode", "vacuous"), [("wc", True), ("uc", False)])
def test_a_race_whose_mappings_ask_for_one_mode_never_asks(mode: str, vacuous: bool) -> None:
    """No schedule can give a frame two modes if every mapping of the scope asks for the same."""
    assert vacuous == raced("7.3", mode).vacuous


def test_a_check_that_asked_nothing_is_undecided() -> None:
    """Its exit code is not that of a property that holds."""
    scope = load_scope("race")

    found = [check(ModelMachine("7.3"), scope, questions([name], scope)) for name in ("one_mode", "no_leak")]

    assert [Outcome.UNDECIDED, Outcome.AS_EXPECTED] == [result.outcome for result in found]


def test_the_program_is_held_where_two_modes_are_reached() -> None:
    """And its run breaks the property in the step that makes the second mapping."""
    answer = raced("6.1")
    assert answer.program is not None

    broken = violations(answer.program, ModelMachine("6.1").run_one(answer.program))

    assert "hold flush_tlb_mm_range: munmap a" in lines(answer)
    assert [("one_mode", "p: b = mmap bar[0:2] uc shared rw")] == [(one.name, one.op) for one in broken]
