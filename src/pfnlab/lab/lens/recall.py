"""Values made of a kernel's memory, kept for as long as that memory holds what it held."""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
W = TypeVar("W")

#: One piece of memory as it was read: the reader, the address, how much or what of it, what was there.
Reading = tuple[Callable[[int, Any], Any], int, Any, Any]


class _Recalled(NamedTuple):
    value: Any
    given: tuple[object, ...]
    readings: list[Reading]


class Recall:
    """Remembers values, each with every piece of memory that was read for it.

    A value is given again where each of these pieces holds the same bytes: who would read them again would
    make the same of them.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Recalled] = {}
        self._notes: list[Reading] | None = None

    def value(self, name: Hashable, make: Callable[[], T], *given: object) -> T:
        """The value that *make* returns, or returned before.

        :param make: reads memory through readers that :meth:`note` it; whatever else it depends on does not
            change before :meth:`forget`, or is among *given*, which is compared by identity
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
            self._kept[name] = _Recalled(value, given, self._notes)
        finally:
            if outer is not None:
                outer += self._notes
            self._notes = outer
        return value

    def note(self, reader: Callable[[int, W], T], address: int, what: W, data: T) -> T:
        """Take down that *reader* read *data* at *address*; returns *data*."""
        if self._notes is not None:
            self._notes.append((reader, address, what, data))
        return data

    def forget(self) -> None:
        """Forget all values."""
        self._kept.clear()

    @staticmethod
    def _holds(kept: _Recalled, given: tuple[object, ...]) -> bool:
        return [*map(id, given)] == [*map(id, kept.given)] and all(
            reader(address, what) == data for reader, address, what, data in kept.readings
        )
