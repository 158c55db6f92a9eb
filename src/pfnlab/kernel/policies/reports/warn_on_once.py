"""The line, preceded by a WARNING the first time after boot (discussion 002).

"I was wondering if that is actually a WARN_ON_ONCE(). Now, it should be much harder to actually trigger":
with ``track_ctx``, no process mapping triggers it. With ``vm_pat``, the first partial munmap does, and a
machine with panic_on_warn stops there. Later frees without an entry only print the line.
"""

from pfnlab.kernel.mm.memtype import MemtypeBook


class WarnOnOnce:
    """A WARN_ON_ONCE, which has no text, before the line."""

    def freed_in_vain(self, book: MemtypeBook, line: str) -> None:
        """Print the WARNING unless it has been printed since boot, then the line."""
        book.warn_once("memtype_free")
        book.trace.printk(line, "info")
