"""What models do with random programs, in several processes: their runs, and the branches they reach.

Each process watches the branches of the first model by itself. A process is given programs in their order, so
what it has seen before was reached by earlier programs, and is known where answers are put together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from pfnlab.fuzz.coverage import watch_rules
from pfnlab.fuzz.signature import undecided
from pfnlab.processes import Processes
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

#: Programs that a process is given at a time.
_TOGETHER = 5


class ModelAnswer(NamedTuple):
    """What models did with a program.

    :param runs: by the name of the model; of a program that the first has no answer for, only its run
    :param branches: what the first reached, without what the same process has told before
    """

    runs: Mapping[str, Run]
    branches: Collection[str]


class ModelProcesses:
    """Models that answer programs, in processes of their own; a context manager.

    :param models: their names, that of the first one first
    :param run: the run of one of them
    :param watched: whether to watch the branches of the first
    :param reached: branches that were seen already
    :param jobs: processes; with one there is none, and only the first model is asked
    """

    def __init__(
        self,
        models: Sequence[str],
        run: Callable[[str, Program, LookLevel], Run],
        *,
        watched: bool,
        reached: Iterable[str] = (),
        jobs: int = 1,
    ) -> None:
        self.models = models if jobs > 1 else models[:1]
        self._run = run
        self._watch = watch_rules(reached) if watched and models else None
        self._processes = Processes[tuple[tuple[Program, LookLevel], ...], list[tuple[Any, list[str]]]](
            self._answers, jobs, lambda programs: f"programs {programs[0][0].title} and behind"
        )

    @property
    def watched(self) -> bool:
        """Whether branches are watched: of the first model, if there is one."""
        return self._watch is not None

    @property
    def jobs(self) -> int:
        """How many processes there are; one is this one."""
        return self._processes.jobs

    def __enter__(self) -> ModelProcesses:
        self._processes.__enter__()
        if self.models:
            # Before there are guests, which would not end before these processes.
            self._processes.begin()
        return self

    def __exit__(self, *errors: object) -> None:
        self._processes.__exit__(*errors)

    def ask(self, asked: Sequence[tuple[Program, LookLevel]]) -> Iterator[ModelAnswer]:
        """The answers to programs, each looked at so, in their order."""
        if not self.models:
            yield from (ModelAnswer({}, ()) for _ in asked)
            return
        parcels = [tuple(asked[at : at + _TOGETHER]) for at in range(0, len(asked), _TOGETHER)]
        for answers in self._processes.each(parcels):
            for runs, branches in answers:
                if self.jobs > 1:
                    runs = msgspec.msgpack.decode(runs, type=dict[str, Run])
                yield ModelAnswer(runs, branches)

    def _answers(self, asked: Sequence[tuple[Program, LookLevel]]) -> list[tuple[Any, list[str]]]:
        answers: list[tuple[Any, list[str]]] = []
        for program, level in asked:
            runs, branches = self._first(program, level)
            if undecided(list(runs.values())) is None:
                runs |= {name: self._run(name, program, level) for name in self.models[1:]}
            # Packed it takes half the time that pickling takes.
            answers.append((msgspec.msgpack.encode(runs) if self.jobs > 1 else runs, branches))
        if self._watch is not None:
            self._watch.settle()
        return answers

    def _first(self, program: Program, level: LookLevel) -> tuple[dict[str, Run], list[str]]:
        name = self.models[0]
        if self._watch is None:
            return {name: self._run(name, program, level)}, []
        before = set(self._watch.seen)
        with self._watch:
            run = self._run(name, program, level)
        return {name: run}, sorted(self._watch.seen - before)
