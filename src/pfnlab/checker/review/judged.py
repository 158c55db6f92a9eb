"""Runs a program on one model and judges it after every operation by all state properties."""

import marshal
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import Undecided
from pfnlab.base.own_code import own_mistakes
from pfnlab.base.units import PAGE_SHIFT, number_of
from pfnlab.checker.scopes.domain import OperationEffect, effect_of, performed
from pfnlab.checker.scopes.frozen import freeze
from pfnlab.checker.scopes.mark import Mark
from pfnlab.checker.scopes.moment import StateView
from pfnlab.checker.scopes.properties import QUESTIONS
from pfnlab.checker.scopes.question import Question
from pfnlab.checker.scopes.race_judges import no_deadlock
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.memtype import MemtypeEntry
from pfnlab.kernel.mm.more.readers import normal_runs
from pfnlab.kernel.mm.processors import WaitsForeverError
from pfnlab.kernel.mm.walk_policy import Walkers
from pfnlab.programs.lang.ops import MAIN_TASK, Op, Program
from pfnlab.programs.model.execution import SequentialExecution
from pfnlab.programs.model.model_machine import ModelMachine, exit_all, place
from pfnlab.programs.runs.places import Places

#: The state properties that must hold.
ASKED: tuple[Question, ...] = tuple(question for question in QUESTIONS if question.kind == "always")

#: The last step, in which every task exits.
END = "end"


#: The result of an operation that waits for its own lock.
STUCK = "never returns"


class StepCosts(NamedTuple):
    """The costs of one operation.

    :param flushes: the number of flushes of translations
    :param needless: the number of unnecessary flushes: no frame that an owner may be told about had been
        removed, so the flush at the end was enough
    :param reservations: the number of reservation requests
    :param allocations: the number of memory allocations, each of which may fail
    """

    flushes: int
    needless: int
    reservations: int
    allocations: int


class SeenState(NamedTuple):
    """The parts of a state in which a design may differ without being wrong.

    :param book: the reservations
    :param entries: the entries of every task, with their cache modes
    :param walks: for each mapping and walker, the number of entries that the walker takes for ordinary pages
    """

    book: tuple[MemtypeEntry, ...]
    entries: tuple[tuple[tuple[int, int, int, CacheMode, bool], ...], ...]
    walks: tuple[int, ...]

    def words(self, part: str) -> str:
        """*part* in short, e.g. ``4 wc``: the number of pages in each cache mode."""
        pages = Counter[str]()
        if part == "walks":
            return number_of(sum(self.walks), "page")
        if part == "book":
            for one in self.book:
                pages[one.type.short] += (one.end - one.start) >> PAGE_SHIFT
        else:
            for start, end, _, mode, _ in (run for task in self.entries for run in task):
                pages[mode.short] += end - start
        return ", ".join(f"{count} {mode}" for mode, count in sorted(pages.items())) or "-"


#: The length of a state's digest.
STATE_BYTES = 16

#: The state within an operation, which is not observed.
NOTHING_SEEN = SeenState((), (), ())


class StepVerdict(NamedTuple):
    """The result of one operation, and the verdict on the state after it.

    :param result: ``ok``, an errno or :data:`STUCK`
    :param broken: the properties that the state after it violates
    """

    result: str
    broken: frozenset[str]
    log: tuple[str, ...]
    costs: StepCosts
    seen: SeenState


class JudgedState(NamedTuple):
    """The properties that a state violates, and what reviews compare of it."""

    broken: frozenset[str]
    seen: SeenState


#: A state that later steps depend on, as a digest of its value (:func:`state_of`); None if a policy stores
#: something that has no value.
StateDigest = bytes | None

#: What is known about states, by state and facts, as long as trackers, walkers and platform are the same.
KnownStates = dict[tuple[bytes, tuple[str, ...]], JudgedState]

#: The attribute of a tracker that judges use.
ASKED_OF_TRACKER = "tracked"


class JudgedKernel:
    """One model's kernel, for trying the operations in programs.

    :param program: the program that declares the devices and areas; its operations are not run
    :param walkers: the places whose walkers are run; all if empty
    :param known: the states judged so far, also of other kernels of *program*: equal ones are judged once;
        None if few states are equal, as in a single program
    :ivar state: the state after the last step; None without *known*
    """

    def __init__(
        self,
        machine: ModelMachine,
        program: Program,
        walkers: Sequence[str] = (),
        known: KnownStates | None = None,
    ) -> None:
        self._walkers = walkers
        platform, devices, whole = place(program)
        self.kernel: Kernel = machine.boot(platform, devices)
        self.kernel.start_task(MAIN_TASK)
        places = Places.of(program, devices)
        self._one_by_one = SequentialExecution(self.kernel, Places(**{**vars(places), "whole": whole}))
        self._known = known
        self.state: StateDigest = None
        #: The facts of the last step that its state does not show.
        self.facts: tuple[str, ...] = ()

    def mark(self) -> Mark:
        """A mark of the current state, for returning to it later."""
        return Mark(self.kernel, constant=(self.kernel.profile, self.kernel.platform))

    def run(self, op: Op | None) -> OperationEffect | None:
        """Perform *op*, and judge nothing; if it is None, let every task exit.

        :return: None if it waits for its own lock
        :raises Undecided: if the model has no rule for it
        """
        with own_mistakes():
            try:
                if op is None:
                    return effect_of(self.kernel, self._end)
                return performed(self.kernel, self._one_by_one, op)
            except WaitsForeverError:
                self.kernel.trace.take()
                return None

    def step(self, op: Op | None) -> StepVerdict:
        """Perform *op*; if it is None, let every task exit.

        :raises Undecided: if the model has no rule for it
        """
        before = self.kernel.failures.allocations
        effect = self.run(op)
        if effect is None:
            self.state, self.facts = None, ()
            return StepVerdict(STUCK, frozenset((no_deadlock.name,)), (), StepCosts(0, 0, 0, 0), NOTHING_SEEN)
        self.facts = effect.facts
        self.state, (broken, seen) = self._judged(effect.facts)
        reserved = sum(event.name == "memtype_reserve" for event in effect.events)
        allocated = self.kernel.failures.allocations - before
        costs = StepCosts(effect.flushes, effect.needless, reserved, allocated)
        return StepVerdict(effect.result, broken, tuple(map(str, effect.log)), costs, seen)

    def _judged(self, facts: tuple[str, ...]) -> tuple[StateDigest, JudgedState]:
        """The current state, and the judgement of it after a step with *facts*."""
        if self._known is None:
            return None, self._judge(facts)
        state = state_of(self.kernel)
        if state is None:
            return None, self._judge(facts)
        key = state, facts
        if key not in self._known:
            self._known[key] = self._judge(facts)
        return state, self._known[key]

    def _judge(self, facts: tuple[str, ...]) -> JudgedState:
        view = StateView(self.kernel, facts)
        if self._walkers:
            view.walkers = [getattr(self.kernel.walkers, place) for place in self._walkers]
        broken = frozenset(question.name for question in ASKED if question.judge(view) is False)
        return JudgedState(broken, seen(self.kernel))

    def _end(self) -> str:
        exit_all(self.kernel)
        return END


def state_of(kernel: Kernel) -> StateDigest:
    """The digest of *kernel*'s state, the same in every process; see :data:`StateDigest`."""
    try:
        state = freeze(kernel, counts=False)
    except Undecided:
        return None
    return blake2b(marshal.dumps(state, 2), digest_size=STATE_BYTES).digest()


def seen(kernel: Kernel) -> SeenState:
    """The parts of *kernel*'s state that reviews compare."""
    modes = kernel.platform.pat.pgprot2cachemode
    tasks = [task.mm for task in kernel.tasks.values()]
    return SeenState(
        tuple(kernel.book.entries()),
        tuple(
            tuple(
                (run.start, run.end, run.pfn, modes(run.bits), run.page is None) for run in mm.tables.entries
            )
            for mm in tasks
        ),
        tuple(len(normal_runs(vma, walker)) for mm in tasks for vma in mm.vmas for walker in kernel.walkers),
    )


def other_walkers(base: ModelMachine, design: ModelMachine) -> tuple[str, ...]:
    """The places where the two models' walkers differ; effects of other walkers are not due to the design.

    Empty if all walkers are the same, in which case all are run.
    """
    return tuple(
        place
        for place in Walkers._fields
        if getattr(base.profile.walkers, place) != getattr(design.profile.walkers, place)
    )


def judged(machine: ModelMachine, program: Program, walkers: Sequence[str] = ()) -> list[StepVerdict]:
    """The verdicts on every step of *program* and on its end, or only up to a step that never returns.

    :param walkers: the places whose walkers are run; all if empty
    :raises Undecided: if the model has no rule for a step
    """
    kernel = JudgedKernel(machine, program, walkers)
    steps: list[StepVerdict] = []
    for op in (*program.ops, None):
        steps.append(kernel.step(op))
        if steps[-1].result == STUCK:
            break
    return steps


def newly_broken(
    name: str, machine: ModelMachine, other: ModelMachine, program: Program, walkers: Sequence[str] = ()
) -> bool:
    """True if *machine* violates property *name* in a step of *program*, and *other* satisfies it up to that
    step.

    Operations that *machine* refuses but *other* performs are left out for *other*, too. For example, a
    refused fork leaves different mappings; with equal mappings, *other* might violate the property as well.

    :raises Undecided: if a model has no rule for a step
    """
    steps, others = (judged(one, program, walkers) for one in (machine, other))
    at, kept = breaks_at(steps, name), breaks_at(others, name)
    if at is None or (kept is not None and kept <= at):
        return False
    done = [
        op
        for op, step, one in zip(program.ops, steps[: at + 1], others, strict=False)
        if step.result == "ok" or one.result != "ok"
    ]
    if len(done) == min(at + 1, len(program.ops)):
        return True
    without = judged(other, msgspec.structs.replace(program, ops=tuple(done)), walkers)
    # The end of the program counts only if the violation shows nowhere else.
    shown = without if at == len(program.ops) else without[: len(done)]
    return breaks_at(shown, name) is None


def breaks_at(steps: Sequence[StepVerdict], name: str) -> int | None:
    """The first step after which the state violates property *name*, or None."""
    return next((at for at, step in enumerate(steps) if name in step.broken), None)
