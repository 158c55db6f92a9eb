"""Rounds of random programs: drawn, and run on models; the next one while kernels run or runs are compared.

The coverage of the rounds before biases each round, so a resumed hunt draws the same programs as one
without an interruption.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pfnlab.fuzz.coverage import Coverage
from pfnlab.fuzz.grammar import Bias, draw, is_rare
from pfnlab.fuzz.hunt_state import HuntState
from pfnlab.fuzz.modelled import ModelProcesses
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run

#: The number of programs that are drawn with one bias, and run together by the machines.
ROUND = 250

#: The number of programs with new coverage that are kept as prefixes of later programs.
PREFIXES = 64

#: After how many seconds a thread lets another go on, while a round is drawn ahead.
_SWITCH = 0.0005


def end_of_round(index: int) -> int:
    """The index behind the last program of the round of program *index*."""
    return (index // ROUND + 1) * ROUND


@dataclass
class DrawnRound:
    """Programs of a round with their runs on models, and what is known when these have run them.

    :param extent: the index of the first program, and that behind the last
    :ivar runs: of each program by the name of the model; empty where there is none
    """

    extent: tuple[int, int]
    coverage: Coverage
    bias: Bias
    prefixes: list[Program]
    programs: list[Program] = field(default_factory=list)
    runs: list[Mapping[str, Run]] = field(default_factory=list)


class Drawing:
    """The rounds of one hunt.

    :param state: the hunt's; :meth:`round` takes over what it covered
    :param models: run each program first
    """

    def __init__(self, state: HuntState, models: ModelProcesses) -> None:
        self._state, self._models = state, models
        self._ahead: DrawnRound | None = None

    def round(self, end: int) -> DrawnRound:
        """The programs from the state's next one up to *end*, drawn ahead or now."""
        state = self._state
        drawn, self._ahead = self._ahead, None
        if drawn is None or drawn.extent != (state.next, end):
            drawn = self._draw(state.next, end, state.coverage, state.bias, state.prefixes)
        state.coverage, state.bias, state.prefixes = drawn.coverage, drawn.bias, drawn.prefixes
        return drawn

    @contextmanager
    def ahead(self, start: int, end: int) -> Iterator[None]:
        """While others work on a round, draw the next one and run it on models: it needs nothing of them."""
        if not self._models.models or start % ROUND or end <= start:
            yield
            return
        state, drawn = self._state, list[DrawnRound]()

        def draw_ahead() -> None:
            # Trouble comes again when it is the round's turn.
            with suppress(Exception):
                drawn.append(self._draw(start, end, state.coverage, state.bias, state.prefixes))

        thread = threading.Thread(target=draw_ahead, name="ahead", daemon=True)
        # A wait for a guest's answer is no wait for the model, which never pauses.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH)
        try:
            thread.start()
            yield
            thread.join()
        finally:
            sys.setswitchinterval(interval)
        self._ahead = drawn[0] if drawn else None

    def _draw(
        self, start: int, end: int, coverage: Coverage, bias: Bias, prefixes: Sequence[Program]
    ) -> DrawnRound:
        """Draw programs and run them on models; nothing that is handed over is changed."""
        if start % ROUND == 0:
            under = {condition: frozenset(rows) for condition, rows in coverage.under.items()}
            bias = Bias(frozenset(coverage.pairs), tuple(prefixes), under)
        state = self._state
        coverage = Coverage(
            *(dict(coverage.pairs), set(coverage.branches), dict(coverage.words)),
            {condition: dict(rows) for condition, rows in coverage.under.items()},
        )
        drawn = DrawnRound((start, end), coverage, bias, list(prefixes))
        drawn.programs = [draw(state.seed, index, state.vocabulary, bias) for index in range(start, end)]
        self._ask_models(start, drawn)
        return drawn

    def _ask_models(self, start: int, drawn: DrawnRound) -> None:
        """Run what was *drawn* on models and note the coverage."""
        levels = [self._state.looking.of(index)[0] for index in range(start, drawn.extent[1])]
        answers = self._models.ask(list(zip(drawn.programs, levels, strict=True)))
        for index, (program, answer) in enumerate(zip(drawn.programs, answers, strict=True), start):
            first = [answer.runs[name] for name in self._models.models[:1]]
            is_new = drawn.coverage.add(program, first, answer.branches)
            # No prefix gives others a guest of their own.
            if first and is_new and not (is_rare(index) or program.needs.slot or program.needs.reset):
                drawn.prefixes = [*drawn.prefixes, program][-PREFIXES:]
            drawn.runs.append(answer.runs)
