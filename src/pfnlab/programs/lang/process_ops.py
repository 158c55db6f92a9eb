"""Operations on a whole process, and the words for kernel numbers."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from pfnlab.programs.lang.fields import Flag, Row, Shape, Word
from pfnlab.programs.lang.span import OnPages

#: The memory policies that a program can name, for node 0, with their kernel numbers.
POLICIES: dict[str, int] = {"default": 0, "preferred": 1, "bind": 2}

#: The process limits that a program can set, with their kernel numbers (RLIMIT_*).
LIMITS: dict[str, int] = {"memlock": 8, "data": 2, "as": 9}

#: The line in /proc/PID/status with the current usage of the resource that each limit restricts.
LIMITED_USES: dict[str, str] = {"memlock": "VmLck", "data": "VmData", "as": "VmSize"}

#: Every madvise advice that a program can name, with its kernel number.
ADVICE: dict[str, int] = {
    **{"normal": 0, "random": 1, "sequential": 2, "willneed": 3, "dontneed": 4, "free": 8},
    **{"remove": 9, "dontfork": 10, "dofork": 11, "mergeable": 12, "unmergeable": 13, "hugepage": 14},
    **{"nohugepage": 15, "dontdump": 16, "dodump": 17, "wipeonfork": 18, "keeponfork": 19, "cold": 20},
    **{"pageout": 21, "populate_read": 22, "populate_write": 23, "dontneed_locked": 24},
    **{"collapse": 25, "guard_install": 102, "guard_remove": 103},
}


#: Advice numbers; every C library of the last ten years names those below 20.
ADVICE_WORD = Word(
    ADVICE,
    "advice",
    "dontfork",
    plainer=("dontneed", "dontfork", "random", "sequential", "normal"),
    c="MADV_",
    newer=20,
)


class ProcessMadvise(OnPages, frozen=True, tag="process_madvise"):
    """process_madvise(2) on one range; ``advice`` is a key of :data:`ADVICE`.

    :param target: the task whose memory is affected
    """

    row: ClassVar = Row(
        (Shape.RANGE, ADVICE_WORD._replace(example="cold"), Shape.TASK),
        "process-madvise",
        "S5.15",
        weight=4,
        c="advise_process(turn.named, {at}, {pages}, {advice})",
    )

    advice: str
    target: str


class Setrlimit(msgspec.Struct, frozen=True, tag="setrlimit"):
    """setrlimit(2) for the soft limit on ``resource``, a key of :data:`LIMITS`, in the task's process.

    :param room: the number of pages that the process may have beyond those it has now; None for no limit
    """

    row: ClassVar = Row(
        (Word(LIMITS, "limit", "as", plainer=("as", "data", "memlock")), Shape.ROOM),
        "setrlimit",
        "S5.14",
        weight=2,
    )

    resource: str
    room: int | None


class ProcessMrelease(msgspec.Struct, frozen=True, tag="process_mrelease"):
    """process_mrelease(2) on the process of task ``victim``: reap a killed process's memory.

    :param killed: kill it first, without waiting; a held processor keeps it from exiting
    """

    row: ClassVar = Row((Shape.ANY_TASK, Flag("killed")), "process-mrelease", "S8.4", c="reap(turn.named)")

    victim: str
    killed: bool = False
