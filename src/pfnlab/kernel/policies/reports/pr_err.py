"""The same line at the level of an error (discussion 002).

"I think that should be a pr_err() at least?": who reads the log from errors on sees it, and so does whoever
filters by level; nothing else is observed, and no test system stops.
"""

from pfnlab.kernel.mm.memtype import MemtypeBook


class PrErr:
    """The line, as an error."""

    def freed_in_vain(self, book: MemtypeBook, line: str) -> None:
        """The line."""
        book.trace.printk(line, "err")
