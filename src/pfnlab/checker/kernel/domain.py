"""The modelled kernel as something to search: states are kernels between operations, steps are operations."""

from __future__ import annotations

import marshal
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from typing import Any, NamedTuple

from pfnlab.checker.kernel.frozen import check_frozen, freeze, thaw
from pfnlab.checker.kernel.mark import Mark
from pfnlab.checker.kernel.moment import Judge, StateView
from pfnlab.checker.kernel.naming import Naming
from pfnlab.checker.kernel.operations import Renaming, ScopeStep, area_base, area_name, operations
from pfnlab.checker.kernel.packing import met
from pfnlab.checker.kernel.scope import Scope
from pfnlab.checker.search.path import Path
from pfnlab.checker.search.tallies import recall, tallies
from pfnlab.errors import PolicyError, Undecided
from pfnlab.mm.kernel import Kernel
from pfnlab.policies.boot import check_own, guards_of
from pfnlab.policies.guard import Guard, check_deterministic
from pfnlab.programs.lang.ops import MAIN_TASK, Fork, Mmap, Op, Program
from pfnlab.programs.lang.printer import op_text
from pfnlab.programs.model.machine import ModelMachine, place
from pfnlab.programs.model.running import OneByOne
from pfnlab.programs.runs.places import Places
from pfnlab.trace import Event

#: What an operation can leave behind that is seen only while it runs, and which kernel message says so.
FREED_WRONGLY, WARNED, FORK_LEFT = "freed wrongly", "warned", "fork left something"
_MESSAGES = (("freeing invalid memtype", FREED_WRONGLY), ("WARNING", WARNED))

#: Areas a state can name: those in use, and one more.
_NAMED_AREAS = 24


class KernelState(NamedTuple):
    """A kernel after a sequence of operations.

    :param value: the kernel, under canonical names (:func:`pfnlab.checker.kernel.frozen.freeze`)
    :param facts: what the last operation did that nothing in the kernel shows any more
    """

    value: bytes
    facts: tuple[str, ...] = ()


class Performed(NamedTuple):
    """What one operation did.

    :param result: ``ok`` or an errno
    :param facts: as in :class:`KernelState`
    :param log: the kernel's messages
    :param events: what it did, in order
    """

    result: str
    facts: tuple[str, ...]
    log: list[str]
    events: list[Event]


class KernelModel:
    """
    One modelled kernel and a scope.

    :param machine: profile and policies
    :param symmetry: states that differ only in what tasks and areas are called are one
    :ivar outcomes: how often each kind of operation has ended how, by its word and ``ok`` or an errno
    :ivar unmodelled: steps the model has no rule for, by what it said; they are left out
    """

    def __init__(self, machine: ModelMachine, scope: Scope, *, symmetry: bool = True) -> None:
        self.machine, self.scope = machine, scope
        self._symmetry = symmetry
        tried = [one.op for one in scope.templates]
        self._platform, devices, whole = place(scope.program("", "", tried))
        areas = {area_name(number): (area_base(number), scope.pages) for number in range(_NAMED_AREAS)}
        self.places = Places(devices, areas, whole)
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.unmodelled: Counter[str] = Counter()
        #: What was met where a search that goes on here was begun.
        self._unmet: Set[int] = frozenset()
        #: What was made last, until the next step out of the same state is taken.
        self._live: tuple[KernelState, Kernel] | None = None
        self._moment: tuple[KernelState, StateView] | None = None
        self._meet_everything()

    def initial(self) -> Iterable[KernelState]:
        """A kernel that has just booted, with one task."""
        yield self.frozen(self.booted())

    def successors(self, state: KernelState) -> Iterable[tuple[ScopeStep, KernelState]]:
        """Every operation of the scope there is something to do for."""
        kernel = self.thawed(state)
        before, guards = Mark(kernel, constant=(kernel.profile, kernel.platform)), guards_of(kernel)
        for op in list(operations(kernel, self.scope)):
            try:
                did = self._performed(kernel, op, state, guards)
            except Undecided as unknown:
                self.unmodelled[str(unknown)] += 1
            else:
                after = self.frozen(kernel, did.facts)
                self._live = (after, kernel)
                yield ScopeStep(op), after
                self._live = self._moment = None
            before.restore()

    def _performed(self, kernel: Kernel, op: Op, state: KernelState, guards: list[Guard]) -> Performed:
        """Do *op* in *kernel*, and where a policy is the user's own, once more in another kernel like it.

        :param guards: those around own policies of *kernel*
        :raises PolicyError: the policy breaks its protocol, or does not do the same twice
        """
        for guard in guards:
            guard.made.clear()
        try:
            did = self.perform(kernel, op)
            check_own(kernel)
            if guards:
                again = self.thawed(state)
                self.outcomes[ScopeStep(op).kind, self.perform(again, op).result] -= 1
                check_own(again)
                for one, other in zip(guards, guards_of(again), strict=True):
                    check_deterministic(one.path, one.made, other.made)
        except PolicyError as wrong:
            raise PolicyError(wrong.path, wrong.hook, f"{wrong.what} (at `{op_text(op)}`)") from None
        return did

    def key(self, state: KernelState) -> bytes:
        """A state is its own key: names are canonical in it."""
        # The value says itself where it ends, so nothing else reads the same.
        return state.value + marshal.dumps(state.facts, 2) if state.facts else state.value

    def packed(self, state: KernelState) -> tuple[Any, ...]:
        return tuple(state)

    def unpacked(self, packed: Any) -> KernelState:
        match packed:
            case (bytes() as value, tuple() as facts):
                return KernelState(check_frozen(value, self._unmet - met()), facts)
        raise ValueError("no state of a kernel")

    def tallies(self) -> tuple[Any, ...]:
        return *tallies(self.outcomes, self.unmodelled), tuple(met())

    def recall(self, kept: Any) -> None:
        *counts, numbers = kept
        recall(counts, self.outcomes, self.unmodelled)
        self._unmet = frozenset(numbers)

    def moment(self, state: KernelState) -> StateView:
        """*state*, to be looked at."""
        if self._moment is None or self._moment[0] is not state:
            live = self._live[1] if self._live is not None and self._live[0] is state else self.thawed(state)
            self._moment = (state, StateView(live, state.facts, self.outcomes))
        return self._moment[1]

    def ops(self, path: Path[KernelState]) -> list[Op]:
        """The operations along *path*, in the names of one program."""
        kernel, renaming, done = self.booted(), Renaming(), []
        for action in path.actions:
            assert isinstance(action, ScopeStep)
            op = renaming.op(action.op, kernel, Naming(kernel, symmetry=self._symmetry))
            done.append(op)
            OneByOne(kernel, self.places).step(op)
        return done

    def program(self, path: Path[KernelState], title: str, asks: str) -> Program:
        """*path* as a program any machine can run."""
        return self.scope.program(title, asks, self.ops(path))

    def breaks(self, ops: Sequence[Op], judge: Judge) -> bool:
        """Whether *judge* says no of the kernel the last of *ops*, in the names of a program, leaves."""
        program = self.scope.program("", "", ops)
        kernel, places = self.booted(), Places.of(program, self.places.devices)
        facts: tuple[str, ...] = ()
        try:
            for op in ops:
                if op.task not in kernel.tasks:
                    return False
                facts = self.perform(kernel, op, replace(places, whole=self.places.whole)).facts
        except Undecided:
            return False
        return judge(StateView(kernel, facts, self.outcomes)) is False

    def perform(self, kernel: Kernel, op: Op, places: Places | None = None) -> Performed:
        """Do *op* in *kernel*, where every message that is given once may be given again.

        :param places: where its names lie; the model's own where it is an operation of a state
        :raises Undecided: the model has no rule for it
        """
        kernel.warned.clear()
        kernel.book.warned = frozenset()
        fork = isinstance(op.call, Fork)
        before = _before_fork(kernel) if fork else None
        said = OneByOne(kernel, places or self.places).step(op)
        self.outcomes[ScopeStep(op).kind, said.result] += 1
        events, log = kernel.trace.take()
        facts = [fact for text, fact in _MESSAGES if any(text in line for line in log)] if log else []
        if fork and said.result != "ok" and _before_fork(kernel) != before:
            facts.append(FORK_LEFT)
        return Performed(said.result, tuple(facts), log, events)

    def frozen(self, kernel: Kernel, facts: tuple[str, ...] = ()) -> KernelState:
        """The state *kernel* is in."""
        return KernelState(freeze(kernel, Naming(kernel, symmetry=self._symmetry)), facts)

    def thawed(self, state: KernelState) -> Kernel:
        """A kernel in *state*."""
        return thaw(state.value, lambda: self.machine.boot(self._platform, self.places.devices))

    def booted(self) -> Kernel:
        """A kernel just booted, with one task."""
        kernel = self.machine.boot(self._platform, self.places.devices)
        kernel.start_task(MAIN_TASK)
        return kernel

    def _meet_everything(self) -> None:
        """Make every file a scope can map once, so that all processes of a search know it by its number."""
        for template in self.scope.templates:
            if isinstance(template.op.call, Mmap):
                kernel = self.booted()
                try:
                    OneByOne(kernel, self.places).step(_renamed(template.op, area_name(0)))
                except Undecided:
                    continue
                freeze(kernel)


def _renamed(op: Op, area: str) -> Op:
    assert isinstance(op.call, Mmap)
    call = op.call
    named = Mmap(
        *(area, call.source, call.via, call.shared, call.prot, call.populate, call.locked, None, call.driver)
    )
    return Op(named, op.task)


def _before_fork(kernel: Kernel) -> object:
    """What a fork that fails must leave as it was: tasks, mappings and the book."""
    mms = [[(vma.start, vma.end, vma.flags) for vma in task.mm] for task in kernel.tasks.values()]
    return mms, sorted(kernel.book.entries()), len(kernel.i_mmap)
