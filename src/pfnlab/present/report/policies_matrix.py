"""Every policy against every property of its seam, with its costs.

Trackers and walkers are searched in the scope ``standard``, flush placements in ``race`` and in
``race_gathers``, all of them in ``leaves``. The scopes of vfio-pci are for trackers on several kernels, and
reports are searched on two.
How often a call flushes by the distance of its mappings is counted in programs of ``litmus/``:
``docs/flush-distance.md`` is the table of all placements and kernels (discussion 004).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from pfnlab.base.errors import Misuse
from pfnlab.base.processes import in_order
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.base.result import ALWAYS, Count, Made, Outcome, Result
from pfnlab.checker.check import check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.properties import SEAMS, Seam, questions
from pfnlab.checker.scopes.scope import RaceScope, load_scope
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.patched import PatchedKernel, patched_kernels
from pfnlab.kernel.policies.profiles import SERIES as MEASURED
from pfnlab.kernel.policies.profiles import era_of, exact
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.seams import policy_names
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program, load_text, program_files
from pfnlab.programs.lang.ops import Madvise, Mprotect, Munmap, Op, Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

#: The model the placements are tried on.
SERIES = "7.2"

#: The distances of the mappings, each with its word in the names of programs.
DISTANCES = {
    "side by side": "adjacent",
    "in one page table": "same-table",
    "2 MiB apart": "next-table",
    "8 MiB apart": "far",
}

#: What the first mapping and every second one is, each with its word in the names of programs.
KINDS = {"PFN": "pfn", "PFN, mixed": "mixed", "PFN, ordinary": "ordinary", "ordinary, PFN": "behind"}


class FlushedCount(NamedTuple):
    """The gathers and flushes of one operation."""

    gathers: int
    flushes: int


def programs() -> Iterator[tuple[str, str, str]]:
    """The rows of the first table: distance, kinds, and the program's name."""
    for kinds, kinds_word in KINDS.items():
        for distance, distance_word in DISTANCES.items():
            yield distance, kinds, f"flushes-{distance_word}-{kinds_word}"


def counts(program: Program, steps: Sequence[Step]) -> list[FlushedCount]:
    """The counts of the operations that are asked about: every munmap, or the last operation without one."""
    asked = [number for number, op in enumerate(program.ops) if isinstance(op.call, Munmap)]
    return [_count(steps[number], program.ops[number]) for number in asked or (len(program.ops) - 1,)]


def _count(step: Step, op: Op) -> FlushedCount:
    if step.result != "ok" or step.flushes is None or step.events is None:
        raise Misuse(f"{step.op} ended with {step.result}, or its flushes were not counted")
    if not isinstance(op.call, Munmap | Madvise | Mprotect):
        raise Misuse(f"{step.op} is no operation of this page")
    return FlushedCount(sum(event == "gather" for event in step.events), step.flushes)


def model_counts(machine: str, program: Program) -> list[FlushedCount]:
    """The counts on a model."""
    return counts(program, ModelMachine(machine).run_one(program).steps)


def by_distance(litmus: Mapping[str, Path]) -> dict[str, dict[str, tuple[int, ...]]]:
    """By what is mapped and placement: the flushes of a munmap of four mappings, by :data:`DISTANCES`."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for _, kinds, name in programs():
        program = load_program(litmus[name])
        for flush in FLUSHES:
            *_, four = model_counts(f"{SERIES},flush={flush}", program)
            row = found.setdefault(kinds, {})
            row[flush] = (*row.get(flush, ()), four.flushes)
    return found


#: How many operations in a row a search tries by default.
DEPTH = 3
#: The seam of the reports of a free in vain, and its name in that of a machine.
REPORT: Literal["report"] = "report"
_OPTION = "freed_in_vain"
PolicySeam = Seam | Literal["report"]

#: The rows of every seam, as the name of a machine says them.
POLICIES: dict[str, tuple[str, ...]] = {
    **{seam: policy_names(seam) for seam in SEAMS},
    REPORT: tuple(REPORTS),
}


class SeamSearch(NamedTuple):
    """The searches with every policy of one seam, around *kernels*, in one scope of *depth* (None: asked
    for); *more* properties beside the seam's; with *holders*, the kernels of a policy are named.
    """

    seam: PolicySeam
    scope: str
    kernels: tuple[str, ...] = (SERIES,)
    depth: int | None = None
    more: tuple[str, ...] = ()
    holders: bool = False

    @property
    def of_races(self) -> bool:
        """True where the scope has races, whose counterexamples are counted in turns."""
        return isinstance(load_scope(self.scope), RaceScope)

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that the scope can decide."""
        asked = questions(scope=load_scope(self.scope))
        return (*(question.name for question in asked if question.seam == self.seam), *self.more)


#: What vfio-pci asks of a tracker depends on what the fault handler of the kernel around it calls (S9.4).
VFIO_SERIES = ("6.1", "6.12", "7.2")

SEARCHES = (
    SeamSearch("tracker", "standard", holders=True),
    SeamSearch("flush", "race", holders=True),
    SeamSearch("flush", "race_gathers"),
    SeamSearch("walker", "standard", holders=True),
    *(SeamSearch(seam, "leaves") for seam in SEAMS),
    SeamSearch("tracker", "vfio", VFIO_SERIES, more=("memory_off",)),
    SeamSearch("tracker", "vfio_memory", VFIO_SERIES, depth=6, more=("memory_off",)),
    SeamSearch(REPORT, "standard", ("6.1", "7.2"), more=("freed_once", "no_warning")),
)

#: The programs whose costs are counted, by name.
WORKLOADS: dict[str, tuple[str, ...]] = {
    "whole": ("a = mmap bar[0:16] wc shared rw", "munmap a"),
    "hole": ("a = mmap bar[0:16] wc shared rw", "munmap a[4:8]", "munmap a"),
    "fork": ("a = mmap bar[0:16] wc shared rw", "c = fork", "c: exit", "munmap a"),
    "move": ("a = mmap bar[0:16] wc shared rw", "b = mremap a 16 pages maymove fixed", "munmap b"),
    "three": (
        "a = mmap bar[0:4] wc shared rw",
        "mmap bar[4:8] wc shared rw over a[4:8]",
        "mmap bar[8:12] wc shared rw over a[8:12]",
        "munmap a[0:12]",
    ),
    "exit": ("c = fork", "c: a = mmap bar[0:16] wc shared rw", "c: read a[0]", "c: exit"),
}

#: Memory is switched off and on again between two reads.
_AGAIN = (
    "a = mmap bar[0:2] vfio shared rw",
    "read a[0]",
    "memory_disable bar",
    "memory_enable bar",
    "read a[0]",
)

_BOOK = ("reserve", "erase")
_HEAD = "pfnlab program 1\ndevice bar: pci, 16 pages\narea a: 16 pages\n\n"


class PolicyRow(msgspec.Struct, frozen=True):
    """One policy: its verdicts by property.

    :param policy: its name
    :param states: states that were reached with it
    :param verdicts: by property, the length of the shortest counterexample; null where the property holds
    :param asked: properties whose question arose
    :param kernels: the kernels that have it: stock ones, and how many programs one with a patch of ours ran
        as the model does; empty where they are not named
    """

    policy: str
    states: Count
    verdicts: dict[str, Annotated[int, Meta(ge=1)] | None]
    asked: tuple[str, ...]
    kernels: Annotated[str, ALWAYS] = ""


class SeamPolicies(msgspec.Struct, frozen=True):
    """The policies of one seam in one scope, in one kernel.

    :param seam: the seam; report for the reports of a free in vain
    :param scope: the scope that was searched
    :param unit: the unit of the lengths of counterexamples, where it is not operations
    :param policies: its policies
    :param series: the kernel around them; empty for that of the result
    :param depth: the bound on operations in a row; null for that of the result
    """

    seam: PolicySeam
    scope: str
    unit: str
    policies: tuple[PolicyRow, ...]
    series: Annotated[str, ALWAYS] = ""
    depth: Annotated[int | None, ALWAYS] = None


class PoliciesResult(Result, frozen=True, kw_only=True, tag="pfnlab-policies/1"):
    """The verdicts and costs of every policy.

    :param series: the kernel around every policy
    :param depth: the bound on operations in a row
    :param seams: each seam with its policies, by scope and kernel
    :param flushes: by flush placement and workload, the TLB flushes
    :param book: by tracker and workload, the operations on the book
    :param distances: how far apart mappings lie, the nearest first
    :param flushes_by_distance: by what is mapped and placement, the flushes of a munmap of four mappings
    :param bytes: by tracker, the bytes in every VMA and for every context
    :param read_again: by tracker and kernel, the result of a read through vfio-pci after the memory was
        switched off and on
    """

    series: str
    depth: Annotated[int, Meta(ge=1)]
    seams: tuple[SeamPolicies, ...]
    flushes: dict[str, dict[str, Count]]
    book: dict[str, dict[str, Count]]
    distances: Annotated[tuple[str, ...], ALWAYS] = ()
    flushes_by_distance: Annotated[dict[str, dict[str, tuple[Count, ...]]], ALWAYS] = msgspec.field(
        default_factory=dict
    )
    bytes: Annotated[dict[str, tuple[Count, Count]], ALWAYS] = msgspec.field(default_factory=dict)
    read_again: Annotated[dict[str, dict[str, str]], ALWAYS] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = [row for placements in self.flushes_by_distance.values() for row in placements.values()]
        if any(len(row) != len(self.distances) for row in counts):
            raise ValueError("flushes_by_distance has not a number for each of the distances")

    @property
    def outcome(self) -> Outcome:
        """A property that a policy violates is a discovery."""
        rows = (row for seam in self.seams for row in seam.policies)
        violated = any(length is not None for row in rows for length in row.verdicts.values())
        return Outcome.DISCOVERY if violated else Outcome.AS_EXPECTED


def policies_result(
    depth: int = DEPTH, jobs: int | None = 1, counted: PartCount = UNCOUNTED
) -> PoliciesResult:
    """The verdicts and costs of every policy; *jobs* searches at a time, None for the processors."""
    asked = [(search, series) for search in SEARCHES for series in search.kernels]
    pieces = [partial(_row, *one, policy, depth) for one in asked for policy in POLICIES[one[0].seam]]
    counted.expect(len(pieces))
    rows = iter(in_order(lambda piece: piece(), pieces, jobs, done=counted.advance))
    return PoliciesResult(
        made=Made.now(),
        series=SERIES,
        depth=depth,
        seams=tuple(
            SeamPolicies(
                *(search.seam, search.scope, " turns" if search.of_races else ""),
                policies=tuple(next(rows) for _ in POLICIES[search.seam]),
                series=series,
                depth=search.depth,
            )
            for search, series in asked
        ),
        flushes={name: _costs(_machine("flush", name))[1] for name in POLICIES["flush"]},
        book={name: _costs(_machine("tracker", name))[0] for name in POLICIES["tracker"]},
        distances=tuple(DISTANCES),
        flushes_by_distance=by_distance(program_files(library_folder())),
        bytes={
            name: (tracker.BYTES_PER_VMA, tracker.BYTES_PER_CONTEXT)
            for name in POLICIES["tracker"]
            for tracker in [TRACKERS[name.partition("@")[0]]]
        },
        read_again={
            name: {
                series: step.result if step.result == "ok" else str(step.value)
                for series in VFIO_SERIES
                for step in _steps(_machine("tracker", name, series), _AGAIN)[-1:]
            }
            for name in POLICIES["tracker"]
        },
    )


def _machine(seam: str, policy: str, series: str = SERIES) -> ModelMachine:
    return ModelMachine(f"{series},{_OPTION if seam == REPORT else seam}={policy}")


def _row(search: SeamSearch, series: str, policy: str, depth: int) -> PolicyRow:
    scope, properties = load_scope(search.scope), search.properties
    limits = Exhaustive(depth=None if isinstance(scope, RaceScope) else search.depth or depth)
    result = check(_machine(search.seam, policy, series), scope, limits=limits)
    answers = [answer for answer in result.answers if answer.name in properties]
    return PolicyRow(
        policy,
        result.states,
        {answer.name: answer.length for answer in answers},
        tuple(sorted(answer.name for answer in answers if not answer.vacuous)),
        kernels_with(search.seam, policy, patched_kernels().values()) if search.holders else "",
    )


def _costs(machine: ModelMachine) -> tuple[dict[str, int], dict[str, int]]:
    """By workload: operations on the book, and TLB flushes."""
    book, flushed = {}, {}
    for name, lines in WORKLOADS.items():
        steps = _steps(machine, lines)
        words = [event.split()[0] for step in steps for event in step.events or ()]
        book[name] = sum(words.count(word) for word in _BOOK)
        flushed[name] = sum(step.flushes or 0 for step in steps)
    return book, flushed


def _steps(machine: ModelMachine, lines: Iterable[str]) -> tuple[Step, ...]:
    text = "\n".join(lines)
    return machine.run_one(load_text(f"{_HEAD}{text}\n")).steps[:-1]


def kernels_with(seam: str, policy: str, patched: Iterable[PatchedKernel]) -> str:
    """The kernels that have *policy*: stock ones of the measured series, and patched ones."""
    stock = [series for series in MEASURED if era_of(seam, exact(series)).name == policy]
    words = [f"stock {' to '.join(dict.fromkeys((stock[0], stock[-1])))}"] if stock else []
    for kernel in patched:
        if kernel.policy == f"{seam}={policy}":
            differ = f", {kernel.differences} differ" if kernel.differences else ""
            words.append(f"{kernel.series}: {kernel.programs:,}{differ}")
    return "; ".join(words) or "-"
