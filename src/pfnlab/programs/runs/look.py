"""How a kernel is looked at while a program runs: looking can change what is seen."""

from enum import StrEnum

from pfnlab.base.errors import Misuse


class LookLevel(StrEnum):
    """A level of looking.

    Reading /proc/PID/smaps walks the page tables, and drops every leaf of 1 GiB there (S7.5). So a program
    that is looked at through /proc never has such a leaf at the beginning of its next operation.
    """

    #: The state is read out of the guest's memory; in the guest only the kernel log is read between two
    #: operations; a program that is steered has its memtype list read too.
    MEMORY = "memory"
    #: The guest reads /proc/PID/smaps and the page tables of every task after each operation.
    PROC = "proc"
    #: Results and log only, until the program is over: then the book.
    END = "end"

    @property
    def reads_smaps(self) -> bool:
        """True where smaps of every task is read after each operation."""
        return self is LookLevel.PROC


def look_named(name: str) -> LookLevel:
    """The level of looking a user named.

    :raises Misuse: there is none of that name
    """
    try:
        return LookLevel(name)
    except ValueError:
        raise Misuse(f"there is no way to look {name!r}: write {', '.join(LookLevel)}") from None
