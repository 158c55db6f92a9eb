"""The events inside an operation, in order, and the kernel log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple


class Event(NamedTuple):
    """One step that the modelled kernel took.

    :param name: the kernel function of that step (``memtype_reserve``, ``zap_pte_range``, ...)
    :param start: first page of its range: a pfn for the memtype list, a virtual page otherwise
    :param end: the page after the last one
    """

    name: str
    start: int = 0
    end: int = 0


#: The levels of kernel log lines, in numerical order.
LOG_LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")


class LogLine(str):
    """A kernel log line: a string, compared by its text, with a level from :data:`LOG_LEVELS`."""

    __slots__ = ("level",)
    level: str

    def __new__(cls, text: str, level: str) -> LogLine:
        """Create the line *text* with *level*."""
        line = super().__new__(cls, text)
        line.level = level
        return line

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.level


@dataclass
class Trace:
    """Events and kernel log lines since the last :meth:`take`.

    :ivar needless: unnecessary forced flushes since boot; informational, not part of the state
    :ivar misuses: forbidden operations that no kernel logs, and occasions for them, since the set was last
        emptied
    """

    events: list[Event] = field(default_factory=list)
    log: list[LogLine] = field(default_factory=list)
    needless: int = 0
    misuses: set[str] = field(default_factory=set)

    def event(self, name: str, start: int = 0, end: int = 0) -> None:
        """Append one event."""
        # Event() would first call a function written in Python.
        self.events.append(tuple.__new__(Event, (name, start, end)))

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Discard the events within this context, because they belong to an actor that is not observed."""
        count = len(self.events)
        yield
        del self.events[count:]

    def printk(self, line: str, level: str = "warning") -> None:
        """Append one kernel log line, without timestamp, with a level from :data:`LOG_LEVELS`."""
        self.log.append(LogLine(line, level))

    def take(self) -> tuple[list[Event], list[LogLine]]:
        """The events and log lines since the last call; the trace is empty afterwards."""
        result = self.events, self.log
        self.events, self.log = [], []
        return result

    def take_misuses(self) -> list[str]:
        """The misuses since the last call, sorted."""
        misuses, self.misuses = self.misuses, set()
        return sorted(misuses)
