"""The continuation of a stopped operation: equal where it will do the same."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import pytest
from greenlet import greenlet

from pfnlab.checker.races.continuation import UnsayableError, variables
from pfnlab.checker.races.turns import Ground, Live, SetUpKernels
from pfnlab.checker.scopes.scope import RaceScope, load_scope
from pfnlab.programs.model.model_machine import ModelMachine


def live(schedule: str) -> Live:
    """The first named race, after turns of the tasks whose first letters these are."""
    scope = load_scope("race")
    assert isinstance(scope, RaceScope)
    race = scope.races[0]
    made = Live(SetUpKernels(ModelMachine("7.2")), race, Ground(race))
    for letter in schedule:
        made.go({"m": "main", "t": "t", "s": "s"}[letter])
    return made


def test_the_same_place_on_another_way_is_the_same() -> None:
    """What others did between two stops tells nothing, where the operation has not met it."""
    assert live("mm").variables("main") == live("msm").variables("main")


def test_another_place_is_another() -> None:
    """One function further on."""
    assert live("mm").variables("main") != live("mmm").variables("main")


def test_what_was_met_tells() -> None:
    """A revocation that finds entries has a flush to do, one behind munmap's clearing has none."""
    assert live("tt").variables("t") != live("mmmttt"[:5]).variables("t")


def test_code_of_others_cannot_be_said() -> None:
    """How far a loop is in somebody's own file nobody knows."""

    def body() -> None:
        for _ in range(2):
            parent: Any = greenlet.getcurrent().parent
            parent.switch()

    run = greenlet(body)
    run.switch()

    with pytest.raises(UnsayableError, match="not of this package"):
        variables(run, lambda one: None)


def _pause() -> None:
    # A greenlet has a parent, but a variable for it would be one of the frame's, which the tests compare.
    greenlet.getcurrent().parent.switch()  # type: ignore[union-attr]


def through_the_call_itself(numbers: list[int]) -> None:
    """Goes through what only the loop has."""
    for _ in list(numbers):
        _pause()


def through_a_variable(numbers: list[int]) -> None:
    """Goes through what a variable has."""
    for _ in numbers:
        _pause()


def continuation(body: FunctionType, numbers: list[int]) -> Any:
    """What *body* goes on with in its first turn of the loop, as if it were a function of this package."""
    names = {**globals(), "__name__": "pfnlab.example"}
    names["_pause"] = FunctionType(_pause.__code__, names)
    run = greenlet(FunctionType(body.__code__, names))
    run.switch(numbers)
    return variables(run, lambda instance: None)


def test_a_loop_through_something_without_a_name_cannot_be_said() -> None:
    """What is still to come decides what it does, and only the interpreter knows it."""
    with pytest.raises(UnsayableError, match="a loop through something without a name"):
        continuation(through_the_call_itself, [1, 2])


def test_what_a_loop_has_still_to_go_through_tells() -> None:
    """At the same place, with the same number so far."""
    assert continuation(through_a_variable, [1, 2]) == continuation(through_a_variable, [1, 2])
    assert continuation(through_a_variable, [1, 2]) != continuation(through_a_variable, [1])
