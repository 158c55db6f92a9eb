"""Difference search: the shortest program on which two models do not do the same.

Both do every operation, side by side, and are compared after each: what it returned, what the kernel said,
what is in the book, what is mapped with which cache mode, and what walkers make of it. The search goes on
from where they still agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from pfnlab.checker.kernel.domain import KernelModel, KernelState, Performed
from pfnlab.checker.kernel.mark import Mark
from pfnlab.checker.kernel.operations import ScopeStep, operations
from pfnlab.checker.kernel.scope import Scope
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.path import Path
from pfnlab.checker.search.property import Property, always
from pfnlab.errors import Undecided
from pfnlab.mm.kernel import Kernel
from pfnlab.mm.readers import normal_runs
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.units import number_of


class Both(NamedTuple):
    """Two kernels after the same operations.

    :param differ: in what the last operation differed; empty while they agree
    """

    one: KernelState
    other: KernelState
    differ: tuple[str, ...] = ()


class Divergence(NamedTuple):
    """Where two models part.

    :param fields: in what, as ``result``, ``log``, ``book``, ``mapped``, ``walked`` or ``flushes``
    """

    program: Program
    fields: tuple[str, ...]


class DifferResult(NamedTuple):
    """What a difference search came to.

    :param difference: None where no sequence within the bound tells them apart
    :param complete: whether every sequence within the bound was tried
    """

    difference: Divergence | None
    states: int
    transitions: int
    depth: int
    complete: bool
    cut: tuple[str, ...]
    seconds: float


class BothModels:
    """Two models doing the same.

    :param flushes: whether how often they flush is compared too
    """

    def __init__(
        self, one: ModelMachine, other: ModelMachine, scope: Scope, *, flushes: bool = False
    ) -> None:
        # Without symmetry: the two may sort their tasks differently.
        self.one = KernelModel(one, scope, symmetry=False)
        self.other = KernelModel(other, scope, symmetry=False)
        self._scope, self._flushes = scope, flushes
        self.unmodelled: Counter[str] = Counter()

    def initial(self) -> Iterable[Both]:
        """Two kernels just booted."""
        for one, other in zip(self.one.initial(), self.other.initial(), strict=True):
            yield Both(one, other)

    def successors(self, state: Both) -> Iterable[tuple[ScopeStep, Both]]:
        """Every operation, done by both; none once they differ."""
        if state.differ:
            return
        kernels = self.one.thawed(state.one), self.other.thawed(state.other)
        before = Mark(*kernels)
        for op in list(operations(kernels[0], self._scope)):
            try:
                yield ScopeStep(op), self._after(kernels, op)
            except Undecided as unknown:
                self.unmodelled[str(unknown)] += 1
            before.restore()

    def key(self, state: Both) -> tuple[bytes, bytes, tuple[str, ...]]:
        """Both kernels."""
        return state.one.value, state.other.value, state.differ

    def program(self, path: Path[Both], title: str, asks: str) -> Program:
        """*path* as a program."""
        ops: list[Op] = self.one.ops(Path(path.start, path.choices, path.actions))
        return self._scope.program(title, asks, ops)

    def _after(self, kernels: tuple[Kernel, Kernel], op: Op) -> Both:
        did = self.one.perform(kernels[0], op), self.other.perform(kernels[1], op)
        return Both(self.one.frozen(kernels[0]), self.other.frozen(kernels[1]), self._differ(kernels, did))

    def _differ(self, kernels: tuple[Kernel, Kernel], did: tuple[Performed, Performed]) -> tuple[str, ...]:
        fields: dict[str, list[Any]] = {
            "result": [one.result for one in did],
            "log": [one.log for one in did],
            "book": [kernel.book.entries() for kernel in kernels],
            "mapped": [_mapped(kernel) for kernel in kernels],
            "walked": [_walked(kernel) for kernel in kernels],
            "flushes": [_flushes(one) if self._flushes else 0 for one in did],
        }
        return tuple(name for name, (one, other) in fields.items() if one != other)


def _flushes(did: Performed) -> int:
    """How often translations were flushed."""
    return sum(event.name in ("flush", "flush_all") for event in did.events)


def _mapped(kernel: Kernel) -> list[object]:
    """What every task has mapped, with which mode."""
    mode_of = kernel.platform.pat.pgprot2cachemode
    return [
        [(run.start, run.end, run.pfn, mode_of(run.bits), run.page is None) for run in task.mm.tables.entries]
        for task in kernel.tasks.values()
    ]


def _walked(kernel: Kernel) -> list[object]:
    """How many entries of every mapping each walker takes for ordinary pages."""
    return [
        [len(normal_runs(vma, walker)) for walker in kernel.walkers]
        for task in kernel.tasks.values()
        for vma in task.mm.vmas
    ]


def compare(
    one: ModelMachine,
    other: ModelMachine,
    scope: Scope,
    *,
    depth: int | None = None,
    seconds: float | None = None,
    flushes: bool = False,
) -> DifferResult:
    """Look for the shortest program on which *one* and *other* do not do the same."""
    models = BothModels(one, other, scope, flushes=flushes)
    agree: Property[Both] = always("agree", lambda state: not state.differ)
    bound = depth or scope.depth
    found: Exploration[Both] = explore(
        models, [agree], depth=bound, seconds=seconds, stop_at_first=True, keep="compact"
    )
    cut = tuple(reason for reason in found.cut if not reason.startswith(("depth:", "stopped")))
    cut += tuple(
        f"no rule: {reason} ({number_of(count, 'step')} left out)"
        for reason, count in models.unmodelled.items()
    )
    difference = None
    if (path := found.discoveries.get("agree")) is not None:
        title = f"model:{one.spec} and model:{other.spec} part here"
        program = models.program(path, title, "On which operations do the two differ?")
        difference = Divergence(program, path.states(models)[-1].differ)
    return DifferResult(difference, found.states, found.transitions, bound, not cut, cut, found.seconds)
