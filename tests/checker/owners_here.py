"""The owners of a partitioned search in this process, some of which may be lost on the way."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pfnlab.checker.search.exploration import Property
from pfnlab.checker.search.model import Model
from pfnlab.checker.search.owner import ChoiceWay, Owner, OwnerData, OwnerProgress, Round, RoundAnswer
from pfnlab.checker.search.partitioned import PartsLostError


class OwnersHere:
    """Each with a model of its own.

    :param losses: for the number of a call, counted from 0, the parts that are lost in it
    :param ahead: for each part, the states that it expands after a round for the next one
    """

    round_seconds = 1.0

    def __init__(
        self,
        make: Callable[[], Model[Any]],
        properties: Sequence[Property[Any]] = (),
        parts: int = 2,
        losses: Mapping[int, Sequence[int]] | None = None,
        ahead: Sequence[int] = (),
    ) -> None:
        self.parts = parts
        self._make, self._properties, self._losses = make, properties, dict(losses or {})
        self._ahead = ahead
        self._owners: dict[int, Owner[Any]] = {}
        self.calls = self.hosted = 0

    def host(self, round_: int, holdings: Mapping[int, OwnerData]) -> None:
        for part, holding in holdings.items():
            self._owners[part] = Owner(self._make(), self._properties, part, self.parts)
            self._owners[part].take_over(round_, holding)
            self.hosted += 1

    def expand(self, request: Round, numbers: Sequence[array[int]]) -> dict[int, OwnerProgress]:
        lost = self._lose()
        answers = {}
        for part, owner in self._owners.items():
            answers[part] = owner.expand(request, numbers[part])
        self._end(lost)
        return answers

    def go_on(self, ways: Mapping[int, ChoiceWay]) -> dict[int, OwnerProgress]:
        return {part: self._owners[part].go_on(way) for part, way in ways.items()}

    def settle(self, end: int) -> list[RoundAnswer]:
        lost = self._lose()
        settled = []
        for part in sorted(self._owners):
            boxes = [owner.box(part) for other, owner in self._owners.items() if other != part]
            settled.append(self._owners[part].settle(boxes, end))
        for part in sorted(self._owners):
            for _ in range(self._ahead[part] if part < len(self._ahead) else 0):
                self._owners[part].run_ahead()
        self._end(lost)
        return settled

    def _lose(self) -> list[int]:
        """Those that end in this call do none of it, and all others do."""
        lost = [part for part in self._losses.pop(self.calls, ()) if self._owners.pop(part, None)]
        self.calls += 1
        return lost

    def _end(self, lost: list[int]) -> None:
        if lost:
            raise PartsLostError(lost)
