"""Coverage results: the parts reached, the parts possible, and known violations met on the way.

Violations are counted by operation and by the row that explains them. When a row explains a violation in a
new kind of operation, the first such program is kept, so that a reader can decide whether the reason applies
there, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Annotated

import msgspec

from pfnlab.base.result import ALWAYS, Count
from pfnlab.hunt.fuzz.call_kinds import kind_of
from pfnlab.hunt.fuzz.conditions import CONDITIONS
from pfnlab.hunt.fuzz.coverage import WORDS, Measure, all_branches
from pfnlab.lab.running.kernel_blocks import FILES, files_by_function, function_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.model.model_machine import END
from pfnlab.programs.runs.violation import Violation

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


class KnownShape(msgspec.Struct):
    """A known violation in one kind of operation.

    :param programs: the number of programs with it
    :param step: its step in the first program, from 0
    :param says: the observation there
    :param program: the first program, as text
    """

    programs: Count
    step: Count
    says: str
    program: str


class KnownRow(msgspec.Struct):
    """A known violation.

    :param programs: the number of programs with it
    :param shapes: its shapes, by the kind of operation that violated the property
    """

    programs: Count = 0
    shapes: dict[str, KnownShape] = msgspec.field(default_factory=dict)


def note_known(rows: dict[str, KnownRow], program: Program, broken: Iterable[Violation]) -> None:
    """Count the known violations of one program in *rows*, whose names are property and reason.

    :param broken: all violations, known or not, on any machine
    """
    counted: set[tuple[str, str]] = set()
    for violation in broken:
        if not violation.known:
            continue
        name = f"{violation.name}: {violation.known}"
        kind = kind_of(program.ops[violation.step].call) if violation.step < len(program.ops) else END
        row = rows.setdefault(name, KnownRow())
        if (name, "") not in counted:
            row.programs += 1
        if kind not in row.shapes:
            row.shapes[kind] = KnownShape(0, violation.step, violation.says, format_program(program))
        if (name, kind) not in counted:
            row.shapes[kind].programs += 1
        counted |= {(name, ""), (name, kind)}
