"""A counterexample without the operations it does not need.

What a breadth-first search finds is shortest already; what a random walk finds is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from pfnlab.errors import ProgramError
from pfnlab.programs.checks import check_program
from pfnlab.programs.ops import Op, Program


def shortened(program: Program, breaks: Callable[[Sequence[Op]], bool]) -> Program:
    """*program* with operations left out, largest groups first, until none can go any more.

    :param breaks: whether operations still show what the program shows
    """
    ops = list(program.ops)
    size = max(len(ops) // 2, 1)
    while size:
        at = 0
        shorter = False
        while at < len(ops):
            rest = ops[:at] + ops[at + size :]
            if rest and _is_program(program, rest) and breaks(rest):
                ops, shorter = rest, True
            else:
                at += size
        # Something that went may let something else go.
        size = size if shorter else size // 2
    return msgspec.structs.replace(program, ops=tuple(ops))


def _is_program(program: Program, ops: Sequence[Op]) -> bool:
    try:
        check_program(msgspec.structs.replace(program, ops=tuple(ops)))
    except ProgramError:
        return False
    return True
