"""Difference search: the shortest program on which two models do not do the same.

Both models do every operation and are compared after each: the result, the kernel log, the content of the
book, the mappings with their cache modes, and the entries that walkers take for ordinary pages. The search
expands only states in which they still agree.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, field

from pfnlab.base.errors import Undecided
from pfnlab.base.result import Count, Made, Outcome, Result
from pfnlab.checker.scopes.domain import KernelModel, KernelState, OperationEffect, without_rule
from pfnlab.checker.scopes.mark import Mark
from pfnlab.checker.scopes.operations import ScopeStep, operations
from pfnlab.checker.scopes.scope import Scope
from pfnlab.checker.search.exploration import Exploration, Property, always
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.path import Path
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.readers import normal_runs
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.lang.problems import program_text
from pfnlab.programs.model.model_machine import ModelMachine


class Both(NamedTuple):
    """Two kernels after the same operations.

    :param differ: the fields in which the last operation differed; empty while the kernels agree
    """

    first: KernelState
    second: KernelState
    differ: tuple[str, ...] = ()


class DifferResult(Result, frozen=True, kw_only=True, tag="pfnlab-differ/1"):
    """The result of a difference search.

    :param machines: the two models
    :param scope: the scope: its name or its file
    :param states: distinct pairs of states
    :param transitions: steps taken between states
    :param depth: the bound on operations in a row
    :param complete: whether every sequence within the bound was tried
    :param cut: what was left out, one reason each
    :param differ: the fields of the last step in which they part, of ``result``, ``log``, ``book``,
        ``mapped``, ``walked`` and ``flushes``; empty where they do the same
    :param text: the shortest program on which they part; null where they do the same
    :param seconds: what the search took, in seconds
    """

    machines: Annotated[tuple[str, ...], Meta(min_length=2, max_length=2)]
    scope: str
    states: Count
    transitions: Count
    depth: Count
    complete: bool
    cut: tuple[str, ...]
    differ: tuple[str, ...]
    text: str | None = field(name="program")
    seconds: float

    @property
    def program(self) -> Program | None:
        """The shortest program on which they part."""
        return None if self.text is None else load_text(self.text, "counterexample")

    @property
    def outcome(self) -> Outcome:
        """A difference is a fact, also where the search was cut."""
        if self.differ:
            return Outcome.DISCOVERY
        return Outcome.AS_EXPECTED if self.complete else Outcome.UNDECIDED


class BothModels:
    """Two models that do the same operations."""

    def __init__(
        self, first: ModelMachine, second: ModelMachine, scope: Scope, *, flushes: bool = False
    ) -> None:
        # Without symmetry: the two may sort their tasks differently.
        self.first = KernelModel(first, scope, symmetry=False)
        self.second = KernelModel(second, scope, symmetry=False)
        self._scope, self._flushes = scope, flushes
        self.unmodelled: Counter[str] = Counter()

    def initial(self) -> Iterable[Both]:
        """Two kernels just booted."""
        for first, second in zip(self.first.initial(), self.second.initial(), strict=True):
            yield Both(first, second)

    def successors(self, state: Both) -> Iterable[tuple[ScopeStep, Both]]:
        """Every operation, done by both; no operation once they differ."""
        if state.differ:
            return
        kernels = self.first.thawed(state.first), self.second.thawed(state.second)
        before = Mark(*kernels)
        for op in list(operations(kernels[0], self._scope)):
            try:
                yield ScopeStep(op), self._after(kernels, op)
            except Undecided as unknown:
                self.unmodelled[str(unknown)] += 1
            before.restore()

    def key(self, state: Both) -> tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[str, ...]]:
        """Both kernels."""
        return state.first.value, state.second.value, state.differ

    def program(self, path: Path[Both], title: str, asks: str) -> Program:
        """*path* as a program."""
        ops: list[Op] = self.first.ops(Path(path.start, path.choices, path.actions))
        return self._scope.program(title, asks, ops)

    def _after(self, kernels: tuple[Kernel, Kernel], op: Op) -> Both:
        effects = self.first.perform(kernels[0], op), self.second.perform(kernels[1], op)
        return Both(
            self.first.frozen(kernels[0]), self.second.frozen(kernels[1]), self._differ(kernels, effects)
        )

    def _differ(
        self, kernels: tuple[Kernel, Kernel], effects: tuple[OperationEffect, OperationEffect]
    ) -> tuple[str, ...]:
        fields: dict[str, list[Any]] = {
            "result": [effect.result for effect in effects],
            "log": [effect.log for effect in effects],
            "book": [kernel.book.entries() for kernel in kernels],
            "mapped": [_mapped(kernel) for kernel in kernels],
            "walked": [_walked(kernel) for kernel in kernels],
            "flushes": [effect.flushes if self._flushes else 0 for effect in effects],
        }
        return tuple(name for name, (left, right) in fields.items() if left != right)


def _mapped(kernel: Kernel) -> list[object]:
    """The entries of every task, with their cache modes."""
    mode_of = kernel.platform.pat.pgprot2cachemode
    return [
        [(run.start, run.end, run.pfn, mode_of(run.bits), run.page is None) for run in task.mm.tables.entries]
        for task in kernel.tasks.values()
    ]


def _walked(kernel: Kernel) -> list[object]:
    """For every mapping and every walker, the number of entries that the walker takes for ordinary pages."""
    return [
        [len(normal_runs(vma, walker)) for walker in kernel.walkers]
        for task in kernel.tasks.values()
        for vma in task.mm.vmas
    ]


def compare(
    first: ModelMachine,
    second: ModelMachine,
    scope: Scope,
    *,
    depth: int | None = None,
    seconds: float | None = None,
    flushes: bool = False,
) -> DifferResult:
    """Search for the shortest program on which *first* and *second* do not do the same."""
    models = BothModels(first, second, scope, flushes=flushes)
    agree: Property[Both] = always("agree", lambda state: not state.differ)
    bound = scope.depth if depth is None else depth or None
    found: Exploration[Both] = explore(models, [agree], depth=bound, seconds=seconds, stop_at_first=True)
    # At the first difference it was to stop.
    cut = (*(() if found.violated else found.passed), *without_rule(models.unmodelled))
    differ: tuple[str, ...] = ()
    text = None
    if (path := found.discoveries.get("agree")) is not None:
        title = f"model:{first.spec} and model:{second.spec} part here"
        program = models.program(path, title, "On which operations do the two differ?")
        differ, text = path.states(models)[-1].differ, program_text(program)
    return DifferResult(
        made=Made.now(),
        machines=(f"model:{first.spec}", f"model:{second.spec}"),
        scope=scope.name,
        states=found.states,
        transitions=found.transitions,
        depth=found.depth if bound is None else bound,
        complete=not cut,
        cut=cut,
        differ=differ,
        text=text,
        seconds=round(found.seconds, 3),
    )
