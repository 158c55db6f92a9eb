"""How far a piece of work says it is."""

from __future__ import annotations

from pfnlab.base.progress import PartCount


class Parts(PartCount):
    """Notes how many parts are expected, and how many are done."""

    def __init__(self) -> None:
        self.expected, self.done = 0, 0

    def expect(self, total: int) -> None:
        """As the work says."""
        self.expected = total

    def advance(self, parts: int = 1) -> None:
        """They add up."""
        self.done += parts
