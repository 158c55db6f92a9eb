"""The memo of a race: each turn runs once, and its effect is reused in all schedules where it is the same.

A turn depends only on its operation's continuation (:mod:`pfnlab.checker.races.continuation`) and on the
kernel parts in its footprint (:mod:`pfnlab.checker.races.footprint`). It runs once, on the kernel after one
schedule, and its effect is stored under the continuation and the values of those parts. The same continuation
with the same values has the same effect.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from pfnlab.checker.races.continuation import UnsayableError
from pfnlab.checker.races.turns import Ground, Live, Position, SetUpKernels, TurnResult
from pfnlab.checker.scopes.modes import FrameReach, agree, differing
from pfnlab.checker.scopes.scope import Race

#: The number of kernels to keep, so that a turn from the same joint state need not repeat the schedule.
_MOST_KERNELS = 64


#: The bits of tasks in a footprint follow those of parts; no kernel has so many.
_MOST_PARTS = 256


class JointState(NamedTuple):
    """The joint state of all tasks of a race.

    :param schedule: the tasks in the order of their turns, in one of the schedules that lead here
    :param parts: digests of the kernel parts' values
    """

    schedule: tuple[str, ...]
    positions: tuple[Position, ...]
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Footprint:
    """The parts that a turn reads and writes, as bit masks."""

    reads: int = 0
    writes: int = 0

    def meets(self, other: Footprint) -> bool:
        """True if the order can matter, because one writes something that the other reads or writes."""
        return bool(self.writes & (other.reads | other.writes) | self.reads & other.writes)

    def __or__(self, other: Footprint) -> Footprint:
        """The combined footprint of both."""
        return Footprint(self.reads | other.reads, self.writes | other.writes)


class TurnEffect(NamedTuple):
    """The effect of a turn.

    :param changed: the parts it changes, each with a digest of the new value
    :param footprint: the parts it reads and writes, followed by one bit per task for whether the task is in
        the middle of an operation
    :param used: what it uses of policies (:func:`~pfnlab.checker.scopes.policies_apart.policies_apart`)
    """

    result: TurnResult
    changed: tuple[tuple[int, int], ...]
    position: Position
    footprint: Footprint
    used: frozenset[str]


_Item = TypeVar("_Item")


class _Memo(Generic[_Item]):
    """Items determined by a task's position and the values of the parts it touches."""

    def __init__(self) -> None:
        self._items: dict[tuple[int, Position], dict[tuple[int, ...], tuple[_Pick, dict[Any, _Item]]]] = {}

    def get(self, task: int, joint: JointState) -> _Item | None:
        parts = joint.parts
        for pick, items in self._items.get((task, joint.positions[task]), {}).values():
            item = items.get(pick(parts))
            if item is not None:
                return item
        return None

    def put(self, task: int, joint: JointState, touched: tuple[int, ...], item: _Item) -> _Item:
        by_parts = self._items.setdefault((task, joint.positions[task]), {})
        pick, items = by_parts.setdefault(touched, (itemgetter(*touched), {}))
        items[pick(joint.parts)] = item
        return item


_Pick = Callable[[Sequence[int]], Any]


class Turns:
    """All turns of one race. Each runs when its effect is first needed.

    :param other: the turns of the same race on another model, and what of its policies is other here; effects
        that use nothing of that are the same here
    :ivar begin: the joint state before the first turn
    :ivar run: the number of turns run so far
    """

    def __init__(
        self, kernels: SetUpKernels, race: Race, other: tuple[Turns, frozenset[str]] | None = None
    ) -> None:
        self._set_up, self._race, self._ground = kernels, race, Ground(race)
        live = Live(kernels, race, self._ground)
        self.tasks = live.tasks
        self._operations = tuple(live.operations(task) for task in self.tasks)
        self.names = tuple(live.parts.names)
        assert len(self.names) <= _MOST_PARTS, self.names
        parts = tuple(digest(live.parts.value(number)) for number in range(len(self.names)))
        self.begin = JointState((), tuple(live.position(task) for task in self.tasks), parts)
        #: The places where a part reaches frames, by part number and digest of its value.
        self._reached: dict[tuple[int, int], tuple[list[FrameReach], list[FrameReach]]] = {}
        self._other: Turns | None = None
        self._apart = frozenset[str]()
        if other is not None and self.names[: len(other[0].names)] == other[0].names:
            self._other, self._apart = other
            self._reached = self._other._reached
        #: The answers that depend on all parts.
        self._modes: dict[tuple[int, ...], bool | None] = {}
        self._reaching = live.parts.reaching
        self._note_reached(live, enumerate(parts))
        self.run = 0
        self._effects: _Memo[TurnEffect] = _Memo()
        self._ready: _Memo[tuple[bool]] = _Memo()
        #: Kernels by joint state, without the schedule, which is irrelevant here.
        self._lives = {self.begin[1:]: live}
        #: Where a schedule leads, if a kernel was kept there.
        self._along: dict[tuple[str, ...], tuple[tuple[Position, ...], tuple[int, ...]]] = {}

    def able(self, joint: JointState) -> tuple[int, ...]:
        """The numbers of the tasks that can run."""
        return tuple(task for task in range(len(self.tasks)) if self._able(joint, task))

    def modes_agree(self, joint: JointState) -> bool | None:
        """True if each frame has one cache mode although two were requested; None if none could have two."""
        digests = tuple(joint.parts[number] for number in self._reaching)
        if digests not in self._modes:
            keys = list(zip(self._reaching, digests, strict=True))
            if any(key not in self._reached for key in keys):
                # Needed for a resumed search whose turns were run by another process.
                self._note_reached(self.take_kernel(joint), keys)
            found = [self._reached[key] for key in keys]
            entries = [one for part, _ in found for one in part]
            remembered = differing(entries, (one for _, part in found for one in part))
            answer = agree((one.frames, one.mode) for one in [*entries, *remembered])
            self._modes[digests] = answer if not answer or self._asks_two_modes else None
        return self._modes[digests]

    @cached_property
    def _asks_two_modes(self) -> bool:
        """True if the operations, run in sequence, ask for two modes of one frame."""
        live = Live(self._set_up, self._race, self._ground)
        asked = live.asked_in_a_row()
        live.give_up()
        return agree(asked) is False

    def _note_reached(self, live: Live, values: Iterable[tuple[int, int]]) -> None:
        for number, value in values:
            if number in self._reaching and (number, value) not in self._reached:
                self._reached[number, value] = live.parts.reached(number)

    def finished(self, joint: JointState, task: int) -> bool:
        """True if *task* has completed all of its operations."""
        return joint.positions[task].done == self._operations[task]

    def go(self, joint: JointState, task: int) -> TurnEffect:
        """The effect of the next turn of task number *task*."""
        return self._effects.get(task, joint) or self._borrowed(joint, task) or self._run_turn(joint, task)

    def _borrowed(self, joint: JointState, task: int) -> TurnEffect | None:
        """The effect on the other model, if it is the same here."""
        effect = self._other._effects.get(task, joint) if self._other is not None else None
        return None if effect is None or effect.used & self._apart else effect

    def after(self, joint: JointState, task: int, effect: TurnEffect) -> JointState:
        """The joint state after a turn of *task* with that effect."""
        parts = list(joint.parts)
        for number, value in effect.changed:
            parts[number] = value
        positions = (*joint.positions[:task], effect.position, *joint.positions[task + 1 :])
        return JointState((*joint.schedule, self.tasks[task]), positions, tuple(parts))

    def _able(self, joint: JointState, task: int) -> bool:
        if not joint.positions[task].waits:
            return not self.finished(joint, task)
        answer = self._ready.get(task, joint)
        if answer is None and self._other is not None:
            # Locks are no policy's code.
            answer = self._other._ready.get(task, joint)
        if answer is None:
            live = self.take_kernel(joint)
            self._put_kernel(joint, live)
            with live.parts.watched() as touched:
                ready = live.ready(self.tasks[task])
            answer = self._ready.put(task, joint, tuple(sorted(touched)), (ready,))
        return answer[0]

    def _run_turn(self, joint: JointState, task: int) -> TurnEffect:
        self.run += 1
        name, before = self.tasks[task], joint.positions[task]
        live = self.take_kernel(joint)
        result, touched = live.watch(name)
        used = frozenset(live.parts.used)
        numbers = tuple(sorted(touched))
        values = [(number, digest(live.parts.value(number))) for number in numbers]
        changed = tuple((number, value) for number, value in values if value != joint.parts[number])
        self._note_reached(live, changed)
        position = live.position(name)
        if position.under_way:
            try:
                value = live.variables(name)
            except UnsayableError:
                # In this case the earlier position and all values touched determine the continuation, except
                # that code of another policy leads elsewhere.
                values_touched = [(number, joint.parts[number]) for number in numbers]
                value = before.value, values_touched, bool(used & self._apart)
            position = position._replace(value=digest((position.done, position.waits, value)))
        footprint = Footprint(_bits(numbers), _bits(number for number, _ in changed))
        footprint |= self._task_bits(task, before, position, result)
        effect = TurnEffect(result, changed, position, footprint, used)
        self._put_kernel(self.after(joint, task, effect), live)
        return self._effects.put(task, joint, numbers, effect)

    def _task_bits(self, task: int, before: Position, after: Position, result: TurnResult) -> Footprint:
        """The task bits in a footprint: a turn may change its own task's bit and read the others."""
        bits = [1 << _MOST_PARTS + number for number in range(len(self.tasks))]
        reads = sum(bits) - bits[task] if result.told_free is not None else 0
        return Footprint(reads, bits[task] * (before.under_way != after.under_way))

    def take_kernel(self, joint: JointState) -> Live:
        """A kernel in state *joint*; the caller owns it from now on."""
        live = self._lives.pop(joint[1:], None)
        return self._replayed(joint.schedule) if live is None else live

    def _replayed(self, schedule: tuple[str, ...]) -> Live:
        """A kernel after *schedule*, from the last state on the way that a kernel is kept in.

        A search that goes breadth first is done with shorter schedules.
        """
        done = len(schedule)
        live = None
        while live is None and done:
            done -= 1
            place = self._along.pop(schedule[:done], None)
            live = None if place is None else self._lives.pop(place, None)
        live = live or Live(self._set_up, self._race, self._ground)
        for task in schedule[done:]:
            live.go(task)
        return live

    def forget_kernels(self, most: int = 0) -> None:
        """Give up all kernels but the last *most*; what turns do is still known."""
        while len(self._lives) > most:
            self._lives.pop(next(iter(self._lives))).give_up()

    def _put_kernel(self, joint: JointState, live: Live) -> None:
        if joint[1:] in self._lives:
            live.give_up()
            return
        self.forget_kernels(_MOST_KERNELS - 1)
        self._lives[joint[1:]] = live
        self._along[joint.schedule] = joint[1:]


def _bits(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in numbers)


def digest(value: Any) -> int:
    """A 64-bit number that represents a plain value, the same in every process."""
    return int.from_bytes(blake2b(marshal.dumps(value, 2), digest_size=8).digest(), "little")
