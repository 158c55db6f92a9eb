"""The coverage of a hunt: operation pairs, kernel calls, and basic blocks of kernels.

Models run random programs in several processes, which get them in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Annotated, Any

import msgspec

from pfnlab.base.processes import Processes
from pfnlab.base.result import ALWAYS, Count
from pfnlab.hunt.fuzz.call_kinds import Vocabulary, pairs_of
from pfnlab.hunt.fuzz.conditions import CONDITIONS, reached_under
from pfnlab.lab.running.kernel_blocks import FILES, files_by_function, function_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.events import EVENTS
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run, undecided

#: Every word that an event in a step can begin with.
WORDS = frozenset(word for word, _ in EVENTS.values())


class Coverage(msgspec.Struct):
    """The coverage of all programs so far.

    :ivar pairs: the number of programs with each pair of kinds
    :ivar words: the first words of events, with counts
    :ivar under: by condition, the number of programs with each kind, pair and triple of operations
    :ivar blocks: kernel basic blocks, e.g. ``do_wp_page+1a4``, if counted
    """

    pairs: dict[str, int] = msgspec.field(default_factory=dict)
    words: dict[str, int] = msgspec.field(default_factory=dict)
    under: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    blocks: set[str] = msgspec.field(default_factory=set)

    def add(self, program: Program, runs: Sequence[Run]) -> bool:
        """Add the coverage of one program; return whether any of it is new."""
        before = self._size()
        for pair in pairs_of(program):
            self.pairs[pair] = self.pairs.get(pair, 0) + 1
        for run in runs:
            for word in _words(run):
                self.words[word] = self.words.get(word, 0) + 1
        for condition, row in reached_under(program, runs[0] if runs else None):
            rows = self.under.setdefault(condition, {})
            rows[row] = rows.get(row, 0) + 1
        return before != self._size()

    def add_blocks(self, runs: Iterable[Run]) -> bool:
        """Add the blocks that one program reached in kernels; return whether any of them is new."""
        before = len(self.blocks)
        for run in runs:
            self.blocks.update(run.blocks)
        return before != len(self.blocks)

    def reached(self, condition: str) -> tuple[set[str], set[str], set[str]]:
        """The kinds, pairs and triples reached under *condition*."""
        rows = self.under.get(condition, {})
        by_length = [{row for row in rows if row.count(" > ") == more} for more in range(3)]
        return by_length[0], by_length[1], by_length[2]

    def _size(self) -> tuple[int, ...]:
        """The counts that grow with new coverage; a triple alone is not enough."""
        pairs = sum(row.count(" > ") < 2 for rows in self.under.values() for row in rows)
        return len(self.pairs), len(self.words), pairs


def _words(run: Run) -> Iterator[str]:
    """The known word at the start of each event of *run*; the longest match counts."""
    for step in run.steps:
        for event in step.events or ():
            parts = event.split()
            two = " ".join(parts[:2])
            yield two if two in WORDS else parts[0]


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
    :param words: kinds of kernel calls
    :param never: kinds of kernel calls that no program made
    :param kernel: the coverage of kernels; null if their blocks were not counted
    """

    pairs: Reached
    under: Annotated[dict[str, tuple[Reached, Count, Count, tuple[str, ...]]], ALWAYS] = msgspec.field(
        default_factory=dict
    )
    words: Reached
    never: tuple[str, ...]
    kernel: Annotated[ReachedKernel | None, ALWAYS] = None

    @classmethod
    def of(cls, coverage: Coverage, vocabulary: Vocabulary, *, by_blocks: bool) -> ReachedCoverage:
        """The coverage of programs with *vocabulary*; *by_blocks* tells if kernel blocks were counted."""
        kinds = set(vocabulary.kinds)
        words = WORDS & coverage.words.keys()
        has_leaves = vocabulary.has_leaves
        met = (has_leaves, vocabulary.slots, has_leaves, vocabulary.schedules)
        under = {}
        for condition in (name for name, is_met in zip(CONDITIONS, met, strict=True) if is_met):
            found, pairs, triples = coverage.reached(condition)
            missing = tuple(sorted(kinds - found))
            under[condition] = (len(found & kinds), len(kinds)), len(pairs), len(triples), missing
        return cls(
            pairs=(sum(set(pair.split(" > ")) <= kinds for pair in coverage.pairs), len(kinds) ** 2),
            under=under,
            words=(len(words), len(WORDS)),
            never=tuple(sorted(WORDS - words)),
            kernel=ReachedKernel.of(coverage.blocks) if by_blocks else None,
        )


#: The number of programs given to a process at a time.
_TOGETHER = 5


class ModelProcesses:
    """Runs programs on models in separate processes; a context manager.

    :param models: the models' names, the first model first
    :param jobs: the number of processes; if 1, no process is started and only the first model is run
    """

    def __init__(
        self,
        models: Sequence[str],
        run: Callable[[str, Program, LookLevel], Run],
        jobs: int = 1,
    ) -> None:
        self.models = models if jobs > 1 else models[:1]
        self._run = run
        self._processes = Processes[tuple[tuple[Program, LookLevel], ...], list[Any]](
            self._answers, jobs, lambda programs: f"{programs[0][0].title} and the programs after it"
        )

    @property
    def jobs(self) -> int:
        """The number of processes; 1 means the current one."""
        return self._processes.jobs

    def __enter__(self) -> ModelProcesses:
        self._processes.__enter__()
        if self.models:
            # Start these before any guests, because guests would otherwise live as long as these processes.
            self._processes.begin()
        return self

    def __exit__(self, *errors: object) -> None:
        self._processes.__exit__(*errors)

    def ask(self, asked: Sequence[tuple[Program, LookLevel]]) -> Iterator[dict[str, Run]]:
        """The runs of programs in order, each at its observation level, by model name.

        Only the first model's run if it cannot answer; none without models.
        """
        if not self.models:
            yield from ({} for _ in asked)
            return
        parcels = [tuple(asked[at : at + _TOGETHER]) for at in range(0, len(asked), _TOGETHER)]
        for answers in self._processes.each(parcels):
            for runs in answers:
                yield msgspec.msgpack.decode(runs, type=dict[str, Run]) if self.jobs > 1 else runs

    def _answers(self, asked: Sequence[tuple[Program, LookLevel]]) -> list[Any]:
        answers: list[Any] = []
        for program, level in asked:
            runs = {name: self._run(name, program, level) for name in self.models[:1]}
            if undecided(list(runs.values())) is None:
                runs |= {name: self._run(name, program, level) for name in self.models[1:]}
            # Packing takes half the time of pickling.
            answers.append(msgspec.msgpack.encode(runs) if self.jobs > 1 else runs)
        return answers
