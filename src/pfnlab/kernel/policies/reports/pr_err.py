"""The same line at the level of an error (discussion 002).

"I think that should be a pr_err() at least?": it is seen when reading the log from errors up, or when
filtering by level; nothing else changes, and no test system stops.
"""

from pfnlab.kernel.mm.memtype import MemtypeBook


class PrErr:
    """Print the line as an error."""

    def freed_in_vain(self, book: MemtypeBook, line: str) -> None:
        """Print the line."""
        book.trace.printk(line, "err")
