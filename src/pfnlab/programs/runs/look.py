"""The ways to observe a kernel while a program runs; observing can change the result."""

from enum import StrEnum

from pfnlab.base.errors import Misuse


class LookLevel(StrEnum):
    """A level of observation; the most detailed one comes first.

    Reading /proc/PID/smaps walks the page tables and drops every 1 GiB leaf (S7.5). So a program observed
    through /proc never has such a leaf at the start of an operation.
    """

    #: The state is read from guest memory. Between two operations, the guest reads only the kernel log and,
    #: for a steered program (held or forced), the memtype list.
    MEMORY = "memory"
    #: After each operation, the guest reads every task's /proc/PID/smaps and page tables.
    PROC = "proc"
    #: Only results and the log while the program runs, and the book at the end.
    END = "end"

    @property
    def reads_smaps(self) -> bool:
        """True if every task's smaps is read after each operation."""
        return self is LookLevel.PROC


def look_named(name: str) -> LookLevel:
    """The level of observation that the user named.

    :raises Misuse: if there is no level with that name
    """
    try:
        return LookLevel(name)
    except ValueError:
        raise Misuse(f"there is no way to look {name!r}: write {', '.join(LookLevel)}") from None
