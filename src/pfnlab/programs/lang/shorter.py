"""Shrinking a program to fewer operations with the same result (delta debugging).

Operations are removed in smaller and smaller groups, and finally one by one until none can be removed, so
the result is 1-minimal. An operation is removed along with those that need it, e.g. a fork with all
operations of its child.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.ops import Fork, Op, Program, Release, Thread
from pfnlab.programs.lang.validity import check_program
from pfnlab.programs.lang.words import tasks_named


def shrunk(program: Program, shows: Callable[[Program], bool]) -> Program:
    """The last program that :func:`shrink_steps` gives, or *program* if nothing can be removed."""
    return [program, *shrink_steps(program, shows)][-1]


def shrink_steps(program: Program, shows: Callable[[Program], bool]) -> Iterator[Program]:
    """Shorter and shorter programs for which *shows* holds, each derived from the one before."""
    size = max(1, len(program.ops) // 2)
    while True:
        smaller = first_match(_without_groups(program, size), shows)
        if smaller is not None:
            yield smaller
            program = smaller
            size = min(size, max(1, len(program.ops) // 2))
        elif size == 1:
            return
        else:
            size //= 2


def first_match(candidates: Iterable[Program], shows: Callable[[Program], bool]) -> Program | None:
    """The first of *candidates* that is a valid program and for which *shows* holds."""
    return next((candidate for candidate in candidates if _is_program(candidate) and shows(candidate)), None)


def without(program: Program, places: Sequence[int]) -> Program | None:
    """*program* without the operations at *places* and all that depend on them; None if nothing is left."""
    removed, held_at = set(places), _held_at(program)
    ops: dict[int, Op] = {}
    missing_tasks: set[str] = set()
    for place, op in enumerate(program.ops):
        hold = held_at.get(place)
        orphan = _concerned(op) & missing_tasks or (isinstance(op.call, Release) and hold not in ops)
        if place not in removed and not orphan:
            ops[place] = op
            continue
        if isinstance(op.call, (Fork, Thread)):
            missing_tasks.add(op.call.child)
        if hold is not None and hold in ops:
            ops[hold] = replace(ops[hold], hold=None)
    return replace(program, ops=tuple(ops.values())) if ops else None


def _held_at(program: Program) -> dict[int, int]:
    """The place of each release, with the place of the hold that it ends."""
    held: dict[str, int] = {}
    found: dict[int, int] = {}
    for place, op in enumerate(program.ops):
        if op.hold is not None:
            held[op.task] = place
        elif isinstance(op.call, Release) and held:
            task = op.call.held if op.call.held in held else next(iter(held))
            found[place] = held.pop(task)
    return found


def _concerned(op: Op) -> set[str]:
    """The calling task, and the task that its call names."""
    return {op.task, *tasks_named(op.call).values()}


def _without_groups(program: Program, size: int) -> Iterator[Program]:
    """*program* without each group of *size* operations in turn, starting with the last group."""
    for start in reversed(range(0, len(program.ops), size)):
        smaller = without(program, range(start, min(start + size, len(program.ops))))
        if smaller is not None:
            yield smaller


def _is_program(program: Program) -> bool:
    try:
        check_program(program)
    except ProgramError:
        return False
    return True
