"""The path to a state: its steps from an initial state, as a value that can be printed and replayed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pfnlab.base.errors import Defect
from pfnlab.checker.search.model import Action, Model, State


@dataclass(frozen=True)
class Path(Generic[State]):
    """The steps from an initial state.

    :param start: the number of the initial state, counted from 0
    :param choices: the number of the successor at each step, counted from 0
    """

    start: int
    choices: tuple[int, ...]
    actions: tuple[Action, ...]

    def __len__(self) -> int:
        return len(self.choices)

    def __str__(self) -> str:
        """One action per line."""
        return "\n".join(str(action) for action in self.actions)

    def encode(self) -> str:
        """The path as a short text, ``0/3/1``: the initial state and one choice per step."""
        return "/".join(str(number) for number in (self.start, *self.choices))

    def states(self, model: Model[State]) -> list[State]:
        """Replay: the initial state and the state after each step.

        :raises Defect: if the model offers other steps than when the path was found
        """
        states = [_pick(model.initial(), self.start, "initial state", 0)]
        for at, (choice, action) in enumerate(zip(self.choices, self.actions, strict=True), 1):
            step_action, state = _pick(model.successors(states[-1]), choice, "step", at)
            if step_action != action:
                raise Defect(f"step {at} was '{action}' and is now '{step_action}'. {_WHY}")
            states.append(state)
        return states


_Item = TypeVar("_Item")

_WHY = (
    "A model must give the same steps in the same order each time it is asked: look for something kept "
    "outside the state, a state changed after it was handed out, and loops over sets."
)


def _pick(items: Iterable[_Item], number: int, label: str, at: int) -> _Item:
    count = 0
    for item in items:
        # Take no more items than needed: each costs a model step.
        if count == number:
            return item
        count += 1
    raise Defect(f"{label} {at}: choice {number} of {count}. {_WHY}")


def path_along(model: Model[State], start: int, choices: Sequence[int]) -> Path[State]:
    """The path that takes *choices* from initial state *start*.

    :raises Defect: if the model has no such steps
    """
    state = _pick(model.initial(), start, "initial state", 0)
    actions: list[Action] = []
    for at, choice in enumerate(choices, 1):
        action, state = _pick(model.successors(state), choice, "step", at)
        actions.append(action)
    return Path(start, tuple(choices), tuple(actions))
