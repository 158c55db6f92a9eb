"""Scopes that end: every sequence of operations, of any length, was tried, and what holds, holds always."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from broken import Broken

from pfnlab.checker.check import HOLDS, VIOLATED, CheckResult, check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.scope import Scope, load_scope, scope_names
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.tracker import Tracker
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.exact import Exact
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx
from pfnlab.present.document.check_part import part
from pfnlab.present.document.terminal import terminal
from pfnlab.programs.model.model_machine import ModelMachine

ENDED = [name for name in scope_names() if name.startswith("ends_")]

#: Machine, scope, how many states there are, and how far the farthest is. The tracker of 6.12 leaks, and
#: leaks pile up without end in `ends_areas` and `ends_driver`.
PINNED = [
    ("7.2,tracker=exact", "ends_driver", 524, 10),
    ("7.2,tracker=exact", "ends_forks", 262, 11),
    ("7.2,tracker=exact", "ends_leaf", 493, 11),
    ("7.2,tracker=exact", "ends_modes", 86, 7),
    ("7.2,tracker=exact", "ends_vfio", 92, 7),
    ("7.2", "ends_driver", 524, 10),
    ("7.2", "ends_forks", 262, 11),
    ("7.2", "ends_leaf", 368, 11),
    ("7.2", "ends_modes", 86, 7),
    ("7.2", "ends_vfio", 60, 6),
    ("6.12", "ends_forks", 304, 13),
    ("6.12", "ends_leaf", 337, 11),
    ("6.12", "ends_modes", 68, 7),
    ("6.12", "ends_vfio", 64, 6),
]

#: As many states as take longer.
PINNED_LATER = [
    ("7.2,tracker=exact", "ends_areas", 884, 11),
    ("7.2", "ends_areas", 874, 11),
    ("7.2,tracker=exact", "ends_kinds", 7482, 13),
    ("7.2,tracker=exact", "ends_leaves", 8229, 17),
    ("7.2,tracker=exact", "small", 1482, 11),
    ("7.2", "ends_kinds", 6706, 13),
    ("7.2", "ends_leaves", 3297, 16),
    ("7.2", "small", 1482, 11),
    ("6.12", "ends_kinds", 22166, 17),
    ("6.12", "ends_leaves", 11199, 19),
]

#: What the designs promise: never broken, in no scope.
PROMISED = {
    "7.2,tracker=exact": ("no_leak", "no_loss", "freed_once", "exact", "one_mode", "no_warning"),
    "7.2": ("no_leak", "no_loss", "freed_once", "no_warning"),
    "7.2,tracker=per_vma": ("no_leak", "no_loss", "freed_once", "no_warning"),
    "6.12": ("no_loss", "no_warning"),
    "6.12,tracker=unmap_only": ("no_loss", "one_mode", "no_stale", "memory_off"),
    "6.1": ("no_loss", "one_mode", "no_stale", "no_warning"),
}

#: What a tracker breaks all the same: a zap of a driver's mapping takes its reservation (A01).
BROKEN_PROMISES = {("6.12", "ends_kinds"): ["no_loss"], ("6.12", "ends_leaves"): ["no_loss"]}

#: Scope `vfio`: machine, states, the farthest, and the target in which it is asked. `ends` has those that
#: take longer than some minutes.
VFIO = [
    ("7.2", 38554, 16, "long"),
    ("7.2,tracker=per_vma", 26002, 16, "ends"),
    ("7.2,tracker=exact", 162088, 17, "ends"),
    ("6.12", 190755, 26, "ends"),
    ("6.12,tracker=unmap_only", 813559, 31, "ends"),
    ("6.1", 1077013, 30, "ends"),
]


def scope(name: str) -> Scope:
    """A scope of operations one after the other."""
    loaded = load_scope(name)
    assert isinstance(loaded, Scope)
    return loaded


def ended(machine: ModelMachine, name: str) -> CheckResult:
    """The search of a scope to its end."""
    return check(machine, scope(name), limits=Exhaustive(depth=0))


def kept(result: CheckResult, name: str, states: int, depth: int) -> None:
    """Scope *name* ended, with so many states, and no promise broken."""
    assert (result.ended, result.cut, result.states, result.depth) == (True, (), states, depth)
    machine = result.machine.removeprefix("model:")
    promised = PROMISED[machine]
    asked = [answer for answer in result.answers if answer.name in promised and answer.arose]
    assert asked
    broken = [answer.name for answer in asked if answer.verdict != HOLDS]
    assert broken == BROKEN_PROMISES.get((machine, name), [])


@pytest.mark.parametrize(
    ("machine", "name", "states", "depth"),
    [pytest.param(*one, marks=[pytest.mark.target("long")] * (one[2] > 400)) for one in PINNED],
)
def test_a_scope_ends(machine: str, name: str, states: int, depth: int) -> None:
    """Nothing is left out, and the tracker keeps what it promises after any number of operations."""
    kept(ended(ModelMachine(machine), name), name, states, depth)


@pytest.mark.target("pages")
@pytest.mark.parametrize(("machine", "name", "states", "depth"), PINNED_LATER)
def test_a_larger_scope_ends(machine: str, name: str, states: int, depth: int) -> None:
    """The same."""
    kept(ended(ModelMachine(machine), name), name, states, depth)


@pytest.mark.timeout(14_400)
@pytest.mark.parametrize(
    ("machine", "states", "depth"),
    [pytest.param(*one, marks=pytest.mark.target(target)) for *one, target in VFIO],
)
def test_the_scope_of_vfio_ends(machine: str, states: int, depth: int) -> None:
    """With two processes."""
    result = check(ModelMachine(machine), scope("vfio"), limits=Exhaustive(depth=0), jobs=2)

    kept(result, "vfio", states, depth)


def test_every_scope_that_ends_is_pinned() -> None:
    """With each of the designs that can."""
    assert set(ENDED) == {name for _, name, *_ in (*PINNED, *PINNED_LATER)} - {"small"}
    assert all(scope(name).depth is None for name in ENDED)


def test_a_bound_does_not_end_it() -> None:
    """It holds up to there."""
    result = check(ModelMachine("7.2"), scope("ends_modes"), limits=Exhaustive(depth=3))

    assert not result.ended
    assert "at most 3 operations" in terminal(part(result)).splitlines()[0]
    assert not json.loads(result.as_json())["ended"]


def test_it_is_said() -> None:
    """In the first line, in each verdict, and as JSON."""
    result = ended(ModelMachine("7.2"), "ends_modes")
    first, *lines = terminal(part(result)).splitlines()

    assert first == (
        "model:7.2, scope ends_modes: every sequence of operations: no state is farther away than 7"
    )
    assert any(line.startswith("always        no_leak ") for line in lines)
    assert json.loads(result.as_json())["ended"]


def without(hook: str, tracker: type[Tracker] = Exact) -> Callable[[Kernel], Tracker]:
    """A tracker that forgets one of its hooks."""

    def forget(self: object, *_: object) -> None:
        return None

    return type(f"Without_{hook}", (tracker,), {hook: forget})


class Keeps(TrackCtx):
    """Never lets go of a reservation."""

    def vm_area_free(self, vma: Vma) -> None:
        vma.pfnmap = None


class LetsGo(TrackCtx):
    """Lets go of all when a part is zapped."""

    def zap_page_range_single(self, vma: Vma, start: int, end: int) -> None:
        self.vm_area_free(vma)


BROKEN: list[tuple[str, Callable[[Kernel], Tracker], str]] = [
    ("exact without split_vma", without("split_vma"), "ends_driver"),
    ("exact without copy_page_range", without("copy_page_range"), "ends_forks"),
    ("exact without move_vma", without("move_vma"), "ends_areas"),
    ("exact without vm_area_free", without("vm_area_free"), "ends_modes"),
    ("keeps", Keeps, "ends_modes"),
    ("lets go", LetsGo, "ends_driver"),
]


@pytest.mark.parametrize(("tracker", "name"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_tracker_that_forgets_is_found_out(tracker: Callable[[Kernel], Tracker], name: str) -> None:
    """By what exact promises."""
    result = check(Broken(tracker), scope(name), limits=Exhaustive(depth=4))

    broken = {answer.name for answer in result.answers if answer.verdict == VIOLATED}
    assert broken & {"no_leak", "no_loss", "freed_once", "no_warning"}
