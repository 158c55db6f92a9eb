"""One check: a model, a scope, properties, and what the search says of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pfnlab.checker.domain import KernelModel
from pfnlab.checker.exploration import Exploration
from pfnlab.checker.explore import explore
from pfnlab.checker.path import Path
from pfnlab.checker.properties import Question, properties, questions, race_properties
from pfnlab.checker.property import Property
from pfnlab.checker.race import RaceModel
from pfnlab.checker.scope import RaceScope, Scope
from pfnlab.programs.model import ModelMachine
from pfnlab.programs.ops import Program

#: What a search says of a property: the words of ``check --json``.
HOLDS, VIOLATED, UNDECIDED = "holds", "violated", "undecided"


class Limits(msgspec.Struct, frozen=True):
    """When to end before everything was seen.

    :param depth: operations in a row instead of the scope's own
    """

    depth: int | None = None
    states: int | None = None
    seconds: float | None = None
    memory: int | None = None


class Answer(msgspec.Struct, frozen=True):
    """What was found about one property.

    :param verdict: :data:`HOLDS`, :data:`VIOLATED` or :data:`UNDECIDED`; ``sometimes`` holds where it was
        reached, and is violated where it never was
    :param arose: in how many states its question arose; none of them makes a verdict worth nothing
    :param path: the way to the state that decided, as :func:`pfnlab.checker.path.path_of` reads it
    :param program: the same as a program; for a race one with a held task, where one suffices
    :param schedule: for a race: who goes on where, turn by turn
    """

    name: str
    kind: str
    asks: str
    verdict: str
    arose: int
    path: str | None = None
    program: Program | None = None
    schedule: tuple[str, ...] = ()

    @property
    def vacuous(self) -> bool:
        """Whether it holds only because its question never arose."""
        return self.verdict == HOLDS and self.kind == "always" and not self.arose


class Checked(msgspec.Struct, frozen=True):
    """What one machine's check came to.

    :param machine: as the user named it
    :param depth: the bound on operations in a row
    :param complete: whether every state within the bound was seen
    :param cut: what was left out, one reason each
    :param fired: for every operation how often it ended how, as ``{"munmap": {"ok": 12, "EPERM": 1}}``
    """

    machine: str
    scope: str
    states: int
    transitions: int
    depth: int
    complete: bool
    cut: tuple[str, ...]
    answers: tuple[Answer, ...]
    fired: dict[str, dict[str, int]]
    seconds: float

    @property
    def rate(self) -> float:
        """Distinct states a second."""
        return self.states / self.seconds if self.seconds else 0.0

    def answered(self, verdict: str) -> list[Answer]:
        """The properties with that verdict."""
        return [one for one in self.answers if one.verdict == verdict]


def check(
    machine: ModelMachine,
    scope: Scope | RaceScope,
    asked: Sequence[Question] | None = None,
    limits: Limits = Limits(),  # noqa: B008 (a value that never changes)
    *,
    progress: Callable[[Exploration[Any]], None] | None = None,
) -> Checked:
    """Try every sequence of the scope's operations on *machine*, and hold *asked* against what is reached.

    In a scope of races, every schedule of its operations.

    :param asked: all questions that make sense in the scope when None
    """
    asked = questions(scope=scope) if asked is None else asked
    model: KernelModel | RaceModel
    held: list[Property[Any]]
    if isinstance(scope, RaceScope):
        model, held, depth = RaceModel(machine, scope), list(race_properties(asked)), limits.depth
    else:
        model = KernelModel(machine, scope)
        held, depth = list(properties(model, asked)), limits.depth or scope.depth
    found: Exploration[Any] = explore(
        model,
        held,
        depth=depth,
        states=limits.states,
        seconds=limits.seconds,
        memory=limits.memory,
        keep="compact",
        progress=progress,
    )
    cut = [reason for reason in found.cut if not reason.startswith("depth:")]
    cut += [f"no rule: {reason} ({count} steps left out)" for reason, count in model.unmodelled.items()]
    answers = tuple(_answer(model, found, question, complete=not cut) for question in asked)
    return Checked(
        f"model:{machine.spec}",
        scope.name,
        found.states,
        found.transitions,
        found.depth if depth is None else depth,
        not cut,
        tuple(cut),
        answers,
        _fired(model),
        found.seconds,
    )


def _answer(
    model: KernelModel | RaceModel, found: Exploration[Any], question: Question, *, complete: bool
) -> Answer:
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
        program = counterexample(model, path, question.name, question.asks)
    arose = found.premises[question.name] if always else int(path is not None)
    way = path.encode() if path is not None else None
    schedule: tuple[str, ...] = ()
    if path is not None and always and isinstance(model, RaceModel):
        schedule = tuple(map(str, path.actions))
    return Answer(question.name, question.kind, question.asks, verdict, arose, way, program, schedule)


def counterexample(model: KernelModel | RaceModel, path: Path[Any], name: str, asks: str) -> Program | None:
    """The program that breaks a property."""
    return model.program(path, f"{name} on model:{model.machine.spec}", f"What breaks this: {asks}?")


def _fired(model: KernelModel | RaceModel) -> dict[str, dict[str, int]]:
    fired: dict[str, dict[str, int]] = {}
    for (kind, result), count in sorted(model.outcomes.items()):
        fired.setdefault(kind, {})[result] = count
    return fired
