"""A walk through the checker's graph, computing only the current state and those one operation away.

The path to a place in the graph identifies it: for each operation, its index among those that were possible.
So the place fits into the page's URL, and however large the graph, memory is needed only for the path.
"""

from typing import Any

import msgspec

from pfnlab.base.errors import Misuse, ProgramError, Undecided
from pfnlab.checker.judging.judge import reasons_of
from pfnlab.checker.scopes.domain import KernelModel, KernelState
from pfnlab.checker.scopes.properties import questions, verdict_words
from pfnlab.checker.scopes.question import Question
from pfnlab.checker.scopes.scope import RaceScope, load_scope, scope_names
from pfnlab.checker.search.path import Path
from pfnlab.explorer.stories import Recent, files_of
from pfnlab.programs.lang.ops import Look, Op, Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.problems import program_text
from pfnlab.programs.model.model_machine import ModelMachine

#: The number of models and of states to keep.
_MODELS, _STATES = 4, 256
#: A counterexample's path begins with the number of the initial state; a kernel has just one.
_INITIAL = 0


class NextOp(msgspec.Struct, frozen=True):
    """One operation that is possible in a state.

    :param op: the operation, in the names that the state uses
    :param violates: the properties that are violated after it
    :param back: whether it leads to a state that is already on the path, or changes nothing
    """

    op: str
    violates: tuple[str, ...]
    back: bool


class StateProperty(msgspec.Struct, frozen=True):
    """A property in one state.

    :param holds: None if the property does not apply
    :param known: why kernels of this version violate it; empty if it holds, or if the reason is not known
    """

    name: str
    kind: str
    asks: str
    holds: bool | None
    known: str = ""


class GraphPlace(msgspec.Struct, frozen=True):
    """A state in the graph.

    :param way: the operations on the path to it
    :param program: the path as a program; if it has no operations, the program is a single ``look``; None if
        the path cannot be a program
    """

    way: tuple[str, ...]
    program: Program | None
    text: str
    lacking: str
    properties: tuple[StateProperty, ...]
    successors: tuple[NextOp, ...]


class _ExpandedState(msgspec.Struct, frozen=True):
    state: Any
    actions: tuple[Any, ...]
    after: tuple[tuple[Any, Any], ...]


def walkable_scopes() -> list[str]:
    """Return the package's scopes that are graphs of states; race scopes cannot be walked."""
    return [name for name in scope_names() if not isinstance(load_scope(name), RaceScope)]


class Walker:
    """Walks graphs, and keeps the states it visited most recently."""

    def __init__(self) -> None:
        self._models: Recent[tuple[str, str, str], tuple[KernelModel, list[Question]]] = Recent(_MODELS)
        self._states: Recent[tuple[str, str, str, tuple[int, ...]], _ExpandedState] = Recent(_STATES)

    def place(self, machine: ModelMachine, scope: str, path: tuple[int, ...]) -> GraphPlace:
        """Return the state at the end of *path*; raise Misuse if there is no such scope or path."""
        if scope not in walkable_scopes():
            raise Misuse(f"there is no such graph: write one of {', '.join(walkable_scopes())}")
        model, questions = self._model(machine, scope)
        here = self._expanded(model, scope, path)
        on_the_way = {model.key(self._expanded(model, scope, path[:at]).state) for at in range(len(path) + 1)}
        way = tuple(map(str, here.actions))
        program, text, lacking = self._program(model, scope, path, here)
        successors = tuple(
            NextOp(str(action), self._violated(model, questions, after), model.key(after) in on_the_way)
            for action, after in here.after
        )
        moment = model.moment(here.state)
        properties = tuple(
            _seen(question, question.judge(moment), program, machine) for question in questions
        )
        if program is not None and way:
            way = tuple(op_lines(program))
        return GraphPlace(way, program, text, lacking, properties, successors)

    @staticmethod
    def _program(
        model: KernelModel, scope: str, path: tuple[int, ...], here: _ExpandedState
    ) -> tuple[Program | None, str, str]:
        """Return the path as a program and its text, or the reason why it cannot be one."""
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

    def _expanded(self, model: KernelModel, scope: str, path: tuple[int, ...]) -> _ExpandedState:
        def made() -> _ExpandedState:
            if not path:
                (state,) = model.initial()
                return _ExpandedState(state, (), tuple(model.successors(state)))
            before = self._expanded(model, scope, path[:-1])
            if path[-1] >= len(before.after):
                raise Misuse(
                    f"operation {len(path)} of the way is number {path[-1]} of {len(before.after)}: "
                    "the way is of another model or scope, go back to its beginning"
                )
            action, state = before.after[path[-1]]
            return _ExpandedState(state, (*before.actions, action), tuple(model.successors(state)))

        return self._states.kept((*_identity(model.machine), scope, path), made)

    @staticmethod
    def _violated(model: KernelModel, questions: list[Question], state: KernelState) -> tuple[str, ...]:
        moment = model.moment(state)
        always = (question for question in questions if question.kind == "always")
        return tuple(question.name for question in always if question.judge(moment) is False)


def _identity(machine: ModelMachine) -> tuple[str, str]:
    """Return what identifies a machine, including the current state of its files."""
    return machine.spec, files_of(machine.spec)


def _seen(
    question: Question, holds: bool | None, program: Program | None, machine: ModelMachine
) -> StateProperty:
    broken = question.kind == "always" and holds is False and program is not None
    why = ""
    if broken and program is not None:
        (run,) = machine.run([program])
        # The reasons known up to its last operation.
        why = reasons_of(program, run).known(question.name, len(program.ops) - 1)
    violated = question.kind == "always" and holds is False
    says = verdict_words(question.name, question.asks, violated=violated)
    return StateProperty(question.name, question.kind, says, holds, why)
