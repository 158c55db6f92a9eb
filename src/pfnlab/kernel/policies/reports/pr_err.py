"""The same line, but at error level (discussion 002).

"I think that should be a pr_err() at least?": the line now also shows if only errors are read from the log.
Nothing else changes, and test systems do not stop.
"""

from pfnlab.kernel.mm.memtype import MemtypeBook


class PrErr:
    """Print the line as an error."""

    def freed_in_vain(self, book: MemtypeBook, line: str) -> None:
        """Print the line."""
        book.trace.printk(line, "err")
