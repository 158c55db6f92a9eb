"""Replays a counterexample step by step, with the answer of its property for every state.

A path is a short text: machine, scope and property, then for each step its number among the possible steps,
with three letters that depend on all steps so far. The letters reveal steps that have changed since::

    pfnlab path 1: model:6.1 small no_leak 0/0tpr/2kfa/3bxd
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple

import msgspec

from pfnlab.base.errors import Discovery, Misuse
from pfnlab.base.inert import shell_line, shell_words
from pfnlab.base.result import ALWAYS, Outcome, Result
from pfnlab.base.units import number_of
from pfnlab.checker.races.race import RaceModel, RaceState, answers_by_op, race_properties
from pfnlab.checker.races.turns import Turn
from pfnlab.checker.scopes.domain import KernelModel
from pfnlab.checker.scopes.moment import StateView
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.question import Question
from pfnlab.checker.scopes.race_judges import told_free
from pfnlab.checker.scopes.scope import RaceScope, Scope, Template, load_scope
from pfnlab.checker.search.path import Path
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.places import Places

#: The beginning of a path, with the version of the path format.
TAG = "pfnlab path 1:"

_TAGGED = re.compile(r"pfnlab path (\S+):\s*(.*)", re.DOTALL)
_START = re.compile(r"[0-9]{1,9}")
_STEP = re.compile(r"([0-9]{1,9})([a-z]{3})")
_TITLE = re.compile(r"(\w+) on model:(\S+)")
_FORM = f"write it as check printed it: `{TAG} MODEL SCOPE PROPERTY 0/1abc/2def`"

#: The words for a state: the property does not apply, holds, is violated, is not yet reached, or is reached.
SILENT, KEPT, BROKEN, AHEAD, REACHED = "-", "holds", "VIOLATED", "not reached", "reached"


class ReplayDifference(Discovery):
    """A replay differs from the recording.

    :param step: the number of the step that differs, counted from 1
    """

    def __init__(self, step: int, difference: str) -> None:
        self.step = step
        super().__init__(f"step {step}: {difference}")


class RecordedPath(NamedTuple):
    """A recorded path.

    :param scope: a name or a file
    :param steps: each step's number, and the letters that depend on all steps so far
    """

    machine: str
    scope: str
    property: str
    start: int
    steps: tuple[tuple[int, str], ...]


class JudgedStep(msgspec.Struct, frozen=True):
    """A step, and the word for the state after it.

    :param step: the operation, or the turn of a race
    :param word: the verdict after it
    """

    step: str
    word: str = msgspec.field(name="says")


class ReplayResult(Result, frozen=True, kw_only=True, tag="pfnlab-replay/1"):
    """The replay of one counterexample or finding on one machine.

    :param title: the title of the replayed item
    :param machine: the machine that ran it
    :param steps: each step, and the observation after it
    :param same: whether it agrees with the recording
    :param verdict: the same, as a sentence
    :param decided: false if a machine was lost or cannot answer, so that nothing is known
    """

    title: str
    machine: str
    steps: tuple[JudgedStep, ...]
    same: bool
    verdict: str
    decided: Annotated[bool, ALWAYS] = True

    @property
    def outcome(self) -> Outcome:
        """A behaviour other than the recorded one is a discovery."""
        if not self.decided:
            return Outcome.UNDECIDED
        return Outcome.AS_EXPECTED if self.same else Outcome.DISCOVERY


def path_text(machine: str, scope: str, name: str, path: Path[Any]) -> str:
    """*path*, which decides property *name*, as text for :func:`read_path`."""
    letters = _letters(map(str, path.actions))
    steps = [f"{choice}{letter}" for choice, letter in zip(path.choices, letters, strict=True)]
    return f"{TAG} {shell_line((machine, scope, name))} {'/'.join([str(path.start), *steps])}"


def read_path(text: str) -> RecordedPath:
    """The path that :func:`path_text` wrote.

    :raises Misuse: if *text* is not a path, or has another version
    """
    form = _TAGGED.fullmatch(text.strip())
    if form is None:
        raise Misuse(f"{text!r} is not a path: {_FORM}")
    if form[1] != "1":
        raise Misuse(f"the path is of version {form[1]}, and this pfnlab reads version 1")
    try:
        machine, scope, name, way = shell_words(form[2])
    except ValueError:
        raise Misuse(f"{text!r} is not a path: {_FORM}") from None
    start, *steps = way.split("/")
    matches = [_STEP.fullmatch(step) for step in steps]
    if _START.fullmatch(start) is None or not steps or None in matches:
        raise Misuse(f"{way!r} is not a way: {_FORM}")
    return RecordedPath(
        machine, scope, name, int(start), tuple((int(match[1]), match[2]) for match in matches if match)
    )


class Replay:
    """A recorded path, replayed on the machine it was recorded on.

    :ivar title: one line that describes the replay
    :ivar program: its steps, with the names used in one program; None for a race
    :raises Misuse: if it names an unknown model, scope or property
    :raises ReplayDifference: if a step has changed
    """

    def __init__(self, recorded: RecordedPath) -> None:
        self._scope = load_scope(recorded.scope)
        self.question = _question(recorded.property, self._scope)
        self.title = f"scope {recorded.scope}: {self.question.name}, {self.question.asks}"
        model = self._model(recorded.machine)
        self._path = _retraced(model, recorded)
        self.program: Program | None = None
        if isinstance(model, KernelModel):
            self.program = model.program(self._path, self.question.name, self.question.asks)

    def on(self, machine: str) -> Iterator[JudgedStep]:
        """The steps on *machine*, which is a model.

        :raises ReplayDifference: if the machine has no such step
        """
        model = self._model(machine)
        if isinstance(model, RaceModel):
            (race_property,) = race_properties([self.question])
            for step, state in _schedule(model, self._path):
                yield JudgedStep(step, _word(race_property.kind, race_property.answer(state)))
        else:
            assert self.program is not None
            yield from _sequence(model, self.program, self.question)

    def _model(self, machine: str) -> KernelModel | RaceModel:
        model_machine = _model_machine(machine)
        if isinstance(self._scope, RaceScope):
            return RaceModel(model_machine, self._scope)
        return KernelModel(model_machine, self._scope)


class ProgramReplay:
    """A counterexample saved as a program, with property and machine named in its title."""

    def __init__(self, program: Program) -> None:
        match = _TITLE.fullmatch(program.title)
        if match is None:
            raise Misuse(
                f"{program.title!r} names no property and no model: `pfnlab run` runs such a program"
            )
        self.program, self.machine = program, f"model:{match[2]}"
        self.question = _question(match[1], _NO_RACES if program.needs.held else None)
        self.title = f"{self.question.name}, {self.question.asks}"

    def on(self, machine: str) -> Sequence[JudgedStep]:
        """The steps on *machine*, which is a model."""
        model_machine = _model_machine(machine)
        if self.question is told_free or self.program.needs.held:
            answers = answers_by_op(model_machine, self.program, self.question)
            return _until_broken(list(op_lines(self.program)), answers)
        templates = tuple(map(Template, self.program.ops))
        scope = Scope("", "", self.program.devices, 1, 1, len(templates), templates, thp=self.program.thp)
        return _sequence(KernelModel(model_machine, scope), self.program, self.question)


def _until_broken(steps: Sequence[str], kept: Sequence[bool | None]) -> list[JudgedStep]:
    """The steps up to the one that violates the property; later steps only show its result."""
    judged = [JudgedStep(step, _word("always", answer)) for step, answer in zip(steps, kept, strict=True)]
    return judged[: kept.index(False) + 1] if False in kept else judged


def judgement(question: Question, machine: str, steps: Sequence[JudgedStep]) -> str:
    """The property on *machine*, as a sentence: ``model:6.1 violates no_leak in step 3``."""
    words, name = [step.word for step in steps], question.name
    if question.kind == "sometimes":
        return f"{machine} {'reaches' if REACHED in words else 'never reaches'} {name}"
    if BROKEN in words:
        return f"{machine} violates {name} in step {words.index(BROKEN) + 1}"
    return (
        f"{machine} keeps {name}" if KEPT in words else f"{machine} does not violate {name}: no step tests it"
    )


def check_same(question: Question, steps: Sequence[JudgedStep]) -> None:
    """:raises ReplayDifference: if the property is still undecided after the last step, or was decided
    earlier
    """
    decides = BROKEN if question.kind == "always" else REACHED
    for number, step in enumerate(steps, 1):
        if (step.word == decides) != (number == len(steps)):
            recorded = decides if number == len(steps) else "undecided"
            now = "does not apply" if step.word == SILENT else f"is {step.word}"
            raise ReplayDifference(number, f"after `{step.step}` it was {recorded}, and now {now}")


def _question(name: str, scope: Scope | RaceScope | None) -> Question:
    (question,) = questions([name], scope)
    return question


_NO_RACES = RaceScope("", "", ())


def _model_machine(machine: str) -> ModelMachine:
    kind, _, spec = machine.partition(":")
    if kind != "model":
        raise Misuse(f"{machine} is not a model: paths are recorded on models")
    return ModelMachine(spec)


def _letters(steps: Iterable[str]) -> Iterator[str]:
    """Three letters per step, which depend on that step and all earlier ones."""
    digest = blake2b(digest_size=4)
    for step in steps:
        digest.update(step.encode() + b"\n")
        number = int.from_bytes(digest.digest(), "little")
        yield "".join(chr(ord("a") + number // 26**place % 26) for place in range(3))


def _retraced(model: KernelModel | RaceModel, recorded: RecordedPath) -> Path[Any]:
    """The path, after checking every step against its letters."""
    states: list[Any] = list(model.initial())
    if recorded.start >= len(states):
        raise ReplayDifference(1, f"there is no beginning {recorded.start}, only {len(states)}")
    state, actions = states[recorded.start], []
    for number, (choice, letters) in enumerate(recorded.steps, 1):
        steps: list[Any] = list(model.successors(state))
        if choice >= len(steps):
            raise ReplayDifference(
                number, f"{number_of(len(steps), 'step')} can be taken, and {choice} was recorded"
            )
        action, state = steps[choice]
        actions.append(action)
        if letters != list(_letters(map(str, actions)))[-1]:
            raise ReplayDifference(number, f"`{action}` is another step than the one recorded")
    return Path(recorded.start, tuple(choice for choice, _ in recorded.steps), tuple(actions))


def _schedule(model: RaceModel, path: Path[Any]) -> Iterator[tuple[str, RaceState]]:
    """The turns of *path* on another machine, matched by task and function."""
    state = list(model.initial())[path.start]
    for number, turn in enumerate(path.actions, 1):
        assert isinstance(turn, Turn)
        steps = {action.task: (action, after) for action, after in model.successors(state)}
        if turn.task not in steps:
            raise ReplayDifference(number, f"`{turn}` was recorded, but {turn.task} cannot continue here")
        action, state = steps[turn.task]
        if str(action) != str(turn):
            raise ReplayDifference(number, f"`{turn}` was recorded, but here it is `{action}`")
        yield str(action), state


def _sequence(model: KernelModel, program: Program, question: Question) -> Sequence[JudgedStep]:
    """The operations in *program* one by one, each with the word for the state after it."""
    kernel = model.booted()
    places = replace(Places.of(program, model.places.devices), whole=model.places.whole)
    steps = []
    for line, op in zip(op_lines(program), program.ops, strict=True):
        facts = model.perform(kernel, op, places).facts
        answer = question.judge(StateView(kernel, facts))
        steps.append(JudgedStep(line, _word(question.kind, answer)))
    return steps


def _word(kind: str, answer: bool | None) -> str:
    """The word for a state; *answer* is None if the property does not apply."""
    if kind == "sometimes":
        return REACHED if answer else AHEAD
    return SILENT if answer is None else KEPT if answer else BROKEN
