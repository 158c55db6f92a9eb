"""Several searches side by side, one process each: roots, scopes or designs that have nothing in common.

One search is never split: at a microsecond a step, handing half of all successors to another process costs
more than it gains. Whole searches share nothing, so two cores do twice as many.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, Generic, TypeVar

from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.model import Model, State
from pfnlab.checker.search.property import Property
from pfnlab.errors import Defect, PfnlabError, Undecided
from pfnlab.units import number_of

#: PR_SET_PDEATHSIG of <linux/prctl.h>; other systems have no such thing.
_SET_DEATH_SIGNAL = 1

Result = TypeVar("Result")


def side_by_side(
    jobs: Sequence[Callable[[], Result]], processes: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Run *jobs*, each in a process of its own, and give what they return, with their numbers, as they end.

    What a job returns is pickled, in a pipe only that process and this one have; the jobs themselves are not,
    for the processes are forks. An error in a job is raised here, and leaving early ends the jobs that still
    run, as does the end of this process.

    :param processes: at a time; as many as there are processors when None
    :raises Undecided: a process ended without an answer
    """
    limit = processes or len(os.sched_getaffinity(0))
    fork = multiprocessing.get_context("fork")
    waiting = list(enumerate(jobs))[::-1]
    running: dict[Connection, tuple[int, ForkProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < limit:
                number, job = waiting.pop()
                ours, theirs = fork.Pipe(duplex=False)
                process = fork.Process(target=_answer, args=(job, theirs, os.getpid()), daemon=True)
                process.start()
                theirs.close()
                running[ours] = number, process
            for end in wait(list(running)):
                assert isinstance(end, Connection)
                number, process = running.pop(end)
                yield number, _received(end, number, process)
    finally:
        for end, (_, process) in running.items():
            process.terminate()
            process.join()
            end.close()


def _answer(job: Callable[[], Result], end: Connection, maker: int) -> None:
    _end_with(maker)
    try:
        end.send((True, job()))
    except PfnlabError as error:
        end.send((False, error))
    except Exception:
        end.send((False, Defect(traceback.format_exc())))


def _end_with(maker: int) -> None:
    """Let SIGTERM end this process when *maker*, which forked it, is gone."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != maker:
        os.kill(os.getpid(), signal.SIGTERM)


def _received(end: Connection, number: int, process: ForkProcess) -> Any:
    try:
        good, answer = end.recv()
    except EOFError:
        process.join()
        raise Undecided(f"search {number} ended without an answer (exit {process.exitcode})") from None
    finally:
        end.close()
    process.join()
    if not good:
        raise answer
    return answer


class Root(Generic[State]):
    """A model that begins in one of its initial states only."""

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

    Pays when the initial states lead to different states: devices, designs, kernels. What several roots
    reach is searched, and number_of, several times; verdicts are those of one search.

    :param options: those of :func:`.explore.explore`, for each of the searches
    """
    jobs = [
        Searching(Root(model, number), properties, options) for number in range(len(list(model.initial())))
    ]
    found: list[Exploration[State]] = [Exploration(properties)] * len(jobs)
    for number, one in side_by_side(jobs, processes):
        one.properties = properties
        found[number] = one
    return merged(found, range(len(jobs)))


class Searching(Generic[State]):
    """A search as a job: called, it searches, and returns what can be pickled."""

    def __init__(
        self, model: Model[State], properties: Sequence[Property[State]], options: dict[str, Any]
    ) -> None:
        self._model, self._properties, self._options = model, properties, options

    def __call__(self) -> Exploration[State]:
        found = explore(self._model, self._properties, **self._options)
        # Properties are functions, and the caller has them.
        found.properties = ()
        return found


def merged(found: Sequence[Exploration[State]], roots: Sequence[int] | None = None) -> Exploration[State]:
    """One result of searches that asked the same of parts of one model.

    :param roots: for each search, which of the model's initial states it began in, see :class:`Root`
    :return: counts are sums: a state that several searches found counts once for each
    """
    total = Exploration(found[0].properties if found else ())
    for number, one in enumerate(found):
        total.states += one.states
        total.transitions += one.transitions
        total.expanded += one.expanded
        total.frontier += one.frontier
        total.depth = max(total.depth, one.depth)
        total.seconds = max(total.seconds, one.seconds)
        total.premises.update(one.premises)
        total.fired.update(one.fired)
        total.cut.extend(f"search {number}: {why}" for why in one.cut)
        size = max(len(total.growth), len(one.growth))
        padded = ([*growth, *[0] * (size - len(growth))] for growth in (total.growth, one.growth))
        total.growth = [a + b for a, b in zip(*padded, strict=True)]
        for name, way in one.discoveries.items():
            if roots is not None:
                way = type(way)(roots[number], way.choices, way.actions)
            before = total.discoveries.get(name)
            if before is None or len(way) < len(before):
                total.discoveries[name] = way
    total.note = f"{number_of(len(found), 'search', 'searches')}: a state counts once for each that found it"
    return total
