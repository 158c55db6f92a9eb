"""The ways to observe a kernel while a program runs: observing can change the result."""

from enum import StrEnum

from pfnlab.base.errors import Misuse


class LookLevel(StrEnum):
    """A level of observation.

    Reading /proc/PID/smaps walks the page tables, and drops every leaf of 1 GiB there (S7.5). So a program
    observed through /proc never has such a leaf at the beginning of its next operation.
    """

    #: The state is read from the guest's memory; in the guest only the kernel log is read between two
    #: operations, and the memtype list too for a program that is steered.
    MEMORY = "memory"
    #: The guest reads /proc/PID/smaps and the page tables of every task after each operation.
    PROC = "proc"
    #: Only results and log until the program is over, and then the book.
    END = "end"

    @property
    def reads_smaps(self) -> bool:
        """True if smaps of every task is read after each operation."""
        return self is LookLevel.PROC


def look_named(name: str) -> LookLevel:
    """The level of observation that a user named.

    :raises Misuse: if there is no level of that name
    """
    try:
        return LookLevel(name)
    except ValueError:
        raise Misuse(f"there is no way to look {name!r}: write {', '.join(LookLevel)}") from None
