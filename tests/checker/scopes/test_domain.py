"""The modelled kernel as something to search: what is counted, what is found, what symmetry changes."""

from __future__ import annotations

import msgspec
import pytest

from pfnlab.base.errors import Undecided
from pfnlab.checker.check import check
from pfnlab.checker.limits import Exhaustive, Walks
from pfnlab.checker.scopes.domain import KernelModel, KernelState
from pfnlab.checker.scopes.frozen import freeze
from pfnlab.checker.scopes.properties import properties, questions
from pfnlab.checker.scopes.scope import Scope, load_scope
from pfnlab.checker.scopes.state_judges import no_leak
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.path import Path, path_along
from pfnlab.programs.lang.load import program_hash
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.problems import program_text
from pfnlab.programs.lang.shorter import shrunk
from pfnlab.programs.lang.text import parse
from pfnlab.programs.model.model_machine import ModelMachine


def scope(name: str) -> Scope:
    """A named scope of operations."""
    found = load_scope(name)
    assert isinstance(found, Scope)
    return found


@pytest.mark.parametrize(("spec", "states"), [("6.1", 126), ("7.2", 114)])
def test_counts_are_pinned(spec: str, states: int) -> None:
    """A small scope has as many states as ever."""
    model = KernelModel(ModelMachine(spec), scope("small"))

    assert states == explore(model, depth=4).states


@pytest.mark.target("long")
@pytest.mark.parametrize("spec", ["6.1", "7.2"])
def test_symmetry_changes_no_verdict(spec: str) -> None:
    """With and without renaming the same properties are broken by programs of the same length."""
    found = []
    for symmetry in (True, False):
        model = KernelModel(ModelMachine(spec), scope("standard"), symmetry=symmetry)
        asked = questions(scope=scope("standard"))
        result = explore(model, properties(model, asked), depth=3)
        found.append(({name: len(path) for name, path in result.discoveries.items()}, result.states))

    assert found[0][0] == found[1][0]
    assert found[0][1] < found[1][1]


def test_the_leak_of_partial_unmaps_is_found() -> None:
    """On 6.1 three operations leak a reservation."""
    found = check(ModelMachine("6.1"), scope("small"), questions(["no_leak"])).answers[0]

    assert found.program is not None
    assert ["a = mmap bar[0:4] wc shared rw", "munmap a[0]", "munmap a[1:4]"] == list(op_lines(found.program))


def test_the_same_holds_where_it_was_mended() -> None:
    """On 7.2 no reservation outlives its mapping."""
    found = check(ModelMachine("7.2"), scope("small"), questions(["no_leak"])).answers[0]

    assert ("holds", None) == (found.verdict, found.program)


def test_a_counterexample_shows_what_was_found() -> None:
    """The program leaks on the machine it was found on, when it is run like any other."""
    machine = ModelMachine("6.1")
    found = check(machine, scope("small"), questions(["no_leak"])).answers[0]
    assert found.program is not None

    run = machine.run([found.program])[0]

    assert run.steps[-1].book


def test_what_is_counted_is_the_search() -> None:
    """Making a program of a counterexample adds nothing to what was tried."""
    model, asked = KernelModel(ModelMachine("6.1"), scope("small")), questions(["no_leak"])
    explore(model, properties(model, asked), depth=4)

    found = check(ModelMachine("6.1"), scope("small"), asked)

    assert found.answers[0].program is not None
    assert model.outcomes == {
        (kind, result): count for kind, results in found.fired.items() for result, count in results.items()
    }


def test_a_counterexample_is_a_file() -> None:
    """What is saved reads back as the same program."""
    found = check(
        ModelMachine("6.1"), scope("standard"), questions(["one_mode"]), Exhaustive(depth=3)
    ).answers[0]
    assert found.program is not None

    assert program_hash(found.program) == program_hash(parse(program_text(found.program)))


def test_names_follow_the_program_not_the_state() -> None:
    """A task that came and went keeps its name, and areas are called in the order of their use."""
    model = KernelModel(ModelMachine("7.2"), scope("small"))
    found = explore(model, depth=4)
    state = next(iter(model.initial()))
    del found
    wanted = ["fork", "exit", "fork", "mmap wc"]
    choices = []
    for word in wanted:
        steps = list(model.successors(state))
        number = next(at for at, (step, _) in enumerate(steps) if step.kind == word)
        choices.append(number)
        state = steps[number][1]
    program = model.program(path_along(model, 0, choices), "Names", "Who is who?")

    assert ["p = fork", "exit", "p: q = fork", "p: a = mmap bar[0:4] wc shared rw"] == [
        line for line in op_lines(program)
    ]


def way(model: KernelModel, *operations: str) -> Path[KernelState]:
    """The path along operations, each in the names of its state."""
    (state,) = model.initial()
    choices = []
    for operation in operations:
        steps = list(model.successors(state))
        choices.append(next(at for at, (step, _) in enumerate(steps) if str(step) == operation))
        state = steps[choices[-1]][1]
    return path_along(model, 0, choices)


def test_a_way_may_map_more_often_than_there_are_names() -> None:
    """A name of a program is used again once it is free, and the program leads to the same state."""
    model = KernelModel(ModelMachine("7.2"), scope("small"))
    path = way(
        model, *["a = mmap bar[0:4] wc shared rw", "munmap a[0:4]"] * 30, "a = mmap bar[0:4] wc shared rw"
    )

    program = model.program(path, "Often", "Which names?")

    assert 61 == len(parse(program_text(program)).ops)
    (run,) = ModelMachine("7.2").run([program])
    assert 1 == len(run.steps[60].vmas or ())


def test_a_way_in_more_areas_than_a_program_has_is_none() -> None:
    """Areas that are in use keep their order, so that each new one lies above the one before."""
    model = KernelModel(ModelMachine("7.2"), msgspec.structs.replace(scope("small"), areas=2))
    first, second = "a = mmap bar[0:4] wc shared rw", "b = mmap bar[0:4] wc shared rw"
    path = way(model, first, *[second, "munmap a[0:4]"] * 26)

    with pytest.raises(Undecided, match="more than 26 areas"):
        model.program(path, "Upwards", "Which names?")


def test_a_limit_leaves_properties_undecided() -> None:
    """What was not found before the search was cut is undecided."""
    found = check(ModelMachine("7.2"), scope("small"), questions(["no_leak"]), Exhaustive(states=20))

    assert ("undecided", False) == (found.answers[0].verdict, found.complete)


def test_a_random_walk_ends_in_a_short_program() -> None:
    """Nothing can be left out of what random walks find."""
    limits = Walks(depth=12, count=30, seed=1)

    found = check(ModelMachine("6.1"), scope("small"), questions(["no_leak"]), limits)

    program = found.answers[0].program
    assert program is not None
    assert not found.complete
    model = KernelModel(ModelMachine("6.1"), scope("small"))
    assert model.breaks(program.ops, no_leak.judge)
    assert program == shrunk(program, lambda one: model.breaks(one.ops, no_leak.judge))


def test_a_look_at_some_steps_of_a_state_changes_none_of_another() -> None:
    """Kernels share the files that never change; the device behind one is as its kernel is between steps."""
    model = KernelModel(ModelMachine("6.1"), load_scope("removal"))
    (begin,) = model.initial()
    mapped = next(state for step, state in model.successors(begin) if "bar[0:2] wc" in str(step))
    before = outcomes(model, mapped)

    next(step for step, _ in model.successors(begin) if str(step).startswith("remove"))

    assert before == outcomes(model, mapped)


def outcomes(model: KernelModel, state: KernelState) -> tuple[object, ...]:
    """How often each kind of step out of a state has each result."""
    model.take_counts()
    for _ in model.successors(state):
        pass
    return model.take_counts()


@pytest.mark.parametrize(
    ("spec", "name", "depth"), [("7.2", "ends_areas", 5), ("7.2,tracker=exact", "vfio", 4)]
)
def test_a_path_is_a_program_that_leads_there(spec: str, name: str, depth: int) -> None:
    """Also where areas or tasks of equal shape changed their places on the way."""
    model = KernelModel(ModelMachine(spec), scope(name))
    near = [(state, Path[KernelState](0, (), ())) for state in model.initial()]
    seen = {state.value for state, _ in near}
    for _ in range(depth):
        found = []
        for state, path in near:
            for number, (step, after) in enumerate(model.successors(state)):
                if after.value not in seen:
                    seen.add(after.value)
                    longer = Path[KernelState](0, (*path.choices, number), (*path.actions, step))
                    found.append((KernelState(after.value), longer))
        near = found
        for state, path in near:
            kernel = model.booted()
            for op in model.ops(path):
                model.perform(kernel, op)
            values = {freeze(kernel, naming) for naming in model._naming(kernel).others()}
            assert state.value in values, str(path)
    assert near
