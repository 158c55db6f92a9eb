"""The kernel's report on freeing a range that is not in the memtype list (S2.4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pfnlab.kernel.mm.memtype import MemtypeBook


class FreedInVain(Protocol):
    """The kernel's report on freeing a range that is not in the memtype list."""

    def freed_in_vain(self, book: MemtypeBook, line: str) -> None:
        """Report *line*, which names the range and the task that freed it; more lines may be printed."""


class PrInfo:
    """Log one line each time, as every kernel does (S2.4.5)."""

    def freed_in_vain(self, book: MemtypeBook, line: str) -> None:
        """Print the line."""
        book.trace.printk(line, "info")
