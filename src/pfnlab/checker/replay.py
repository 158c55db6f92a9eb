"""A counterexample once more: step by step, with what its property says of every state.

A path is short text: machine, scope, property, and for each step which of the steps that are possible it
is, with three letters that follow from all steps so far. So a step that is another one now is noticed::

    pfnlab path 1: model:6.1 small no_leak 0/0tpr/2kfa/3bxd
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any, NamedTuple

from pfnlab.checker.kernel.domain import KernelModel
from pfnlab.checker.kernel.moment import StateView
from pfnlab.checker.kernel.properties import Question, questions
from pfnlab.checker.kernel.scope import RaceScope, Scope, Template, load_scope
from pfnlab.checker.races.driver import Turn
from pfnlab.checker.races.properties import race_properties
from pfnlab.checker.races.race import RaceModel, RaceState, told_along
from pfnlab.checker.search.path import Path
from pfnlab.checker.search.property import Property
from pfnlab.errors import Discovery, Misuse
from pfnlab.programs.lang.ops import Program, is_held
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.places import Places
from pfnlab.units import number_of

#: How a path begins: the version is that of the form.
TAG = "pfnlab path 1:"

_TAGGED = re.compile(r"pfnlab path (\S+):\s*(.*)", re.DOTALL)
_STEP = re.compile(r"(\d+)([a-z]{3})")
_TITLE = re.compile(r"(\w+) on model:(\S+)")
_FORM = f"write it as check printed it: `{TAG} MODEL SCOPE PROPERTY 0/1abc/2def`"

#: What a property says of a state: its question does not arise, it is kept, broken, not yet reached, reached.
SILENT, KEPT, BROKEN, AHEAD, REACHED = "-", "holds", "VIOLATED", "not reached", "reached"


class Differs(Discovery):
    """A replay does not show what was recorded.

    :param step: at which step, number_of from 1
    """

    def __init__(self, step: int, what: str) -> None:
        self.step = step
        super().__init__(f"step {step}: {what}")


class RecordedPath(NamedTuple):
    """A path as it was written down.

    :param scope: a name or a file
    :param steps: for each, which it is, and the letters that follow from all so far
    """

    machine: str
    scope: str
    property: str
    start: int
    steps: tuple[tuple[int, str], ...]


class JudgedStep(NamedTuple):
    """A step, and what the property says of the state behind it."""

    step: str
    word: str


def path_text(machine: str, scope: str, name: str, path: Path[Any]) -> str:
    """*path*, which decides property *name*, as text for :func:`read_path`."""
    letters = _letters(map(str, path.actions))
    steps = [f"{choice}{letter}" for choice, letter in zip(path.choices, letters, strict=True)]
    return f"{TAG} {shlex.join((machine, scope, name))} {'/'.join([str(path.start), *steps])}"


def read_path(text: str) -> RecordedPath:
    """What :func:`path_text` wrote.

    :raises Misuse: it is no such text, or of another version
    """
    tagged = _TAGGED.fullmatch(text.strip())
    if tagged is None:
        raise Misuse(f"{text!r} is no path: {_FORM}")
    if tagged[1] != "1":
        raise Misuse(f"the path is of version {tagged[1]}, and this pfnlab reads version 1")
    try:
        machine, scope, name, way = shlex.split(tagged[2])
    except ValueError:
        raise Misuse(f"{text!r} is no path: {_FORM}") from None
    start, *steps = way.split("/")
    found = [_STEP.fullmatch(step) for step in steps]
    if not start.isdigit() or not steps or None in found:
        raise Misuse(f"{way!r} is no way: {_FORM}")
    return RecordedPath(
        machine, scope, name, int(start), tuple((int(one[1]), one[2]) for one in found if one)
    )


class Replay:
    """A recorded path, found again on the machine it was recorded on.

    :ivar title: what is replayed, one line
    :ivar program: its steps, in the names of one program; None of a race
    :raises Misuse: it names no model, scope or property
    :raises Differs: a step is another one now
    """

    def __init__(self, recorded: RecordedPath) -> None:
        self._scope = load_scope(recorded.scope)
        self.question = _question(recorded.property, self._scope)
        self.title = f"scope {recorded.scope}: {self.question.name}, {self.question.asks}"
        model = self._model(recorded.machine)
        self._path = _found(model, recorded)
        self.program: Program | None = None
        if isinstance(model, KernelModel):
            self.program = model.program(self._path, self.question.name, self.question.asks)

    def on(self, machine: str) -> Iterator[JudgedStep]:
        """The steps on *machine*, which is a model.

        :raises Differs: it has no such step
        """
        model = self._model(machine)
        if isinstance(model, RaceModel):
            (asked,) = race_properties([self.question])
            yield from (JudgedStep(step, _word(asked, state)) for step, state in _schedule(model, self._path))
        else:
            assert self.program is not None
            yield from _sequence(model, self.program, self.question)

    def _model(self, machine: str) -> KernelModel | RaceModel:
        named = _modelled(machine)
        if isinstance(self._scope, RaceScope):
            return RaceModel(named, self._scope)
        return KernelModel(named, self._scope)


class ProgramReplay:
    """A counterexample that was saved as a program, whose title says of what.

    :ivar title: what is replayed, one line
    :ivar machine: the one it was found on
    """

    def __init__(self, program: Program) -> None:
        titled = _TITLE.fullmatch(program.title)
        if titled is None:
            raise Misuse(
                f"{program.title!r} names no property and no model: `pfnlab run` runs such a program"
            )
        self.program, self.machine = program, f"model:{titled[2]}"
        self.question = _question(titled[1], _RACES if is_held(program) else None)
        self.title = f"{self.question.name}, {self.question.asks}"

    def on(self, machine: str) -> Sequence[JudgedStep]:
        """The steps on *machine*, which is a model."""
        named = _modelled(machine)
        if is_held(self.program):
            told = told_along(named, self.program)
            words = [SILENT if one is None else BROKEN if one else KEPT for one in told]
            lines = [JudgedStep(*one) for one in zip(op_lines(self.program), words, strict=True)]
            # What is behind it only shows what a reader gets then.
            last = next((at for at, word in enumerate(words) if word == BROKEN), len(lines) - 1)
            return lines[: last + 1]
        templates = tuple(map(Template, self.program.ops))
        scope = Scope("", "", self.program.devices, 1, 1, len(templates), templates)
        return _sequence(KernelModel(named, scope), self.program, self.question)


def check_same(question: Question, said: Sequence[JudgedStep]) -> None:
    """
    :raises Differs: the property is not decided behind the last of the steps, or before as well
    """
    decides = BROKEN if question.kind == "always" else REACHED
    for number, one in enumerate(said, 1):
        if (one.word == decides) != (number == len(said)):
            then = decides if number == len(said) else "undecided"
            raise Differs(number, f"behind `{one.step}` {question.name} was {then}, and now is {one.word}")


def _question(name: str, scope: Scope | RaceScope | None) -> Question:
    (question,) = questions([name], scope)
    return question


_RACES = RaceScope("", "", ())


def _modelled(machine: str) -> ModelMachine:
    kind, _, spec = machine.partition(":")
    if kind != "model":
        raise Misuse(f"{machine} is no model: a path was recorded on one")
    return ModelMachine(spec)


def _letters(steps: Iterable[str]) -> Iterator[str]:
    """Three letters for each step, which follow from it and all before."""
    so_far = blake2b(digest_size=4)
    for step in steps:
        so_far.update(step.encode() + b"\n")
        number = int.from_bytes(so_far.digest(), "little")
        yield "".join(chr(ord("a") + number // 26**place % 26) for place in range(3))


def _found(model: KernelModel | RaceModel, recorded: RecordedPath) -> Path[Any]:
    """The path, with every step compared with its letters."""
    states: list[Any] = list(model.initial())
    if recorded.start >= len(states):
        raise Differs(1, f"there is no beginning {recorded.start}, only {len(states)}")
    state, actions = states[recorded.start], []
    for number, (choice, letters) in enumerate(recorded.steps, 1):
        steps: list[Any] = list(model.successors(state))
        if choice >= len(steps):
            raise Differs(
                number,
                f"{number_of(len(steps), 'step')} can be taken, and {choice} was recorded",
            )
        action, state = steps[choice]
        actions.append(action)
        if letters != list(_letters(map(str, actions)))[-1]:
            raise Differs(number, f"`{action}` is another step than the one recorded")
    return Path(recorded.start, tuple(choice for choice, _ in recorded.steps), tuple(actions))


def _schedule(model: RaceModel, path: Path[Any]) -> Iterator[tuple[str, RaceState]]:
    """The turns of *path* on another machine, by who goes on where."""
    state = list(model.initial())[path.start]
    for number, turn in enumerate(path.actions, 1):
        assert isinstance(turn, Turn)
        steps = {action.task: (action, after) for action, after in model.successors(state)}
        if turn.task not in steps:
            raise Differs(number, f"`{turn}` was recorded, and {turn.task} cannot go on here")
        action, state = steps[turn.task]
        if str(action) != str(turn):
            raise Differs(number, f"`{turn}` was recorded, and here it is `{action}`")
        yield str(action), state


def _sequence(model: KernelModel, program: Program, question: Question) -> Sequence[JudgedStep]:
    """The operations of *program* one by one, and what *question* says behind each."""
    kernel = model.booted()
    places = replace(Places.of(program, model.places.devices), whole=model.places.whole)
    said = []
    for line, op in zip(op_lines(program), program.ops, strict=True):
        facts = model.perform(kernel, op, places).facts
        answer = question.judge(StateView(kernel, facts, model.outcomes))
        if question.kind == "sometimes":
            word = REACHED if answer else AHEAD
        else:
            word = SILENT if answer is None else KEPT if answer else BROKEN
        said.append(JudgedStep(line, word))
    return said


def _word(asked: Property[Any], state: RaceState) -> str:
    if asked.kind == "sometimes":
        return REACHED if asked.holds(state) else AHEAD
    if asked.premise is not None and not asked.premise(state):
        return SILENT
    return KEPT if asked.holds(state) else BROKEN
