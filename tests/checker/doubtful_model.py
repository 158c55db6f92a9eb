"""A packed model that breaks its promise of successors."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence


class Doubtful:
    """Writes one successor and says two."""

    most, symmetric, properties = 1, False, ("any",)

    def initial(self) -> Sequence[int]:
        """One."""
        return [0]

    def successors(self, state: int, into: MutableSequence[int]) -> int:
        """Itself."""
        into[0] = state
        return 2

    def canonical(self, states: MutableSequence[int], count: int) -> None:
        """Nothing is symmetric."""

    def broken(self, state: int) -> int:
        """Nothing."""
        return 0

    def action(self, before: int, after: int) -> str:
        """A step."""
        return "step"
