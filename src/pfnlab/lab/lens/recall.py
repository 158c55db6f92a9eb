"""Values computed from a kernel's memory, cached for as long as that memory is unchanged."""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
W = TypeVar("W")

#: A read from memory: the reader, the address, the size or kind, and the data.
Reading = tuple[Callable[[int, Any], Any], int, Any, Any]


class _CachedValue(NamedTuple):
    value: Any
    given: tuple[object, ...]
    readings: list[Reading]


class Recall:
    """A cache of values that records every memory read made while computing each one.

    A value is reused if all those reads still return the same bytes, because computing it again would
    give the same result.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, _CachedValue] = {}
        self._notes: list[Reading] | None = None

    def value(self, name: Hashable, make: Callable[[], T], *given: object) -> T:
        """The value that *make* returns now, or returned in an earlier call.

        :param make: reads memory through readers that call :meth:`note`; its other inputs either stay the
            same until :meth:`forget`, or are in *given*, compared by identity
        """
        kept = self._kept.get(name)
        if kept is not None and self._holds(kept, given):
            if self._notes is not None:
                self._notes += kept.readings
            known: T = kept.value
            return known
        outer, self._notes = self._notes, []
        try:
            value = make()
            self._kept[name] = _CachedValue(value, given, self._notes)
        finally:
            if outer is not None:
                outer += self._notes
            self._notes = outer
        return value

    def note(self, reader: Callable[[int, W], T], address: int, what: W, data: T) -> T:
        """Record that *reader* has read *data* at *address*; return *data*."""
        if self._notes is not None:
            self._notes.append((reader, address, what, data))
        return data

    def forget(self) -> None:
        """Forget all values."""
        self._kept.clear()

    @staticmethod
    def _holds(kept: _CachedValue, given: tuple[object, ...]) -> bool:
        return [*map(id, given)] == [*map(id, kept.given)] and all(
            reader(address, what) == data for reader, address, what, data in kept.readings
        )
