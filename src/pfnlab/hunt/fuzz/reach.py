"""Coverage results: the parts reached, the parts possible, and known violations met on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import msgspec

from pfnlab.base.result import ALWAYS, Count
from pfnlab.hunt.fuzz.conditions import CONDITIONS
from pfnlab.hunt.fuzz.coverage import WORDS, Measure, all_branches
from pfnlab.lab.running.kernel_blocks import FILES, files_by_function, function_of

if TYPE_CHECKING:
    from pfnlab.hunt.fuzz.hunt_state import HuntState

#: The number reached and the number possible.
Reached = tuple[Count, Count]


class ReachedKernel(msgspec.Struct, frozen=True, kw_only=True):
    """The blocks and functions that programs reached in the kernels of a hunt.

    :param blocks: the number of blocks
    :param functions: the number of functions with such a block
    :param files: by source file, its reached functions and blocks
    """

    blocks: Count
    functions: Count
    files: dict[str, tuple[Count, Count]]

    @classmethod
    def of(cls, blocks: Collection[str]) -> ReachedKernel:
        """The counts of *blocks*."""
        of_function = Counter(map(function_of, blocks))
        functions = Counter(files_by_function().get(name, "") for name in of_function)
        of_file = Counter(files_by_function().get(function_of(block), "") for block in blocks)
        return cls(
            blocks=len(blocks),
            functions=len(of_function),
            files={file: (functions[file], of_file[file]) for file in FILES},
        )


class ReachedCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """The coverage of the programs; in each pair of numbers the first is reached, the second possible.

    :param pairs: pairs of operations in sequence
    :param under: by condition, kinds reached and possible, pairs, triples, kinds that are missing
    :param branches: branches of the model; null if they were not recorded
    :param files: by file of the model, its branches, the lowest coverage first; empty if they were not
        recorded
    :param words: kinds of kernel calls
    :param never: kinds of kernel calls that no program made
    :param kernel: the coverage of kernels; null if their blocks were not counted
    """

    pairs: Reached
    under: Annotated[dict[str, tuple[Reached, Count, Count, tuple[str, ...]]], ALWAYS] = msgspec.field(
        default_factory=dict
    )
    branches: Reached | None
    files: dict[str, Reached]
    words: Reached
    never: tuple[str, ...]
    kernel: Annotated[ReachedKernel | None, ALWAYS] = None


def coverage_of(state: HuntState, *, watched: bool) -> ReachedCoverage:
    """The coverage, reached and possible: pairs, branches, branches by file (lowest first), words."""
    kinds, coverage = len(state.vocabulary.kinds), state.coverage
    pairs = [pair for pair in coverage.pairs if set(pair.split(" > ")) <= set(state.vocabulary.kinds)]
    branches = all_branches() if watched else set()
    whole = Counter(name.partition(":")[0] for name in branches)
    reached = Counter(name.partition(":")[0] for name in coverage.branches)
    files = sorted(whole, key=lambda file: (reached[file] / whole[file], file))
    words = WORDS & coverage.words.keys()
    can = state.vocabulary
    met = (can.has_leaves, can.slots, can.has_leaves, can.schedules)
    possible = [name for name, is_met in zip(CONDITIONS, met, strict=True) if is_met]
    return ReachedCoverage(
        pairs=(len(pairs), kinds * kinds),
        under={name: _under(state, name) for name in possible},
        branches=(len(coverage.branches & branches), len(branches)) if watched else None,
        files={file: (reached[file], whole[file]) for file in files},
        words=(len(words), len(WORDS)),
        never=tuple(sorted(WORDS - words)),
        kernel=ReachedKernel.of(coverage.blocks) if state.measure is Measure.KERNEL else None,
    )


def _under(state: HuntState, condition: str) -> tuple[Reached, int, int, tuple[str, ...]]:
    """The kinds reached and possible under *condition*, the pairs and triples, the missing kinds."""
    kinds, pairs, triples = state.coverage.reached(condition)
    possible = set(state.vocabulary.kinds)
    missing = tuple(sorted(possible - kinds))
    return (len(kinds & possible), len(possible)), len(pairs), len(triples), missing


class KnownRow(msgspec.Struct):
    """A known violation.

    :param programs: the number of programs with it
    """

    programs: Count = 0
