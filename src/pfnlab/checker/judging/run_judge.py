"""Declarations of properties of a run's steps: each decorates its judge, which yields evidence."""

from collections.abc import Callable, Iterator
from typing import Generic, Literal, ParamSpec

from pfnlab.kernel.bugs.loss import Loss
from pfnlab.programs.runs.kernel_property import KernelProperty, documented

_Arguments = ParamSpec("_Arguments")

#: What a judge looks at.
JudgedPart = Literal["entries", "operations", "memory"]


class RunJudge(Generic[_Arguments]):
    """A judge of the steps of any machine's run.

    :ivar of: the property that it judges
    :ivar on: what it judges. Entries are a state, which violates the property once until it holds again; for
        operations, and for changes of memory, every time counts
    """

    def __init__(
        self, of: KernelProperty, judge: Callable[_Arguments, Iterator[str]], on: JudgedPart = "operations"
    ) -> None:
        self.of, self.on, self._judge = of, on, judge

    def __call__(self, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Iterator[tuple[str, str]]:
        """The evidence, each piece with the name of the property."""
        return ((self.of.name, text) for text in self._judge(*args, **kwargs))


def of_runs(
    *, happens: str, noticed: str, loss: Loss = Loss.PASSING, on: JudgedPart = "operations"
) -> Callable[[Callable[_Arguments, Iterator[str]]], RunJudge[_Arguments]]:
    """Declare the property that a function judges; its docstring begins with the property's sentence."""

    def declare(judge: Callable[_Arguments, Iterator[str]]) -> RunJudge[_Arguments]:
        of = KernelProperty(*documented(judge), happens=happens, noticed=noticed, loss=loss)
        return RunJudge(of, judge, on)

    return declare


def evidence_of(of: KernelProperty) -> Callable[[Callable[_Arguments, Iterator[str]]], RunJudge[_Arguments]]:
    """Let a function judge runs by a property of operations that is declared elsewhere."""
    return lambda judge: RunJudge(of, judge)
