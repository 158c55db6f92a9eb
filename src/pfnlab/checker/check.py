"""One check: a model, a scope, properties, and what the search says of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path as File
from typing import Any

import msgspec

from pfnlab.checker.kernel.domain import KernelModel
from pfnlab.checker.kernel.properties import Question, properties, questions
from pfnlab.checker.kernel.scope import RaceScope, Scope
from pfnlab.checker.races import schedules
from pfnlab.checker.races.properties import race_properties
from pfnlab.checker.races.race import RaceModel
from pfnlab.checker.replay import path_text
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.path import Path
from pfnlab.checker.search.property import Property
from pfnlab.checker.search.random_walks import simulate
from pfnlab.checker.untaken import PolicyWatch
from pfnlab.hw.platform import qemu_q35
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.shrink import shrunk
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.units import number_of

#: Steps of a random walk through schedules.
_WALK = 60

#: What a search says of a property: the words of ``check --json``.
HOLDS, VIOLATED, UNDECIDED = "holds", "violated", "undecided"


class CheckLimits(msgspec.Struct, frozen=True):
    """When to end before everything was seen.

    :param depth: operations in a row instead of the scope's own
    :param memory: bytes for visited states; what is more goes to disk
    :param walks: walk at random so often, instead of trying everything
    :param seed: which walks
    :param checkpoint: a file the search is written to when it is cut, and goes on from where it exists
    :param every_order: of races, look also at orders that cannot matter
    """

    depth: int | None = None
    states: int | None = None
    seconds: float | None = None
    memory: int | None = None
    checkpoint: File | None = None
    walks: int | None = None
    seed: int = 0
    every_order: bool = False

    @property
    def whole_ways(self) -> bool:
        """Whether a search has to know every way to a state, which partial-order reduction leaves out."""
        return self.every_order or (self.depth, self.memory, self.checkpoint) != (None, None, None)


#: To the depth of the scope, and to the end.
UNLIMITED = CheckLimits()


class PropertyResult(msgspec.Struct, frozen=True):
    """What was found about one property.

    :param verdict: :data:`HOLDS`, :data:`VIOLATED` or :data:`UNDECIDED`; ``sometimes`` holds where it was
        reached, and is violated where it never was
    :param arose: in how many states its question arose; none of them makes a verdict worth nothing
    :param path: the way to the state that decided, as :func:`pfnlab.checker.search.path.path_of` reads it
    :param program: the same as a program; for a race one with a held task, where one suffices
    :param schedule: for a race: who goes on where, turn by turn
    :param replay: the way with all that is needed to go it again (:mod:`pfnlab.checker.replay`)
    """

    name: str
    kind: str
    asks: str
    verdict: str
    arose: int
    path: str | None = None
    program: Program | None = None
    schedule: tuple[str, ...] = ()
    replay: str | None = None

    @property
    def vacuous(self) -> bool:
        """Whether it holds only because its question never arose."""
        return self.verdict == HOLDS and self.kind == "always" and not self.arose

    @property
    def length(self) -> int | None:
        """How long what breaks it is, in turns of a schedule or operations; None where nothing does."""
        if self.verdict != VIOLATED:
            return None
        return len(self.schedule) or (len(self.program.ops) if self.program is not None else 0)


class CheckResult(msgspec.Struct, frozen=True):
    """What one machine's check came to.

    :param machine: as the user named it
    :param depth: the bound on operations in a row
    :param complete: whether every state within the bound was seen
    :param cut: what was left out, one reason each
    :param fired: for every operation how often it ended how, as ``{"munmap": {"ok": 12, "EPERM": 1}}``
    :param untaken: branches of the policies that were never taken; None where nobody looked
    """

    machine: str
    scope: str
    states: int
    transitions: int
    depth: int
    complete: bool
    cut: tuple[str, ...]
    answers: tuple[PropertyResult, ...]
    fired: dict[str, dict[str, int]]
    seconds: float
    untaken: tuple[str, ...] | None = None

    @property
    def rate(self) -> float:
        """Distinct states a second."""
        return self.states / self.seconds if self.seconds else 0.0

    def answered(self, verdict: str) -> list[PropertyResult]:
        """The properties with that verdict."""
        return [one for one in self.answers if one.verdict == verdict]


def check(
    machine: ModelMachine,
    scope: Scope | RaceScope,
    asked: Sequence[Question] | None = None,
    limits: CheckLimits = UNLIMITED,
    *,
    progress: Callable[[Exploration[Any]], None] | None = None,
    watch: bool = False,
) -> CheckResult:
    """Try every sequence of the scope's operations on *machine*, and hold *asked* against what is reached.

    In a scope of races, every schedule of its operations.

    :param asked: all questions that make sense in the scope when None
    :param watch: also say which branches of the policies were never taken; takes about twice as long
    """
    asked = questions(scope=scope) if asked is None else asked
    model: KernelModel | RaceModel
    held: list[Property[Any]]
    if isinstance(scope, RaceScope):
        model, held, depth = RaceModel(machine, scope), list(race_properties(asked)), limits.depth
    else:
        model = KernelModel(machine, scope)
        held, depth = list(properties(model, asked)), limits.depth or scope.depth
    watching = PolicyWatch(machine.boot(qemu_q35(), {}))
    with watching if watch else nullcontext():
        if limits.walks is not None:
            found = simulate(
                model,
                held,
                seed=limits.seed,
                walks=limits.walks,
                length=depth or _WALK,
                seconds=limits.seconds,
            )
        else:
            found = _explored(model, held, depth, limits, progress)
    cut = [reason for reason in found.cut if not reason.startswith("depth:")]
    cut += [
        f"no rule: {reason} ({number_of(count, 'step')} left out)"
        for reason, count in model.unmodelled.items()
    ]
    # Before counterexamples are gone through once more.
    fired = _fired(model)
    answers = tuple(_answer(model, found, question, complete=not cut) for question in asked)
    return CheckResult(
        f"model:{machine.spec}",
        scope.name,
        found.states,
        found.transitions,
        found.depth if depth is None else depth,
        not cut,
        tuple(cut),
        answers,
        fired,
        found.seconds,
        tuple(map(str, watching.untaken())) if watch else None,
    )


def _explored(
    model: KernelModel | RaceModel,
    held: list[Property[Any]],
    depth: int | None,
    limits: CheckLimits,
    progress: Callable[[Exploration[Any]], None] | None,
) -> Exploration[Any]:
    if isinstance(model, RaceModel) and not limits.whole_ways:
        return schedules.search(model, held, states=limits.states, seconds=limits.seconds, progress=progress)
    return explore(
        model,
        held,
        depth=depth,
        states=limits.states,
        seconds=limits.seconds,
        memory=limits.memory,
        keep="compact",
        progress=progress,
        save=limits.checkpoint,
        resume=limits.checkpoint if limits.checkpoint and limits.checkpoint.exists() else None,
    )


def _answer(
    model: KernelModel | RaceModel, found: Exploration[Any], question: Question, *, complete: bool
) -> PropertyResult:
    path = found.discoveries.get(question.name)
    always = question.kind == "always"
    if path is not None:
        verdict = VIOLATED if always else HOLDS
    elif not complete:
        verdict = UNDECIDED
    else:
        verdict = HOLDS if always else VIOLATED
    program = None
    # The state no operation led to has no program.
    if path is not None and always and path.actions:
        program = counterexample(model, path, question)
    arose = found.premises[question.name] if always else int(path is not None)
    way = path.encode() if path is not None else None
    schedule: tuple[str, ...] = ()
    if path is not None and always and isinstance(model, RaceModel):
        schedule = tuple(map(str, path.actions))
    again = None
    if path is not None and path.actions:
        source = model.scope.source or model.scope.name
        again = path_text(f"model:{model.machine.spec}", source, question.name, path)
    return PropertyResult(
        question.name, question.kind, question.asks, verdict, arose, way, program, schedule, again
    )


def counterexample(model: KernelModel | RaceModel, path: Path[Any], question: Question) -> Program | None:
    """The program that breaks a property; one found at random is made shorter first."""
    title = f"{question.name} on model:{model.machine.spec}"
    program = model.program(path, title, f"What breaks this: {question.asks}?")
    if program is None or isinstance(model, RaceModel):
        return program
    return shrunk(program, lambda one: model.breaks(one.ops, question.judge))


def _fired(model: KernelModel | RaceModel) -> dict[str, dict[str, int]]:
    fired: dict[str, dict[str, int]] = {}
    for (kind, result), count in sorted(model.outcomes.items()):
        fired.setdefault(kind, {})[result] = count
    return fired
