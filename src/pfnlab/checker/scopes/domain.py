"""The modelled kernel as a search model: states are kernels between operations, steps are operations."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import Defect, PolicyError, Undecided
from pfnlab.base.own_code import own_mistakes
from pfnlab.base.trace import Event
from pfnlab.base.units import number_of
from pfnlab.checker.scopes.frozen import freeze, thaw
from pfnlab.checker.scopes.mark import Mark
from pfnlab.checker.scopes.moment import (
    FORK_CHANGED,
    FORK_FAILED,
    FORK_LEFT,
    Judge,
    StateView,
    accounting_fact,
    facts_of,
    warn_again,
)
from pfnlab.checker.scopes.naming import Naming, Omissions, area_base
from pfnlab.checker.scopes.operations import Renaming, ScopeStep, area_name, operations
from pfnlab.checker.scopes.scope import Scope
from pfnlab.checker.search.model import CountingModel
from pfnlab.checker.search.path import Path
from pfnlab.kernel.hw.pgtable import LEAF_PAGES, EntryRun
from pfnlab.kernel.mm.flags import VM_SHARED
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.tracker import areas_in_any_order, zaps_in_any_order
from pfnlab.kernel.policies.boot import check_own, guard_own, has_own
from pfnlab.kernel.policies.guard import Guard, check_deterministic
from pfnlab.programs.lang.ops import MAIN_TASK, Fork, Mmap, Op, Program
from pfnlab.programs.lang.printer import op_text
from pfnlab.programs.lang.words import MAX_AREAS
from pfnlab.programs.model.execution import SequentialExecution
from pfnlab.programs.model.model_machine import ModelMachine, place
from pfnlab.programs.runs.places import Places


class KernelState(NamedTuple):
    """A kernel after a sequence of operations.

    :param value: the parts of the kernel, under canonical names (:func:`pfnlab.checker.scopes.frozen.freeze`)
    :param facts: effects of the last operation that the kernel no longer shows. They are judged, but no later
        step depends on them, so states that differ only in facts count as one
    """

    value: tuple[bytes, ...]
    facts: tuple[str, ...] = ()


class OperationEffect(NamedTuple):
    """The effect of one operation.

    :param facts: as in :class:`KernelState`
    :param needless: the number of unnecessary forced flushes
    """

    result: str
    facts: tuple[str, ...]
    log: list[str]
    events: list[Event]
    needless: int

    @property
    def flushes(self) -> int:
        """The number of translation flushes."""
        return sum(event.name in ("flush", "flush_all") for event in self.events)


class KernelModel(CountingModel):
    """One modelled kernel and a scope.

    :param symmetry: whether states that differ only in task and area names count as one
    :param merging: whether states that differ only in irrelevant details count as one, too: orders, and the
        location of an area (docs/states.md)
    """

    def __init__(
        self, machine: ModelMachine, scope: Scope, *, symmetry: bool = True, merging: bool = True
    ) -> None:
        super().__init__()
        self.machine, self.scope = machine, scope
        ops = [template.op for template in scope.templates]
        self._platform, devices, whole = place(scope.program("", "", ops))
        areas = {area_name(number): (area_base(number), scope.pages) for number in range(MAX_AREAS)}
        self.places = Places(devices, areas, whole)
        #: The last state created, with its kernel, until the next step from the same state.
        self._live: tuple[KernelState, Kernel] | None = None
        self._moment: tuple[KernelState, StateView] | None = None
        self._own = has_own(machine.profile)
        #: Operations and results for which a user-defined policy has been watched. Kept separately from
        #: ``outcomes``, which is emptied during a search on several processors.
        self._watched_kinds: set[tuple[str, str]] = set()
        self._register_files()
        tracker = type(self.booted().tracker)
        self._omissions = _all_omissions(scope, tracker) if merging else Omissions(orders=False)
        if not symmetry:
            self._omissions = self._omissions._replace(names=False)

    def initial(self) -> Iterable[KernelState]:
        """A freshly booted kernel with one task."""
        yield self.frozen(self.booted())

    def successors(self, state: KernelState) -> Iterable[tuple[ScopeStep, KernelState]]:
        """Every operation in the scope that can be tried in *state*, with the state after it."""
        kernel = self.thawed(state)
        mark = Mark(kernel, constant=(kernel.profile, kernel.platform))
        for op in list(operations(kernel, self.scope)):
            try:
                try:
                    effect = (
                        self._perform_checked(kernel, op, state) if self._own else self.perform(kernel, op)
                    )
                except Undecided as unknown:
                    self.unmodelled[str(unknown)] += 1
                else:
                    after = self.frozen(kernel, effect.facts)
                    self._live = (after, kernel)
                    yield ScopeStep(op), after
                    self._live = self._moment = None
            finally:
                # Do this even if no further step is requested: other kernels may share a file with this one.
                mark.restore()

    def _perform_checked(self, kernel: Kernel, op: Op, state: KernelState) -> OperationEffect:
        """Perform *op* with a user-defined policy, watching it the first time this kind of operation has this
        result.
        """
        kind = ScopeStep(op).kind
        try:
            with own_mistakes():
                effect = self.perform(kernel, op)
                check_own(kernel)
            if (kind, effect.result) not in self._watched_kinds:
                self._watched_kinds.add((kind, effect.result))
                first, second = self._watched(op, state), self._watched(op, state)
                for guard, repeat in zip(first, second, strict=True):
                    check_deterministic(guard.path, guard.made, repeat.made)
        except PolicyError as wrong:
            raise PolicyError(wrong.path, wrong.hook, f"{wrong.what} (at `{op_text(op)}`)") from None
        return effect

    def _watched(self, op: Op, state: KernelState) -> list[Guard]:
        """Perform *op* on a second kernel in *state*; return the guards of its policies."""
        kernel = self.thawed(state)
        guards = guard_own(kernel)
        self.outcomes[ScopeStep(op).kind, self.perform(kernel, op).result] -= 1
        return guards

    def key(self, state: KernelState) -> tuple[bytes, ...]:
        """The value of a state. Its names are canonical; its facts belong to the step that led to it and are
        left out.
        """
        return state.value

    def parts(self, state: KernelState) -> tuple[bytes, ...]:
        return state.value

    def composed(self, parts: tuple[bytes, ...]) -> KernelState:
        return KernelState(parts)

    def moment(self, state: KernelState) -> StateView:
        """*state* as a view, for judges."""
        if self._moment is None or self._moment[0] is not state:
            live = self._live[1] if self._live is not None and self._live[0] is state else self.thawed(state)
            self._moment = (state, StateView(live, state.facts))
        return self._moment[1]

    def ops(self, path: Path[KernelState]) -> list[Op]:
        """The operations along *path*, with the names used in one program.

        :raises Undecided: if a program has too few names for it
        """
        kernel, renaming, ops = self.booted(), Renaming(), []
        state = next(iter(self.initial()))
        for action in path.actions:
            assert isinstance(action, ScopeStep)
            op = renaming.op(action.op, kernel, self._naming_of(kernel, state))
            ops.append(op)
            SequentialExecution(kernel, self.places).step(op)
            in_state = self.thawed(state)
            SequentialExecution(in_state, self.places).step(action.op)
            state = self.frozen(in_state)
        return ops

    def _naming_of(self, kernel: Kernel, state: KernelState) -> Naming:
        """The naming that makes *kernel* equal to *state*; tasks and areas of equal shape are
        interchangeable.
        """
        for naming in self._naming(kernel).others():
            if freeze(kernel, naming) == state.value:
                return naming
        raise Defect("the operations of a path lead to another state in a fresh kernel")

    def program(self, path: Path[KernelState], title: str, asks: str) -> Program:
        """*path* as a program that any machine can run.

        :raises Undecided: if a program has too few names for it
        """
        return self.scope.program(title, asks, self.ops(path))

    def breaks(self, ops: Sequence[Op], judge: Judge) -> bool:
        """True if *judge* answers False for the kernel after *ops*, which use program names."""
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
        return judge(StateView(kernel, facts)) is False

    def perform(self, kernel: Kernel, op: Op, places: Places | None = None) -> OperationEffect:
        """Perform *op* in *kernel*.

        :param places: the addresses of its names; None for an operation on a state, which uses the model's
            addresses
        :raises Undecided: if the model has no rule for it
        """
        effect = performed(kernel, SequentialExecution(kernel, places or self.places), op)
        self.outcomes[ScopeStep(op).kind, effect.result] += 1
        return effect

    def _naming(self, kernel: Kernel) -> Naming:
        return Naming(kernel, self._omissions)

    def frozen(self, kernel: Kernel, facts: tuple[str, ...] = ()) -> KernelState:
        """The state of *kernel*."""
        return KernelState(freeze(kernel, self._naming(kernel)), facts)

    def thawed(self, state: KernelState) -> Kernel:
        """A kernel in *state*."""
        return thaw(state.value, lambda: self.machine.boot(self._platform, self.places.devices))

    def booted(self) -> Kernel:
        """A freshly booted kernel, with one task."""
        kernel = self.machine.boot(self._platform, self.places.devices)
        kernel.start_task(MAIN_TASK)
        return kernel

    def _register_files(self) -> None:
        """Freeze every file in the scope once, so that all processes in a search know the files' numbers."""
        for template in self.scope.templates:
            if isinstance(template.op.call, Mmap):
                kernel = self.booted()
                try:
                    SequentialExecution(kernel, self.places).step(_renamed(template.op, area_name(0)))
                except Undecided:
                    continue
                freeze(kernel)


def _all_omissions(scope: Scope, tracker: type) -> Omissions:
    """Everything that states in *scope* can omit on kernels with *tracker*."""
    ops = [template.op for template in scope.templates]
    leafless = scope.pages < LEAF_PAGES[2] and scope.thp is None
    return Omissions(
        zaps=zaps_in_any_order(tracker),
        starts=leafless,
        addresses=areas_in_any_order(tracker) and not any(_fails_midway(op) for op in ops),
        empty_tables=leafless and not any(_counts_tables(op) for op in ops),
    )


def _fails_midway(op: Op) -> bool:
    """True for a fork that fails after copying some of its VMAs."""
    return isinstance(op.call, Fork) and bool(op.fail or op.call.refused)


def _counts_tables(op: Op) -> bool:
    """True for an operation that fails at the n-th page table it creates."""
    return op.fail is not None and op.fail.function == "__pte_alloc"


def without_rule(unmodelled: Mapping[str, int]) -> list[str]:
    """The steps that the model has no rule for, as reasons why a search was cut off."""
    return [
        f"no rule: {reason} ({number_of(count, 'step')} left out)" for reason, count in unmodelled.items()
    ]


def _renamed(op: Op, area: str) -> Op:
    assert isinstance(op.call, Mmap)
    return Op(msgspec.structs.replace(op.call, name=area, over=None), op.task)


def performed(kernel: Kernel, running: SequentialExecution, op: Op) -> OperationEffect:
    """The effect of *op* in *kernel*.

    :raises Undecided: if the model has no rule for it
    """
    is_fork = isinstance(op.call, Fork) and op.task in kernel.tasks
    before = _BeforeFork(kernel, op) if is_fork else None
    effect = effect_of(kernel, lambda: running.step(op).result)
    if before is None:
        return effect
    return effect._replace(facts=(*effect.facts, *before.facts(kernel, effect.result)))


def effect_of(kernel: Kernel, step: Callable[[], str]) -> OperationEffect:
    """The effect of *step*, which returns its result, on *kernel*."""
    warn_again(kernel)
    flushed_before = kernel.trace.needless
    result = step()
    events, log = kernel.trace.take()
    facts = (*facts_of(log), *kernel.trace.take_misuses(), *accounting_fact(kernel))
    return OperationEffect(result, facts, list(log), events, kernel.trace.needless - flushed_before)


class _BeforeFork:
    """The kernel before a fork, with the parts that the fork must leave unchanged."""

    def __init__(self, kernel: Kernel, op: Op) -> None:
        self._state, self._parent = _fork_state(kernel), kernel.tasks[op.task].mm
        self._entries = _shared_entries(self._parent)
        forced = op.fail is not None or op.skip is not None or op.call.refused  # type: ignore[union-attr]
        self._may_fail = bool(forced) or op.task in kernel.doomed

    def facts(self, kernel: Kernel, result: str) -> Iterator[str]:
        """The facts about the fork, which ended with *result*."""
        if result != "ok":
            if _fork_state(kernel) != self._state:
                yield FORK_LEFT
            if not self._may_fail:
                yield FORK_FAILED
        if _shared_entries(self._parent) != self._entries:
            yield FORK_CHANGED


def _fork_state(kernel: Kernel) -> object:
    """The state that a failed fork must leave unchanged: tasks, mappings and the book."""
    mms = [[(vma.start, vma.end, vma.flags) for vma in task.mm] for task in kernel.tasks.values()]
    return mms, sorted(kernel.book.entries()), len(kernel.i_mmap)


def _shared_entries(mm: MmStruct) -> list[list[EntryRun]]:
    """The entries in shared mappings."""
    return [mm.tables.runs(vma.start, vma.end) for vma in mm.vmas if vma.flags & VM_SHARED]
