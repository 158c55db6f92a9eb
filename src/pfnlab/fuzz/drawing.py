"""Rounds of random programs: drawn, and run on the first model; the next one while kernels run.

The coverage of the rounds before biases each round, so a resumed campaign draws the same programs as one
without an interruption.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pfnlab.fuzz.campaign_state import CampaignState
from pfnlab.fuzz.coverage import Coverage, watch_rules
from pfnlab.fuzz.grammar import Bias, draw, is_rare
from pfnlab.programs.lang.ops import Program, uses_reset, uses_slot
from pfnlab.programs.runs.look import LookLevel
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
class Drawn:
    """Programs of a round with their runs on the first model, and what is known when it has run them.

    :param extent: the index of the first program, and that behind the last
    :ivar runs: None for each program where there is no model
    """

    extent: tuple[int, int]
    coverage: Coverage
    bias: Bias
    prefixes: list[Program]
    programs: list[Program] = field(default_factory=list)
    runs: list[Run | None] = field(default_factory=list)


class Drawing:
    """The rounds of one campaign.

    :param state: the campaign's; :meth:`round` takes over what it covered
    :param model: the run of a program on the first model, None without one
    :param watched: whether to watch the branches of that model
    """

    def __init__(
        self, state: CampaignState, model: Callable[[Program, LookLevel], Run] | None, *, watched: bool
    ) -> None:
        self._state, self._model = state, model
        self._watch = watch_rules(state.coverage.branches) if watched and model is not None else None
        self._ahead: Drawn | None = None

    @property
    def watched(self) -> bool:
        """Whether branches are watched: of the first model, if there is one."""
        return self._watch is not None

    def round(self, end: int) -> Drawn:
        """The programs from the state's next one up to *end*, drawn ahead or now."""
        state = self._state
        drawn, self._ahead = self._ahead, None
        if drawn is None or drawn.extent != (state.next, end):
            drawn = self._draw(state.next, end, state.coverage, state.bias, state.prefixes)
        state.coverage, state.bias, state.prefixes = drawn.coverage, drawn.bias, drawn.prefixes
        return drawn

    @contextmanager
    def ahead(self, start: int, end: int) -> Iterator[None]:
        """While kernels run a round, draw the next one and run it on the model: it needs no kernel."""
        if self._model is None or start % ROUND or end <= start:
            yield
            return
        state, drawn = self._state, list[Drawn]()

        def draw_ahead() -> None:
            # Trouble comes again when it is the round's turn.
            with suppress(Exception):
                drawn.append(self._draw(start, end, state.coverage, state.bias, state.prefixes))

        thread = threading.Thread(target=draw_ahead, name="ahead", daemon=True)
        # Whoever waits for a guest's answer is not to wait for the model, which never pauses.
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
    ) -> Drawn:
        """Draw programs and run them on the first model; nothing that is handed over is changed."""
        if start % ROUND == 0:
            under = {condition: frozenset(rows) for condition, rows in coverage.under.items()}
            bias = Bias(frozenset(coverage.pairs), tuple(prefixes), under)
        state = self._state
        coverage = Coverage(
            *(dict(coverage.pairs), set(coverage.branches), dict(coverage.words)),
            {condition: dict(rows) for condition, rows in coverage.under.items()},
        )
        drawn = Drawn((start, end), coverage, bias, list(prefixes))
        drawn.programs = [draw(state.seed, index, state.vocabulary, bias) for index in range(start, end)]
        self._ask_model(start, drawn)
        return drawn

    def _ask_model(self, start: int, drawn: Drawn) -> None:
        """Run what was *drawn* on the first model and note the coverage; without a model each run is None."""
        if self._model is None:
            for program in drawn.programs:
                drawn.coverage.add(program, ())
            drawn.runs = [None] * len(drawn.programs)
            return
        for index, program in enumerate(drawn.programs, start):
            (level, *_) = self._state.looking.of(index)
            if self._watch is None:
                run = self._model(program, level)
            else:
                with self._watch:
                    run = self._model(program, level)
            is_new = drawn.coverage.add(program, [run], self._watch.seen if self._watch else ())
            # No prefix gives others a guest of their own.
            if is_new and not (is_rare(index) or uses_slot(program) or uses_reset(program)):
                drawn.prefixes = [*drawn.prefixes, program][-PREFIXES:]
            drawn.runs.append(run)
        if self._watch is not None:
            self._watch.settle()
