"""Walking the checker's graph: only the states one stands in, and those one operation away, are worked out.

A place in the graph is the way to it, one number for each operation among those that were possible. So it
fits into the address of the page, and a graph of any size takes no more memory than the way.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from pfnlab.checker.kernel.domain import KernelModel, KernelState
from pfnlab.checker.kernel.operations import ScopeStep
from pfnlab.checker.kernel.properties import Question, questions
from pfnlab.checker.kernel.scope import RaceScope, load_scope, scope_names
from pfnlab.checker.search.path import Path
from pfnlab.errors import Misuse
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.machine import ModelMachine

#: The models and the states that are kept.
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

    :param holds: None where its question does not arise
    """

    name: str
    kind: str
    asks: str
    holds: bool | None


class GraphPlace(msgspec.Struct, frozen=True):
    """A state of the graph.

    :param program: the operations on the way to it as a program
    """

    program: Program
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
    """Walks graphs, whose last states are kept."""

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[str, str], tuple[KernelModel, list[Question]]] = OrderedDict()
        self._states: OrderedDict[tuple[str, str, tuple[int, ...]], _Expanded] = OrderedDict()

    @property
    def kept(self) -> int:
        """The number of states in memory with what follows from them."""
        return len(self._states)

    def place(self, machine: ModelMachine, scope: str, path: tuple[int, ...]) -> GraphPlace:
        """The state at the end of *path*.

        :raises Misuse: there is no such scope or path
        """
        if scope not in walkable_scopes():
            raise Misuse(f"there is no such graph: write one of {', '.join(walkable_scopes())}")
        model, asked = self._model(machine, scope)
        here = self._expanded(model, scope, path)
        on_the_way = {model.key(self._expanded(model, scope, path[:at]).state) for at in range(len(path) + 1)}
        successors = tuple(
            NextOp(str(action), self._violated(model, asked, after), model.key(after) in on_the_way)
            for action, after in here.after
        )
        title = " then ".join(str(action) for action in here.actions[-2:]) or "before the first operation"
        asks = f"What can follow in scope {scope}?"
        program = model.program(Path(_INITIAL, path, here.actions), title[:120], asks)
        moment = model.moment(here.state)
        properties = tuple(
            PropertySeen(question.name, question.kind, question.asks, question.judge(moment))
            for question in asked
        )
        return GraphPlace(program, properties, successors)

    def _model(self, machine: ModelMachine, scope: str) -> tuple[KernelModel, list[Question]]:
        key = machine.spec, scope
        if key not in self._models:
            loaded = load_scope(scope)
            assert not isinstance(loaded, RaceScope)
            self._models[key] = KernelModel(machine, loaded), questions(scope=loaded)
            if len(self._models) > _MODELS:
                self._models.popitem(last=False)
        self._models.move_to_end(key)
        return self._models[key]

    def _expanded(self, model: KernelModel, scope: str, path: tuple[int, ...]) -> _Expanded:
        key = model.machine.spec, scope, path
        if key not in self._states:
            state: KernelState
            actions: tuple[ScopeStep, ...]
            if path:
                before = self._expanded(model, scope, path[:-1])
                if path[-1] >= len(before.after):
                    raise Misuse(
                        f"operation {len(path)} of the way is number {path[-1]} of {len(before.after)}: "
                        "the way is of another model or scope, go back to its beginning"
                    )
                action, state = before.after[path[-1]]
                actions = (*before.actions, action)
            else:
                (state,), actions = tuple(model.initial()), ()
            self._states[key] = _Expanded(state, actions, tuple(model.successors(state)))
            if len(self._states) > _STATES:
                self._states.popitem(last=False)
        self._states.move_to_end(key)
        return self._states[key]

    @staticmethod
    def _violated(model: KernelModel, asked: list[Question], state: KernelState) -> tuple[str, ...]:
        moment = model.moment(state)
        return tuple(
            question.name
            for question in asked
            if question.kind == "always" and question.judge(moment) is False
        )
