"""A program as one C file that stands alone: libc, the kernel's headers, and nothing else."""

from __future__ import annotations

from pfnlab.errors import Undecided
from pfnlab.reproducers.subject import Subject


def as_c(subject: Subject) -> dict[str, str]:
    """The program as C.

    :raises Undecided: an operation has no form in C
    """
    raise Undecided(f"{subject.name}: the form c is not written yet: use `pfnlab run`")
