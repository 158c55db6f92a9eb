"""How it is reported that a range is freed which the memtype book does not have (S2.4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pfnlab.kernel.mm.memtype import MemtypeBook


class FreedInVain(Protocol):
    """How it is reported that a range is freed which the book does not have."""

    def freed_in_vain(self, book: MemtypeBook, line: str) -> None:
        """*line* says who freed which range; it is to be printed, perhaps with more."""


class PrInfo:
    """A line of the log each time, as in every kernel (S2.4.5)."""

    def freed_in_vain(self, book: MemtypeBook, line: str) -> None:
        """The line."""
        book.trace.printk(line, "info")
