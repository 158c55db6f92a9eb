"""Two source trees measured alternately in one run, so that the ratios of their figures are meaningful."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol

from measuring import show

#: The option that starts a benchmark as a :class:`Worker`, and the option for another source tree.
SERVE, AGAINST = "--serve", "--against"


HERE, OTHER = "this tree", "the other"


class Worker:
    """
    A benchmark in its own process, with one tree's sources, that measures a round on request.

    :param script: the benchmark, which calls :func:`serve`
    :param tree: a source tree of pfnlab
    :param arguments: for the script
    """

    def __init__(self, script: Path, tree: Path, arguments: Sequence[str] = ()) -> None:
        path = os.pathsep.join([str(tree / "src"), str(Path(__file__).parents[1])])
        self._process = subprocess.Popen(
            [sys.executable, str(script), SERVE, *arguments],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def round(self) -> dict[str, float]:
        """Measure one round; return the seconds by name.

        :raises RuntimeError: if the worker ended
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker of a benchmark ended with status {self._process.wait()}")
        seconds: dict[str, float] = json.loads(line)
        return seconds

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(measure: Callable[[], Mapping[str, float]]) -> None:
    """Act as a worker: run a round for every line on standard input and print it as JSON."""
    answers = os.fdopen(os.dup(1), "w")
    # Other output goes where it does no harm.
    os.dup2(2, 1)
    for _ in sys.stdin:
        print(json.dumps(measure()), file=answers, flush=True)


class Measured(Protocol):
    """A subject that is measured in rounds."""

    def round(self) -> dict[str, float]:
        """Measure one round; return the figures by name."""


def rounds_in_turn(
    workers: Mapping[str, Measured], number: int, *, warm: bool = True
) -> dict[str, list[dict[str, float]]]:
    """Run *number* rounds of each, in alternating order.

    :param warm: whether a round that is dropped comes first
    """
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
    for at in range(0 if warm else 1, number + 1):
        for name in list(workers)[:: 1 if at % 2 else -1]:
            seconds = workers[name].round()
            if at:
                rounds[name].append(seconds)
    return rounds


def milliseconds(seconds: float) -> str:
    """A time as a cell of a table."""
    return f"{1e3 * seconds:.2f} ms"


def table(
    rounds: Mapping[str, Sequence[Mapping[str, float]]], cell: Callable[[float], str] = milliseconds
) -> list[list[str]]:
    """Return, for every figure, both medians, and the median, smallest and largest ratio in a round.

    :param cell: a figure as text, with its unit
    """
    here, other = rounds[HERE], rounds[OTHER]
    rows = []
    for name in here[0]:
        ratios = [there[name] / ours[name] for ours, there in zip(here, other, strict=True)]
        middles = [statistics.median(one[name] for one in side) for side in (here, other)]
        rows.append(
            [
                name,
                *map(cell, middles),
                f"{statistics.median(ratios):.2f}",
                f"{min(ratios):.2f} to {max(ratios):.2f}",
            ]
        )
    return rows


def against(
    script: Path, tree: Path, other: Path, *, title: str, number: int, arguments: Sequence[str] = ()
) -> None:
    """Measure *tree* and *other* alternately, and print how much faster *tree* is."""
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(script, root, arguments))
            for name, root in ((HERE, tree), (OTHER, other))
        }
        rounds = rounds_in_turn(workers, number)
    show(title, ["", HERE, OTHER, "times as fast", "in the rounds"], table(rounds))
