"""The same line at error level (discussion 002).

"I think that should be a pr_err() at least?": it is also seen when only errors are read from the log; nothing
else changes, and test systems do not stop.
"""

from pfnlab.kernel.mm.memtype import MemtypeBook


class PrErr:
    """Print the line as an error."""

    def freed_in_vain(self, book: MemtypeBook, line: str) -> None:
        """Print the line."""
        book.trace.printk(line, "err")
