"""A kernel that was marked is put back where it stood."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from for_each import for_each
from litmus_files import FOLDERS, program_of, without_holds

from pfnlab.base.errors import Undecided
from pfnlab.checker.scopes.domain import KernelModel, KernelState
from pfnlab.checker.scopes.frozen import freeze
from pfnlab.checker.scopes.mark import Mark
from pfnlab.checker.scopes.operations import ScopeStep, operations
from pfnlab.checker.scopes.scope import Scope, load_scope
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.lang.ops import MAIN_TASK, Op
from pfnlab.programs.model.execution import SequentialExecution
from pfnlab.programs.model.model_machine import ModelMachine, place
from pfnlab.programs.runs.places import Places


def stepped(kernel: Kernel, places: Places, op: Op) -> tuple[object, ...] | None:
    """All that comes of *op*; None where the model has no rule for it."""
    try:
        step = SequentialExecution(kernel, places).step(op)
    except Undecided:
        return None
    events, log = kernel.trace.take()
    # Taken out of the kernel, they would be emptied with it.
    return step, freeze(kernel), list(events), list(log)


@pytest.mark.target("long")
@pytest.mark.parametrize("folder", FOLDERS)
def test_an_operation_is_undone(folder: str) -> None:
    """
    Before each operation of every program a mark holds all that the operation changes.

    Where smaps is not read in between, the model has no rule for some operation: it is undone too, and the
    last.
    """
    for_each("path", without_holds(folder))(undo_each_operation)()


def undo_each_operation(path: Path) -> None:
    """Do, undo and do again every operation of a program."""
    program = program_of(path)
    for series in ("6.1", "7.2"):
        platform, devices, whole = place(program)
        kernel = ModelMachine(series).boot(platform, devices)
        kernel.start_task(MAIN_TASK)
        places = Places(devices, Places.of(program, devices).areas, whole)
        for op in program.ops:
            before, mark = freeze(kernel), Mark(kernel)
            first = stepped(kernel, places, op)

            mark.restore()

            assert freeze(kernel) == before, op
            assert stepped(kernel, places, op) == first, op
            if first is None:
                break


def made_anew(model: KernelModel, state: KernelState, scope: Scope) -> list[tuple[ScopeStep, KernelState]]:
    """Every step out of *state*, each on a kernel of its own."""
    found = []
    for op in operations(model.thawed(state), scope):
        kernel = model.thawed(state)
        try:
            found.append((ScopeStep(op), model.frozen(kernel, model.perform(kernel, op).facts)))
        except Undecided:
            continue
    return found


@pytest.mark.target("long")
@for_each("tracker", TRACKERS)
def test_steps_are_those_of_kernels_made_anew(tracker: str) -> None:
    """Two operations deep, a kernel that is put back takes every step as one that was just made."""
    scope = load_scope("standard")
    assert isinstance(scope, Scope)
    model = KernelModel(ModelMachine(f"7.2,tracker={tracker}"), scope)
    reached = list(model.initial())
    for _ in range(2):
        steps = [list(model.successors(state)) for state in reached]
        assert steps == [made_anew(model, state, scope) for state in reached]
        reached = [after for found in steps for _, after in found]


class Held:
    """Something with one attribute of each kind that can change."""

    __slots__ = ("__dict__", "inside", "late", "number")

    def __init__(self) -> None:
        self.number, self.inside = 1, (["a"], {"b": 2}, {3}, bytearray(b"c"))
        self.named = {"mine": self}
        self.last = None


def changed_list(held: Held) -> None:
    held.inside[0].append("z")


def changed_dict(held: Held) -> None:
    held.inside[1].update(b=9, z=9)


def changed_set(held: Held) -> None:
    held.inside[2].add(9)


def changed_bytes(held: Held) -> None:
    held.inside[3][0] = 9


def changed_slot(held: Held) -> None:
    held.number = 9


def filled_slot(held: Held) -> None:
    held.late = 9


def new_attribute(held: Held) -> None:
    held.other = 9


def order_of_attributes(held: Held) -> None:
    named = held.named
    del held.named
    held.named = named


def content(held: Held) -> object:
    """Everything it has, in order."""
    return held.number, repr(held.inside), list(held.__dict__), hasattr(held, "late")


@for_each(
    "change",
    [
        *(changed_list, changed_dict, changed_set, changed_bytes),
        *(changed_slot, filled_slot, new_attribute, order_of_attributes),
    ],
)
def test_each_kind_of_change_is_undone(change: Callable[[Held], None]) -> None:
    """Whatever a policy's object consists of is as it was, found through a tuple and a circle."""
    held = Held()
    before, mark = content(held), Mark((held,))
    change(held)
    assert content(held) != before

    mark.restore()

    assert content(held) == before
