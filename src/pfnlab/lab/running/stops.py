"""The points of a program at which its guest stands, so that the lens can look at it."""

from __future__ import annotations

from typing import NamedTuple

from pfnlab.lab.running.preparations import preparations
from pfnlab.programs.lang.ops import Op, Program


def _is_forced(op: Op) -> bool:
    return op.fail is not None or op.skip is not None


class StandingPoint(NamedTuple):
    """A point of a request at which the guest stands.

    :param operations: so many of it are done, preparations counted
    :param looked_at: an operation of the program is done there, with all that belongs to it
    :param forced: the operation of the program that leads there, where a call is to be forced in it
    """

    operations: int
    looked_at: bool
    forced: Op | None = None


def stops_of(program: Program) -> list[StandingPoint]:
    """One after each operation; around one in which a call is forced its preparations are apart."""
    stops, operations = [], 0
    for op, around in zip(program.ops, preparations(program), strict=True):
        if _is_forced(op):
            if around.before:
                stops.append(StandingPoint(operations + len(around.before), looked_at=False))
            operations += len(around.before) + 1
            stops.append(StandingPoint(operations, looked_at=not around.after, forced=op))
            if not around.after:
                continue
            operations += len(around.after)
        else:
            operations += len(around.before) + 1 + len(around.after)
        stops.append(StandingPoint(operations, looked_at=True))
    return stops


def can_stand(program: Program) -> bool:
    """True where *program* can be one request in which the guest stands after each operation."""
    if program.needs.held or program.needs.slot:
        return False
    # The process id is not known before the first operation, so no call can be forced in that; and the
    # functions of the driver are asked for in requests of their own.
    if program.ops and _is_forced(program.ops[0]):
        return False
    return not (program.needs.driver and any(op.skip is not None for op in program.ops))
