"""States that count as one go on alike: what is left out of a state decides nothing.

A scope is searched with every state apart. States that a search counts as one are compared: the results of
their steps, the states after them, and the answers of all judges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from for_each import for_each

from pfnlab.checker.scopes import domain
from pfnlab.checker.scopes.domain import KernelModel, KernelState
from pfnlab.checker.scopes.frozen import freeze
from pfnlab.checker.scopes.operations import ScopeStep
from pfnlab.checker.scopes.properties import QUESTIONS
from pfnlab.checker.scopes.scope import Scope, load_scope, read_scope
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.policies.trackers.no_partial import NoPartial
from pfnlab.programs.model.model_machine import ModelMachine

#: Scopes that end, and policies with which they do; the larger ones, and more policies, take longer.
ENDING = [("7.2,tracker=exact", "ends_modes"), ("6.12", "ends_modes"), ("7.2", "ends_vfio")]
ENDING_LATER = [
    *(("7.2", "ends_modes"), ("7.2,tracker=exact", "ends_vfio"), ("6.12", "ends_vfio")),
    *((machine, "ends_forks") for machine in ("7.2", "7.2,tracker=exact", "6.12")),
    *((machine, "ends_leaf") for machine in ("7.2", "7.2,tracker=exact", "6.12")),
    *((machine, "ends_driver") for machine in ("7.2", "7.2,tracker=exact", "7.2,tracker=per_vma")),
    *((machine, "ends_areas") for machine in ("7.2", "7.2,tracker=exact", "7.2,tracker=per_vma")),
    *((f"7.2,tracker={tracker}", "ends_vfio") for tracker in ("per_vma", "split_ctx", "caller_managed")),
    *((f"6.12,tracker={tracker}", "ends_modes") for tracker in ("unmap_only", "no_partial", "driver_hook")),
    *((f"7.2,flush={flush}", "ends_vfio") for flush in ("none", "free_vmas", "gather_v4")),
]

#: A claim revokes mappings of two tasks, one of them in part.
REFUSED = """
says = "Two tasks whose mappings a claim revokes, one of them in part."
devices = ["bar: pci, 3 pages"]
tasks = 2
areas = 1
operations = [
  "new = mmap bar[0:3] wc shared rw",
  "new = mmap bar[0:2] wc shared rw",
  "munmap <whole>",
  "child = fork",
  "request_mem_region bar[0:2]",
  "release_mem_region",
]
"""


#: A fork fails in the second of two mappings, behind the entries of the first, or the first.
FAILING = """
says = "Two areas, and a fork that fails between them."
devices = ["bar: pci, 2 pages"]
tasks = 2
areas = 2
operations = [
  "new = mmap bar[0:2] wc shared rw",
  "new = mmap bar[0:2] driver remap wc private rw",
  "write <first> 1",
  "munmap <whole>",
  "fail __pte_alloc 2: child = fork",
]
"""


def scope(name: str) -> Scope:
    """A scope of operations one after the other."""
    loaded = load_scope(name)
    assert isinstance(loaded, Scope)
    return loaded


def least(model: KernelModel, kernel: Kernel) -> tuple[bytes, ...]:
    """The state of *kernel*, with areas and tasks of equal shape in the order that gives the least value."""
    return min(freeze(kernel, naming) for naming in model._naming(kernel).others())


def goes_on(apart: KernelModel, merged: KernelModel, state: KernelState) -> tuple[Any, ...]:
    """All that may differ: the answers of the judges, and of each step its result, facts and state.

    Two areas or tasks may have changed their places, so steps are in no order.
    """
    view = apart.moment(state)
    answers = tuple(question.judge(view) for question in QUESTIONS)
    steps: Counter[Any] = Counter()
    outcomes = apart.outcomes.copy()
    for step, after in apart.successors(state):
        results, outcomes = apart.outcomes - outcomes, apart.outcomes.copy()
        value = least(merged, apart.moment(after).kernel)
        steps[ScopeStep(step.op).kind, tuple(results), after.facts, value] += 1
    return answers, frozenset(steps.items())


def every_state(model: KernelModel, most: int) -> Iterator[KernelState]:
    """All states, or about so many of those found first."""
    near = list(model.initial())
    seen = {state.value for state in near}
    while near and len(seen) < most:
        yield from near
        found: list[KernelState] = []
        for state in near:
            for _, after in model.successors(state):
                if after.value not in seen:
                    seen.add(after.value)
                    found.append(KernelState(after.value))
        near = found
    yield from near


def differing(machine: ModelMachine, searched: Scope, most: int = 100_000) -> tuple[int, int, int]:
    """The number of states, of states with what decides nothing left out, and of those that differ inside."""
    apart, merged = KernelModel(machine, searched, merging=False), KernelModel(machine, searched)
    classes: dict[tuple[bytes, ...], list[KernelState]] = {}
    for state in every_state(apart, most):
        classes.setdefault(merged.frozen(apart.thawed(state)).value, []).append(state)
    wrong = 0
    for members in classes.values():
        if len(members) > 1:
            wrong += len({goes_on(apart, merged, member) for member in members}) > 1
    return sum(map(len, classes.values())), len(classes), wrong


@for_each(("machine", "name"), ENDING)
def test_states_that_count_as_one_go_on_alike(machine: str, name: str) -> None:
    """In the scopes that end."""
    states, merged, wrong = differing(ModelMachine(machine), scope(name))

    assert 0 == wrong
    assert merged <= states


@pytest.mark.target("long")
@pytest.mark.parametrize(("machine", "name"), ENDING_LATER)
def test_more_states_that_count_as_one_go_on_alike(machine: str, name: str) -> None:
    """With more policies, and in larger scopes."""
    *_, wrong = differing(ModelMachine(machine), scope(name), 6_000)

    assert 0 == wrong


def test_states_are_merged() -> None:
    """There is something to compare."""
    states, merged, _ = differing(ModelMachine("7.2"), scope("ends_areas"), 300)

    assert merged < states


def test_an_order_that_decides_is_kept() -> None:
    """A tracker that may refuse a zap is asked in the order of the reverse map, which stays."""
    refusing = read_scope(REFUSED, "refusing")
    assert isinstance(refusing, Scope)

    *_, wrong = differing(ModelMachine("6.12,tracker=no_partial"), refusing, 200)

    assert 0 == wrong


def test_an_order_left_out_wrongly_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where such a tracker says that its zaps go in any order, states that are one go on apart."""
    monkeypatch.setattr(NoPartial, "ZAPS_IN_ANY_ORDER", True, raising=False)
    refusing = read_scope(REFUSED, "refusing")
    assert isinstance(refusing, Scope)

    *_, wrong = differing(ModelMachine("6.12,tracker=no_partial"), refusing, 200)

    assert wrong


def test_areas_that_a_failing_fork_tells_apart_keep_their_order() -> None:
    """What is before the place of the failure is copied."""
    failing = read_scope(FAILING, "failing")
    assert isinstance(failing, Scope)

    states, merged, wrong = differing(ModelMachine("7.2"), failing, 300)

    assert (0, states) == (wrong, merged)


def test_an_order_of_areas_left_out_wrongly_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no fork counts as one that fails."""
    monkeypatch.setattr(domain, "_fails_midway", lambda _: False)
    failing = read_scope(FAILING, "failing")
    assert isinstance(failing, Scope)

    *_, wrong = differing(ModelMachine("7.2"), failing, 300)

    assert wrong
