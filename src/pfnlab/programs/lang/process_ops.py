"""Operations on a process as a whole, and on another task's memory."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from pfnlab.programs.lang.fields import Flag, Row, Shape, Word
from pfnlab.programs.lang.kernel_numbers import ADVICE, LIMITS
from pfnlab.programs.lang.span import OnPages

#: An advice; every C library of the last ten years has those before 20.
ADVICE_WORD = Word(
    ADVICE,
    "advice",
    "dontfork",
    plainer=("dontneed", "dontfork", "random", "sequential", "normal"),
    c="MADV_",
    newer=20,
)


class ProcessMadvise(OnPages, frozen=True, tag="process_madvise"):
    """process_madvise(2) of one range; ``advice`` is a key of :data:`ADVICE`.

    :param target: the task whose memory is meant
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
    """setrlimit(2) of the soft limit on ``resource``, a key of :data:`LIMITS`, for the process of the task.

    :param room: the pages that the process may have more than it has now; None for any number
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
    """process_mrelease(2) of the process of task ``victim``: memory of a process that was killed is taken.

    :param killed: it is killed first, and not waited for; a processor is held, which keeps it from its end
    """

    row: ClassVar = Row((Shape.ANY_TASK, Flag("killed")), "process-mrelease", "S8.4", c="reap(turn.named)")

    victim: str
    killed: bool = False
