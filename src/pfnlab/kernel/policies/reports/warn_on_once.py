"""The line, and once per boot a WARNING in front of it (discussion 002).

"I was wondering if that is actually a WARN_ON_ONCE(). Now, it should be much harder to actually trigger":
with ``track_ctx`` no mapping of a process triggers it. With ``vm_pat`` the first munmap of a part does, and a
machine with panic_on_warn stops there. Later frees in vain have the line alone.
"""

from pfnlab.kernel.mm.memtype import MemtypeBook


class WarnOnOnce:
    """WARN_ON_ONCE, which has no text of its own, in front of the line."""

    def freed_in_vain(self, book: MemtypeBook, line: str) -> None:
        """The WARNING if it was not given since the boot, then the line."""
        book.warn_once("memtype_free")
        book.trace.printk(line, "info")
