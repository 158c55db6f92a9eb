"""Walking the checker's graph: only the current state and those one operation away are computed.

A place in the graph is the way to it, one number for each operation among those that were possible. So it
fits into the address of the page, and a graph of any size takes no more memory than the way.
"""

from typing import Any

import msgspec

from pfnlab.base.errors import Misuse, ProgramError, Undecided
from pfnlab.checker.judging.known import known
from pfnlab.checker.judging.run_causes import Causes
from pfnlab.checker.scopes.domain import KernelModel, KernelState
from pfnlab.checker.scopes.meanings import verdict_words
from pfnlab.checker.scopes.properties import Question, questions
from pfnlab.checker.scopes.scope import RaceScope, load_scope, scope_names
from pfnlab.checker.search.path import Path
from pfnlab.explorer.stories import Recent, files_of
from pfnlab.programs.lang.ops import Look, Op, Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.problems import program_text
from pfnlab.programs.model.model_machine import ModelMachine

#: The models and the states that are stored.
_MODELS, _STATES = 4, 256
#: The counterexample's way begins with the number of the initial state, of which a kernel has one.
_INITIAL = 0


class NextOp(msgspec.Struct, frozen=True):
    """One operation that is possible in a state.

    :param op: in the names of the state
    :param violates: the properties that do not hold after it
    :param back: whether it leads to a state of the way, or changes nothing
    """

    op: str
    violates: tuple[str, ...]
    back: bool


class PropertySeen(msgspec.Struct, frozen=True):
    """A property in a state.

    :param holds: None if the property does not apply
    :param known: why kernels of this version break it; empty if it holds, or the reason is unknown
    """

    name: str
    kind: str
    asks: str
    holds: bool | None
    known: str = ""


class GraphPlace(msgspec.Struct, frozen=True):
    """A state of the graph.

    :param way: the operations on the way to it
    :param program: the same as a program; one that only looks where there is none; None where the way is
        longer than a program
    """

    way: tuple[str, ...]
    program: Program | None
    text: str
    lacking: str
    properties: tuple[PropertySeen, ...]
    successors: tuple[NextOp, ...]


class _Expanded(msgspec.Struct, frozen=True):
    state: Any
    actions: tuple[Any, ...]
    after: tuple[tuple[Any, Any], ...]


def walkable_scopes() -> list[str]:
    """The scopes of the package that are graphs of states; those of races are not walked."""
    return [name for name in scope_names() if not isinstance(load_scope(name), RaceScope)]


class Walker:
    """Walks graphs, whose last states are stored."""

    def __init__(self) -> None:
        self._models: Recent[tuple[str, str, str], tuple[KernelModel, list[Question]]] = Recent(_MODELS)
        self._states: Recent[tuple[str, str, str, tuple[int, ...]], _Expanded] = Recent(_STATES)

    def place(self, machine: ModelMachine, scope: str, path: tuple[int, ...]) -> GraphPlace:
        """The state at the end of *path*; raises Misuse where there is no such scope or path."""
        if scope not in walkable_scopes():
            raise Misuse(f"there is no such graph: write one of {', '.join(walkable_scopes())}")
        model, asked = self._model(machine, scope)
        here = self._expanded(model, scope, path)
        on_the_way = {model.key(self._expanded(model, scope, path[:at]).state) for at in range(len(path) + 1)}
        way = tuple(map(str, here.actions))
        program, text, lacking = self._program(model, scope, path, here)
        successors = tuple(
            NextOp(str(action), self._violated(model, asked, after), model.key(after) in on_the_way)
            for action, after in here.after
        )
        moment = model.moment(here.state)
        properties = tuple(_seen(question, question.judge(moment), program, machine) for question in asked)
        if program is not None and way:
            way = tuple(op_lines(program))
        return GraphPlace(way, program, text, lacking, properties, successors)

    @staticmethod
    def _program(
        model: KernelModel, scope: str, path: tuple[int, ...], here: _Expanded
    ) -> tuple[Program | None, str, str]:
        """The path as a program and its text, or the reason if it cannot be one."""
        title = " then ".join(str(action) for action in here.actions[-2:]) or "before the first operation"
        asks = f"What can happen next in scope {scope}?"
        try:
            ops = model.ops(Path(_INITIAL, path, here.actions)) or [Op(Look())]
            program = model.scope.program(title[:120], asks, ops)
            return program, program_text(program), ""
        except ProgramError as wrong:
            return None, "", f"the path is not a program: {wrong.message}"
        except Undecided as lacking:
            return None, "", str(lacking)

    def _model(self, machine: ModelMachine, scope: str) -> tuple[KernelModel, list[Question]]:
        def made() -> tuple[KernelModel, list[Question]]:
            loaded = load_scope(scope)
            assert not isinstance(loaded, RaceScope)
            return KernelModel(machine, loaded), questions(scope=loaded)

        return self._models.kept((*_identity(machine), scope), made)

    def _expanded(self, model: KernelModel, scope: str, path: tuple[int, ...]) -> _Expanded:
        def made() -> _Expanded:
            if not path:
                (state,) = model.initial()
                return _Expanded(state, (), tuple(model.successors(state)))
            before = self._expanded(model, scope, path[:-1])
            if path[-1] >= len(before.after):
                raise Misuse(
                    f"operation {len(path)} of the way is number {path[-1]} of {len(before.after)}: "
                    "the way is of another model or scope, go back to its beginning"
                )
            action, state = before.after[path[-1]]
            return _Expanded(state, (*before.actions, action), tuple(model.successors(state)))

        return self._states.kept((*_identity(model.machine), scope, path), made)

    @staticmethod
    def _violated(model: KernelModel, asked: list[Question], state: KernelState) -> tuple[str, ...]:
        moment = model.moment(state)
        always = (question for question in asked if question.kind == "always")
        return tuple(question.name for question in always if question.judge(moment) is False)


def _identity(machine: ModelMachine) -> tuple[str, str]:
    """A machine, made of its present files."""
    return machine.spec, files_of(machine.spec)


def _seen(
    question: Question, holds: bool | None, program: Program | None, machine: ModelMachine
) -> PropertySeen:
    broken = question.kind == "always" and holds is False and program is not None
    why = ""
    if broken and program is not None:
        (run,) = machine.run([program])
        # The causes until its last operation.
        why = known(Causes(program, run.steps, len(program.ops) - 1, machine.profile), question.name)
    violated = question.kind == "always" and holds is False
    says = verdict_words(question.name, question.asks, violated=violated)
    return PropertySeen(question.name, question.kind, says, holds, why)
