"""The turns of one race: each is run once, for all schedules in which it is the same.

What a turn does follows from what its operation goes on with (:mod:`pfnlab.checker.races.continuation`) and
from the parts of the kernel it touches (:mod:`pfnlab.checker.races.footprint`). So it is run on a kernel
that has gone through one schedule that leads there, and remembered with the values of the parts it touched.
Wherever an operation that goes on with the same meets the same values, it comes to the same.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from pfnlab.checker.kernel.scope import Race
from pfnlab.checker.races.continuation import UnsayableError
from pfnlab.checker.races.driver import Ground, Live, Position, TurnResult
from pfnlab.checker.search.reduction import Footprint
from pfnlab.programs.model.machine import ModelMachine

#: Kernels kept where they stand, so that a turn after the same schedule need not begin at the beginning.
_KEPT = 64


class JointState(NamedTuple):
    """What all tasks of a race have come to.

    :param schedule: who went on, in order; one of those that lead there
    :param stands: where each task is
    :param parts: digests of what the parts of the kernel are
    """

    schedule: tuple[str, ...]
    stands: tuple[Position, ...]
    parts: tuple[int, ...]


class TurnEffect(NamedTuple):
    """What a turn comes to.

    :param changed: the parts it changes, and to what
    :param stand: where its task stands then
    :param footprint: the parts it touches and changes; and, behind them, a bit for each task that says
        whether it is in the middle of something
    """

    did: TurnResult
    changed: tuple[tuple[int, int], ...]
    stand: Position
    footprint: Footprint


_Item = TypeVar("_Item")


class _Remembered(Generic[_Item]):
    """What follows from where a task stands and from parts that were touched."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Position], dict[tuple[int, ...], tuple[_Pick, dict[Any, _Item]]]] = {}

    def get(self, task: int, moment: JointState) -> _Item | None:
        parts = moment.parts
        for pick, found in self._known.get((task, moment.stands[task]), {}).values():
            known = found.get(pick(parts))
            if known is not None:
                return known
        return None

    def put(self, task: int, moment: JointState, touched: tuple[int, ...], item: _Item) -> _Item:
        known = self._known.setdefault((task, moment.stands[task]), {})
        pick, found = known.setdefault(touched, (itemgetter(*touched), {}))
        found[pick(moment.parts)] = item
        return item


_Pick = Callable[[Sequence[int]], Any]


class Turns:
    """All turns of one race, as far as anybody asked.

    :ivar tasks: who takes part
    :ivar names: of the parts of the kernel
    :ivar begin: before anybody began
    :ivar run: how many turns were run to find out
    """

    def __init__(self, machine: ModelMachine, race: Race) -> None:
        self._machine, self._race, self._ground = machine, race, Ground(race)
        live = Live(machine, race, self._ground)
        self.tasks = live.tasks
        self._operations = tuple(live.operations(task) for task in self.tasks)
        self.names = tuple(live.parts.names)
        parts = tuple(digest(live.parts.value(number)) for number in range(len(self.names)))
        self.begin = JointState((), tuple(live.stand(task) for task in self.tasks), parts)
        self.run = 0
        self._came: _Remembered[TurnEffect] = _Remembered()
        self._ready: _Remembered[tuple[bool]] = _Remembered()
        #: Kernels by what they have come to; any that has come to the same will do.
        self._lives = {self.begin[1:]: live}

    def able(self, moment: JointState) -> tuple[int, ...]:
        """The numbers of the tasks that can go on."""
        return tuple(task for task in range(len(self.tasks)) if self._able(moment, task))

    def finished(self, moment: JointState, task: int) -> bool:
        """Whether *task* has done all it has to do."""
        return moment.stands[task].done == self._operations[task]

    def go(self, moment: JointState, task: int) -> TurnEffect:
        """What task number *task* comes to when it goes on."""
        return self._came.get(task, moment) or self._find_out(moment, task)

    def after(self, moment: JointState, task: int, came: TurnEffect) -> JointState:
        """Where all are when *task* has come to that."""
        parts = list(moment.parts)
        for number, value in came.changed:
            parts[number] = value
        stands = (*moment.stands[:task], came.stand, *moment.stands[task + 1 :])
        return JointState((*moment.schedule, self.tasks[task]), stands, tuple(parts))

    def _able(self, moment: JointState, task: int) -> bool:
        if not moment.stands[task].waits:
            return not self.finished(moment, task)
        known = self._ready.get(task, moment)
        if known is None:
            live = self._take(moment)
            self._keep(moment, live)
            with live.parts.watched() as touched:
                ready = live.ready(self.tasks[task])
            known = self._ready.put(task, moment, tuple(sorted(touched)), (ready,))
        return known[0]

    def _find_out(self, moment: JointState, task: int) -> TurnEffect:
        self.run += 1
        name, before = self.tasks[task], moment.stands[task]
        live = self._take(moment)
        did, touched = live.watch(name)
        numbers = tuple(sorted(touched))
        after = [(number, digest(live.parts.value(number))) for number in numbers]
        changed = tuple((number, value) for number, value in after if value != moment.parts[number])
        stand = live.stand(name)
        if stand.under_way:
            try:
                value = live.variables(name)
            except UnsayableError:
                # Then all that it has met tells where it stands.
                value = before.value, [(number, moment.parts[number]) for number in numbers]
            stand = stand._replace(value=digest((stand.done, stand.waits, value)))
        footprint = Footprint(_bits(numbers), _bits(number for number, _ in changed))
        footprint |= self._seen_by_others(task, before, stand, did)
        came = TurnEffect(did, changed, stand, footprint)
        self._keep(self.after(moment, task, came), live)
        return self._came.put(task, moment, numbers, came)

    def _seen_by_others(self, task: int, before: Position, after: Position, did: TurnResult) -> Footprint:
        """Whether a task begins or ends to be in the middle of something, and asks whether others are."""
        states = [1 << len(self.names) + one for one in range(len(self.tasks))]
        asked = sum(states) - states[task] if did.told is not None else 0
        return Footprint(asked, states[task] * (before.under_way != after.under_way))

    def _take(self, moment: JointState) -> Live:
        """A kernel that has come to *moment*, which is the caller's from now on."""
        live = self._lives.pop(moment[1:], None)
        if live is None:
            live = Live(self._machine, self._race, self._ground)
            for task in moment.schedule:
                live.go(task)
        return live

    def _keep(self, moment: JointState, live: Live) -> None:
        if len(self._lives) >= _KEPT:
            del self._lives[next(iter(self._lives))]
        self._lives[moment[1:]] = live


def _bits(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in numbers)


def digest(value: Any) -> int:
    """64 bits that stand for a plain value, the same in every process."""
    return int.from_bytes(blake2b(marshal.dumps(value, 2), digest_size=8).digest(), "little")
