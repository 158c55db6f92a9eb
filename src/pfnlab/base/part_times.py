"""The elapsed time of the parts of a piece of work, by name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class PartTimes:
    """Adds up the seconds of each part, in the order in which parts first begin."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the time of the context as that of the part *name*, also if it ends with an exception."""
        self._seconds.setdefault(name, 0.0)
        begin = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] += time.monotonic() - begin

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds of each part, to a tenth."""
        return {name: round(seconds, 1) for name, seconds in self._seconds.items()}
