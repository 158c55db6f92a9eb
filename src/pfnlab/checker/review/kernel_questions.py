"""Review questions as programs, for machines whose rules are unknown: a kernel with and without a patch.

The sequences are those of a review of models. The schedules hold an operation at fixed functions, where the
entries, the flush and the reverse map are in different states, instead of searching every order.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from pfnlab.checker.review.grounds import ALONE, BESIDE, KINDS, ground, parsed, used_areas
from pfnlab.checker.review.pairs import OperationPair, claims, owners
from pfnlab.checker.review.review_result import Form
from pfnlab.programs.cases.neighbours import NEIGHBOURS
from pfnlab.programs.lang.ops import Op, Program

#: Where an operation on the plainest mapping is held: before the flush, before page tables are freed, as the
#: VMA leaves its file, before entries are cleared. Other mappings: the first two, and the flush after one
#: in the middle of the mapping.
_HOLDS = ("flush_tlb_mm_range", "free_pgtables", "rmap_del", "unmap_vmas")
_FEW_HOLDS, _NEXT_FLUSH = _HOLDS[:2], "flush_tlb_mm_range 2"

#: The kind of mapping that is tried with every neighbour: the first that a driver revokes.
_PLAINEST = next(kind for kind in KINDS if kind.kind.revoked)

#: The stages by name, in order.
STAGES = (
    "every operation on every kind of mapping",
    "an owner's revocation while an operation that unmaps its mappings is held",
    "another process maps in another mode while an operation that releases the frames is held",
    "every operation with a failing allocation",
    "every operation on every kind of mapping with every neighbour",
    "pairs of operations in a row",
)

#: The number of core stages, which come first.
CORE = 3


class KernelQuestion(NamedTuple):
    """A program of a review, which is made when it is asked for, because there are tens of thousands.

    :param stage: the index of its stage in :data:`STAGES`
    :param begin: the program, or its beginning if there are *ops*
    :param where: the mappings, in words
    :param ops: the operations after the beginning
    """

    stage: int
    begin: Program
    where: str
    form: Form = "sequence"
    ops: tuple[Op, ...] = ()

    @property
    def program(self) -> Program:
        """The whole program, without areas that it does not use."""
        return used_areas(msgspec.structs.replace(self.begin, ops=(*self.begin.ops, *self.ops)))


def kernel_questions() -> Iterator[KernelQuestion]:
    """Yield every question, stage by stage; the plainest mapping first in each."""
    yield from _sequences(0, ALONE, failing=False)
    for stage, pairs in ((1, owners()), (2, claims())):
        for pair in pairs:
            # Neighbours decide which VMA of an operation comes first, so the plainest mapping has them all.
            if pair.neighbour is NEIGHBOURS[0] or pair.kind is _PLAINEST:
                yield from _schedules(stage, pair)
    yield from _sequences(3, ALONE, failing=True)
    yield from _sequences(4, BESIDE, failing=False)
    for at in ALONE:
        for first in _parts(at, failing=False):
            for second in ground(at).seconds:
                yield _sequence(5, at, (*first, *second))


def _parts(at: int, *, failing: bool) -> Sequence[tuple[Op, ...]]:
    """The first operations on a ground: those with a failing allocation, or the others."""
    return [part for part in ground(at).firsts if any(op.fail is not None for op in part) is failing]


def _sequences(stage: int, numbers: Sequence[int], *, failing: bool) -> Iterator[KernelQuestion]:
    for at in numbers:
        for part in _parts(at, failing=failing):
            yield _sequence(stage, at, part)


def _sequence(stage: int, at: int, ops: tuple[Op, ...]) -> KernelQuestion:
    return KernelQuestion(stage, ground(at).program, ground(at).name, ops=ops)


def _schedules(stage: int, pair: OperationPair) -> Iterator[KernelQuestion]:
    """A pair with its first operation held at each function."""
    before, (first, *beside) = pair.lines()
    is_plainest = pair.kind is _PLAINEST and pair.neighbour is NEIGHBOURS[0]
    holds = _HOLDS if is_plainest else _FEW_HOLDS
    for hold in (*holds, *[_NEXT_FLUSH] * pair.kind.kind.flushes_within):
        lines = [*before, f"hold {hold}: {first}", *beside, "release"]
        if (program := parsed(pair.kind, lines)) is not None:
            yield KernelQuestion(stage, program, pair.where, "schedule")
