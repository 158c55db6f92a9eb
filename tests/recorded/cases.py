"""Recorded runs of real kernels (JSON lines, S12) as programs of ours.

A recorded case is a list of operations, and for every kernel the result of each operation (S12.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from pfnlab.base.errors import ProgramError
from pfnlab.kernel.policies.known_kernels import version_of_release
from pfnlab.kernel.policies.releases import series_of
from pfnlab.programs.lang.ops import Area, Device, Exec, Op, Program
from pfnlab.programs.lang.validity import check_program
from tests.recorded.recorded_calls import (
    BAR,
    BAR_PAGES,
    WINDOW_PAGES,
    Letters,
    Waiting,
    call_of,
    task_name,
)

#: Pages of a case's window of the BAR where vfio-pci has the device (S12.1).
VFIO_WINDOW_PAGES = 512


class RecordedRelease(msgspec.Struct):
    """A line of a recorded run.

    :param kernel_release: of the kernel, as ``uname -r`` prints it
    """

    kernel_release: str

    @property
    def series(self) -> str:
        """The kernel's series."""
        return series_of(self.version)

    @property
    def version(self) -> str:
        """The kernel's exact version, where it is known."""
        return version_of_release(self.kernel_release)


class RecordedState(msgspec.Struct):
    """The observation after one recorded operation."""

    op: str
    ret: int
    errno: str
    memtype: list[tuple[int, int, str]]
    dmesg: list[str]
    val: int | str | list[str] | None = None


class RecordedCase(RecordedRelease):
    """One case on one kernel."""

    case: str
    ops: list[str]
    obs: list[RecordedState]

    def __post_init__(self) -> None:
        for op, observed in zip([*self.ops, "END"], self.obs, strict=False):
            if op != observed.op:
                raise ValueError(f"`{op}` was observed as `{observed.op}`")


def wrong(where: str, fields: Iterable[tuple[str, object, object]]) -> Iterator[str]:
    """A line for each field that the model does not predict.

    :param where: the case, and the kernel's series
    :param fields: the name of each, its recorded value and the predicted one
    """
    for name, recorded, predicted in fields:
        if recorded != predicted:
            yield f"wrong {where}: {name} recorded {recorded!r}, predicted {predicted!r}"


def check_recorded(translated: Callable[[], Program]) -> None:
    """Translate a recorded run, to learn that it is one.

    :raises ValueError: one of its operations has not the words that it is recorded with
    """
    try:
        check_program(translated())
    except Waiting:
        return
    except (ProgramError, ValueError, TypeError, IndexError, KeyError) as trouble:
        # Words of a foreign file are taken apart in many places; what is amiss shows in any of them.
        raise ValueError(f"an operation has other words than recordings have: {trouble}") from None


def window_pages(ops: list[str]) -> int:
    """The windows of the recording that a case with these operations is from."""
    return VFIO_WINDOW_PAGES if any(" vfio " in op for op in ops) else WINDOW_PAGES


def translate(case: str, ops: list[str], index: int) -> Program:
    """
    A recorded case as a program.

    :param index: its place in the file, which chooses its window of the BAR
    :raises Waiting: an operation waits for a later capability
    """
    letters = Letters()
    operations = []
    exec_actors: set[str] = set()
    for text in ops:
        actor, verb, *args = text.split()
        if actor in exec_actors and verb != "maps":
            raise Waiting(text, "operations after exec, where the recording lost its names")
        call = call_of(text, verb, args, letters)
        if isinstance(call, Exec):
            exec_actors.add(actor)
        operations.append(Op(call, task_name(actor)))
    device = Device(BAR, "pci", BAR_PAGES - window_pages(ops) * index)
    areas = tuple(Area(name, pages) for name, pages in letters.items())
    return Program(case, "", (device,), tuple(operations), areas)
