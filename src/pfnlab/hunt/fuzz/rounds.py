"""Rounds of programs: drawn or listed, given observation levels, and run on models; the next is drawn ahead.

Each round is biased by the coverage of earlier rounds, which is saved, so a resumed hunt draws the same
programs as an uninterrupted one.

The level depends on the program's number, so seed and index determine the program.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
from msgspec import Meta

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_line
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.conditions import Bias
from pfnlab.hunt.fuzz.coverage import Coverage, ModelProcesses
from pfnlab.hunt.fuzz.grammar import draw, is_rare
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel, look_named
from pfnlab.programs.runs.machine import Accel, Machine
from pfnlab.programs.runs.named_machines import (
    NamedMachine,
    fetch_missing,
    name_machine,
    open_machine,
    see_memory,
)
from pfnlab.programs.runs.observation import Run

if TYPE_CHECKING:
    from pfnlab.hunt.fuzz.hunt_state import HuntState

_M, _P, _E = LookLevel.MEMORY, LookLevel.PROC, LookLevel.END


class Looks(msgspec.Struct, frozen=True):
    """The observation levels of a hunt.

    :param levels: the levels; programs use them in turn, by program number
    """

    levels: Annotated[tuple[LookLevel, ...], Meta(min_length=1)] = (_P,)

    def of(self, index: int) -> LookLevel:
        """The level at which program *index* is observed."""
        return self.levels[index % len(self.levels)]

    def __str__(self) -> str:
        return "mixed" if len(self.levels) > 1 else self.levels[0]


#: Memory, which has no effect on the guest; used for cells.
IN_MEMORY = Looks((_M,))

#: Mostly memory, which has no effect on the guest; two programs in ten through /proc, one of them only at its
#: end.
MIXED = Looks((_M, _P, _M, _M, _E, _M, _P, _M, _M, _M))


def looking_named(text: str) -> Looks:
    """Read ``proc`` as that level, ``mixed`` as the default.

    :raises Misuse: if there is no such level
    """
    return MIXED if text == "mixed" else Looks((look_named(text),))


class Opened(NamedTuple):
    """The opened machines of a hunt.

    :ivar machines: by observation level and by name
    """

    looking: Looks
    machines: Mapping[LookLevel, dict[str, Machine]]


@contextmanager
def opened(
    named: Sequence[NamedMachine],
    looking: Looks | None,
    accel: Accel = Accel.TCG,
    guests: int | None = 1,
    usual: Looks = MIXED,
    *,
    blocks: bool = False,
) -> Iterator[Opened]:
    """Open the *named* machines for every observation level, fetching missing kernels.

    Their guests end with the block.

    :param looking: None for *usual* if every machine's memory can be observed, otherwise for /proc
    :param guests: number of guests per kernel; None for the number of processors
    :param blocks: whether kernels report the basic blocks that programs reach
    """

    # A kernel is one machine, whose guests can be observed at any level.
    kernels: dict[str, Machine] = {}

    def opened_at(machine: NamedMachine, level: LookLevel) -> Machine:
        if machine.kind == "model":
            return open_machine(machine, accel, level, guests, blocks=blocks)
        if machine.spec not in kernels:
            kernels[machine.spec] = open_machine(machine, accel, level, guests, blocks=blocks)
        return kernels[machine.spec]

    def at(level: LookLevel) -> dict[str, Machine]:
        return {machine.spec: opened_at(machine, level) for machine in named}

    fetch_missing(named)
    machines: dict[LookLevel, dict[str, Machine]] = {}
    if looking is None:
        machines[LookLevel.PROC] = at(LookLevel.PROC)
        looking = usual if see_memory(list(machines[LookLevel.PROC].values())) else Looks()
    machines = {level: machines.get(level) or at(level) for level in dict.fromkeys(looking.levels)}
    with ExitStack() as stack:
        for machine in kernels.values():
            if isinstance(machine, AbstractContextManager):
                stack.enter_context(machine)
        yield Opened(looking, machines)


def compared_together(
    specs: Sequence[str], profile: str | None = None, *, apart: bool = True
) -> list[list[str]]:
    """The machines for each hunt: all of *specs* if they include models, otherwise each kernel with its
    series' model.

    :param profile: the series whose behaviour is expected of a user's kernel
    :param apart: whether several kernels form separate hunts; otherwise only a single kernel gets its model
    :raises Misuse: if there is no such machine, or nothing to compare it with
    """
    named = [name_machine(spec, profile) for spec in specs]
    if any(machine.kind == "model" for machine in named) or (not apart and len(specs) > 1):
        if len(set(specs)) != len(specs) or len(specs) < 2:
            both = shell_line(("--on", specs[0], "--on", "qemu:7.2"))
            raise Misuse(f"a single machine cannot be compared: write {both}")
        return [list(specs)]
    groups = []
    for machine in dict.fromkeys(named):
        if machine.model is None:
            raise Misuse(f"there is no model for {machine.spec}: say --profile SERIES, or name a model too")
        groups.append([machine.model, machine.spec])
    return groups


def check_vocabulary(vocabulary: Vocabulary) -> None:
    """Check that a vocabulary is consistent.

    :raises Misuse: if leaves are required, but no operation creates them
    """
    if vocabulary.leaves and not vocabulary.has_leaves:
        raise Misuse("only mappings of the driver and of vfio-pci have leaves: add --driver, --vfio or both")


#: The number of programs drawn with the same bias and run together.
ROUND = 250

#: The number of cells run together, kept low so that progress is visible.
CELLS = 40

#: The number of programs with new coverage that are kept as prefixes of later programs.
PREFIXES = 64

#: The thread switch interval, in seconds, while a round is drawn ahead.
_SWITCH = 0.0005


def end_of_round(index: int, together: int) -> int:
    """The index after the last program in the round that contains program *index*."""
    return (index // together + 1) * together


@dataclass
class DrawnRound:
    """The programs in a round with their runs on models, and the coverage after them.

    :param extent: the index of the first program, and the one after the last
    :ivar runs: each program's runs by model name; empty if there is no model
    """

    extent: tuple[int, int]
    coverage: Coverage
    bias: Bias
    prefixes: list[Program]
    programs: list[Program] = field(default_factory=list)
    runs: list[Mapping[str, Run]] = field(default_factory=list)


class Drawing:
    """The rounds of one hunt.

    :param state: the state of the hunt, to which :meth:`round` adds the coverage
    :param models: the models that run each program first
    """

    def __init__(self, state: HuntState, models: ModelProcesses) -> None:
        self._state, self._models = state, models
        self.together = ROUND if state.cells is None else CELLS
        self._ahead: DrawnRound | None = None

    def round(self, end: int) -> DrawnRound:
        """The programs from the state's next one up to *end*; drawn now unless already drawn ahead."""
        state = self._state
        drawn, self._ahead = self._ahead, None
        if drawn is None or drawn.extent != (state.next, end):
            drawn = self._draw(state.next, end, state.coverage, state.bias, state.prefixes)
        state.coverage, state.bias, state.prefixes = drawn.coverage, drawn.bias, drawn.prefixes
        return drawn

    @contextmanager
    def ahead(self, start: int, end: int) -> Iterator[None]:
        """Draw the next round and run it on models while others work on this one.

        If programs are kept by blocks, the next round depends on this one, so it is not drawn ahead.
        """
        if not self._models.models or start % self.together or end <= start or self._state.by_blocks:
            yield
            return
        state, drawn = self._state, list[DrawnRound]()

        def draw_ahead() -> None:
            # An error is raised again when the round is due.
            with suppress(Exception):
                drawn.append(self._draw(start, end, state.coverage, state.bias, state.prefixes))

        thread = threading.Thread(target=draw_ahead, name="ahead", daemon=True)
        # A thread that waits for a guest's answer must not also wait for the model, which never pauses.
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
        """Draw programs and run them on models, without changing shared state."""
        if (cells := self._state.cells) is not None:
            # Cells are fixed, so coverage is not needed.
            drawn = DrawnRound((start, end), coverage, bias, list(prefixes))
            drawn.programs = [cells.program(index) for index in range(start, end)]
            drawn.runs = list(self._answers(start, drawn))
            return drawn
        if start % ROUND == 0:
            under = {condition: frozenset(rows) for condition, rows in coverage.under.items()}
            bias = Bias(frozenset(coverage.pairs), tuple(prefixes), under)
        state = self._state
        coverage = Coverage(
            *(dict(coverage.pairs), dict(coverage.words)),
            {condition: dict(rows) for condition, rows in coverage.under.items()},
            set(coverage.blocks),
        )
        drawn = DrawnRound((start, end), coverage, bias, list(prefixes))
        drawn.programs = [draw(state.seed, index, state.vocabulary, bias) for index in range(start, end)]
        self._ask_models(start, drawn)
        return drawn

    def _ask_models(self, start: int, drawn: DrawnRound) -> None:
        """Run *drawn* programs on models and record the coverage."""
        answers = self._answers(start, drawn)
        for index, (program, runs) in enumerate(zip(drawn.programs, answers, strict=True), start):
            first = [runs[name] for name in self._models.models[:1]]
            is_new = drawn.coverage.add(program, first)
            if first and is_new and not self._state.by_blocks:
                drawn.prefixes = with_prefix(drawn.prefixes, index, program)
            drawn.runs.append(runs)

    def _answers(self, start: int, drawn: DrawnRound) -> Iterator[dict[str, Run]]:
        levels = [self._state.looking.of(index) for index in range(start, drawn.extent[1])]
        return self._models.ask(list(zip(drawn.programs, levels, strict=True)))


def with_prefix(prefixes: Sequence[Program], index: int, program: Program) -> list[Program]:
    """The prefixes for later programs, including *program*, which has new coverage."""
    # A prefix must not force other programs into a separate guest.
    needs = program.needs
    if is_rare(index) or needs.slot or needs.reset or needs.past_end:
        return list(prefixes)
    return [*prefixes, program][-PREFIXES:]
