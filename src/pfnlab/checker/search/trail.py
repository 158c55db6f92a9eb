"""The origin of each state: its parent and a choice, in six bytes."""

from array import array

_NONE = 0xFFFF_FFFF


class Trail:
    """For each state, in the order found, its parent and its number among the parent's successors."""

    def __init__(self) -> None:
        self.parents = array("I")
        self.choices = array("H")

    def __len__(self) -> int:
        return len(self.parents)

    def start(self, number: int) -> int:
        """Add initial state *number* (counted from 0); return the new state's number."""
        return self.step(_NONE, number)

    def step(self, parent: int, choice: int) -> int:
        """Add successor *choice* of state *parent*; return the new state's number."""
        self.parents.append(parent)
        # Few models have more than 65,536 steps from one state.
        if choice > 0xFFFF and self.choices.typecode == "H":
            self.choices = array("I", self.choices)
        self.choices.append(choice)
        return len(self.parents) - 1

    def way_to(self, state: int) -> tuple[int, list[int]]:
        """The number of the initial state and the choices from there to *state*."""
        choices = []
        while (parent := self.parents[state]) != _NONE:
            choices.append(self.choices[state])
            state = parent
        return self.choices[state], choices[::-1]

    def way_by(self, state: int, choice: int) -> tuple[int, list[int]]:
        """The path through *state* to its successor *choice*, which may be a known state."""
        start, choices = self.way_to(state)
        return start, [*choices, choice]
