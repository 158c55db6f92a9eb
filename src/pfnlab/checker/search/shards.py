"""Several searches side by side, one process each: roots, scopes or designs that are independent.

Whole searches share nothing, so two cores do twice as many. One search is split only where a step takes much
longer than a pipe (:mod:`.expanders`): at a microsecond a step, handing half of all successors to another
process costs more than it gains.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, Generic, TypeVar

from pfnlab.checker.search.end_with import end_with
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.model import Model, State
from pfnlab.checker.search.property import Property
from pfnlab.errors import Defect, PfnlabError, Undecided
from pfnlab.units import number_of

Result = TypeVar("Result")


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


def side_by_side(
    jobs: Sequence[Callable[[], Result]], processes: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Run *jobs*, each in a process of its own, and give their results, with their numbers, as they end.

    The result of a job is pickled, in a pipe that only its process and this one have. The jobs themselves are
    not pickled, because the processes are forks. An error in a job is raised here. Jobs that still run end
    when the caller stops early, and when this process ends.

    :param processes: how many run at a time; None for the number of processors
    :raises Undecided: a process ended without an answer
    """
    limit = processes or processors()
    fork = multiprocessing.get_context("fork")
    waiting = list(enumerate(jobs))[::-1]
    running: dict[Connection, tuple[int, ForkProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < limit:
                number, job = waiting.pop()
                receiver, sender = fork.Pipe(duplex=False)
                process = fork.Process(target=_answer, args=(job, sender, os.getpid()), daemon=True)
                process.start()
                sender.close()
                running[receiver] = number, process
            for end in wait(list(running)):
                assert isinstance(end, Connection)
                number, process = running.pop(end)
                yield number, _result_of(end, number, process)
    finally:
        for end, (_, process) in running.items():
            process.terminate()
            process.join()
            end.close()


def _answer(job: Callable[[], Result], end: Connection, maker: int) -> None:
    end_with(maker)
    try:
        end.send((True, job()))
    except PfnlabError as error:
        end.send((False, error))
    except Exception:
        end.send((False, Defect(traceback.format_exc())))


def _result_of(end: Connection, number: int, process: ForkProcess) -> Any:
    try:
        succeeded, answer = end.recv()
    except EOFError:
        process.join()
        raise Undecided(f"search {number} ended without an answer (exit {process.exitcode})") from None
    finally:
        end.close()
    process.join()
    if not succeeded:
        raise answer
    return answer


class Root(Generic[State]):
    """A model with only one of its initial states."""

    def __init__(self, model: Model[State], number: int) -> None:
        self._model, self.number = model, number
        self.successors, self.key = model.successors, model.key

    def initial(self) -> Sequence[State]:
        return [list(self._model.initial())[self.number]]


def explore_roots(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    processes: int | None = None,
    **options: Any,
) -> Exploration[State]:
    """Search from each initial state of *model* by itself, side by side.

    It pays when the initial states lead to different states: devices, designs, kernels. States that several
    roots reach are searched, and counted, several times; the verdicts are those of one search.

    :param options: the options of :func:`.explore.explore`, for each search
    """
    jobs = [
        Searching(Root(model, number), properties, options) for number in range(len(list(model.initial())))
    ]
    results: list[Exploration[State]] = [Exploration(properties)] * len(jobs)
    for number, result in side_by_side(jobs, processes):
        result.properties = properties
        results[number] = result
    return merged(results, range(len(jobs)))


class Searching(Generic[State]):
    """A search as a job: when called, it searches and returns a result that can be pickled."""

    def __init__(
        self, model: Model[State], properties: Sequence[Property[State]], options: dict[str, Any]
    ) -> None:
        self._model, self._properties, self._options = model, properties, options

    def __call__(self) -> Exploration[State]:
        found = explore(self._model, self._properties, **self._options)
        # Properties are functions, and the caller has them.
        found.properties = ()
        return found


def merged(results: Sequence[Exploration[State]], roots: Sequence[int] | None = None) -> Exploration[State]:
    """One result of searches that judged the same properties on parts of one model.

    :param roots: for each search the number of its initial state in the model, see :class:`Root`
    :return: counts are sums: a state that several searches found counts once for each
    """
    total = Exploration(results[0].properties if results else ())
    for number, result in enumerate(results):
        total.states += result.states
        total.transitions += result.transitions
        total.expanded += result.expanded
        total.frontier += result.frontier
        total.depth = max(total.depth, result.depth)
        total.seconds = max(total.seconds, result.seconds)
        total.premises.update(result.premises)
        total.fired.update(result.fired)
        total.cut.extend(f"search {number}: {reason}" for reason in result.cut)
        size = max(len(total.growth), len(result.growth))
        padded = ([*growth, *[0] * (size - len(growth))] for growth in (total.growth, result.growth))
        total.growth = [a + b for a, b in zip(*padded, strict=True)]
        for name, way in result.discoveries.items():
            if roots is not None:
                way = type(way)(roots[number], way.choices, way.actions)
            discovery = total.discoveries.get(name)
            if discovery is None or len(way) < len(discovery):
                total.discoveries[name] = way
    total.note = (
        f"{number_of(len(results), 'search', 'searches')}: a state counts once for each that found it"
    )
    return total
