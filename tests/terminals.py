"""A terminal on which a line of progress appears once time has passed, which passes when a test says so."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest

from pfnlab.base import progress


class Screen(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def seen(self) -> str:
        """What was on it, without the signs that move its cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.getvalue())


class Clock:
    """Time that passes only here.

    :param monkeypatch: has the timers of progress wait for it
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 0.0
        self._due: list[tuple[float, Callable[[], object]]] = []
        clock = self

        class Timer:
            daemon = False

            def __init__(self, seconds: float, do: Callable[[], object]) -> None:
                self._row = clock._now + seconds, do

            def start(self) -> None:
                """It waits for its time."""
                clock._due.append(self._row)

            def cancel(self) -> None:
                """Its time does not come."""
                if self._row in clock._due:
                    clock._due.remove(self._row)

        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(progress.threading, "Timer", Timer)

    def pass_by(self, seconds: float) -> None:
        """So many seconds pass, and whatever is due happens."""
        self._now += seconds
        for row in [row for row in self._due if row[0] <= self._now]:
            self._due.remove(row)
            row[1]()
