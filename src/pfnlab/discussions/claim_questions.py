"""The questions behind a claim: what a program shows, what a search finds, what a policy costs.

Each question has an expected answer. A claim rests on those answers, so a page of claims becomes wrong as
soon as one of them changes. Several questions use the same machine, so search results are cached.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pfnlab.base.inert import shell_line, shell_word
from pfnlab.base.processes import in_order
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.base.units import number_of
from pfnlab.checker.check import HOLDS, CheckResult, check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.scope import RaceScope, load_scope
from pfnlab.discussions.step_parts import StepPart, left, part_text, part_words
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.lab.sizes.kernel_sizes import known_sizes, sharing
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run, Step

#: By default a search tries this many operations in a row.
DEPTH = 3
#: The maximum number of states in a scope that is searched completely; with a leaking
#: tracker there is no end.
MOST_STATES = 10_000


class ClaimSearch(NamedTuple):
    """A search for up to *depth* operations in a row; for races, or without a depth, it is complete."""

    machine: str
    scope: str
    depth: int = DEPTH

    def __str__(self) -> str:
        return f"model:{self.machine} in scope {self.scope}"

    @property
    def limits(self) -> Exhaustive:
        """The limits of the search."""
        scope = load_scope(self.scope)
        if isinstance(scope, RaceScope):
            return Exhaustive()
        return Exhaustive(states=MOST_STATES) if scope.depth is None else Exhaustive(depth=self.depth)

    @property
    def command(self) -> str:
        """The command that runs it, for every property."""
        depth = "" if self.limits.depth is None else f" --depth {self.limits.depth}"
        return f"pfnlab check {shell_line(('--on', f'model:{self.machine}', '--scope', self.scope))}{depth}"


_results: dict[ClaimSearch, CheckResult] = {}


def searched(machine: str, scope: str, depth: int = DEPTH) -> CheckResult:
    """The result of searching *scope* on *machine*, for every property."""
    search = ClaimSearch(machine, scope, depth)
    if search not in _results:
        _results[search] = _search(search)
    return _results[search]


def search_ahead(
    searches: Iterable[ClaimSearch], jobs: int | None = None, counted: PartCount = UNCOUNTED
) -> None:
    """Run *searches* in advance for :func:`searched`, *jobs* at a time; None for the number of processors."""
    missing = [search for search in dict.fromkeys(searches) if search not in _results]
    counted.expect(len(missing))
    for search, found in zip(missing, in_order(_search, missing, jobs, done=counted.advance), strict=True):
        _results[search] = found


def _search(search: ClaimSearch) -> CheckResult:
    return check(ModelMachine(search.machine), load_scope(search.scope), limits=search.limits)


#: The answer if a property holds after any number of operations, i.e. the search was complete.
ALWAYS = "always"
#: The default device in programs, a line of the header.
DEVICE = "device bar: pci, 16 pages"


class QuestionResult(NamedTuple):
    """The answer to one question.

    :param asked: the program, or the property and its scope
    :param right: whether the answer is the expected one
    :param by: the evidence: the operations of a counterexample, or the number of turns in a race
    """

    machine: str
    asked: str
    value: str
    right: bool
    by: str = ""
    program: Program | None = None

    @property
    def shown(self) -> str:
        """The answer, with its evidence."""
        return f"{self.value} by {self.by}" if self.by else self.value


class StepQuestion(NamedTuple):
    """A program whose last operation shows something, or what is ``left`` at the end.

    The machine may be e.g. ``6.1,tracker=unmap_only``.
    """

    machine: str
    lines: Sequence[str]
    observed: StepPart
    expected: str
    against: bool = False
    head: Sequence[str] = (DEVICE,)
    searches: bool = False

    @property
    def command(self) -> str:
        return ""

    @property
    def subject(self) -> str:
        return "end" if self.observed is left else self.lines[-1]

    @property
    def answer(self) -> str:
        return part_words(self.observed, self.expected)

    @property
    def program(self) -> Program:
        """The whole program."""
        return load_text("\n".join(("pfnlab program 1", *self.head, "", *self.lines, "")))

    def step_of(self, run: Run) -> Step:
        """The step of a run that is compared."""
        return run.steps[-1 if self.observed is left else -2]

    def ask(self) -> QuestionResult:
        step = self.step_of(ModelMachine(self.machine).run_one(self.program, check=True))
        right = self.observed(step) == self.expected
        return QuestionResult(self.machine, _program(self.lines), part_text(self.observed, step), right)


class PropertyQuestion(NamedTuple):
    """A search that finds that a property is violated, or that it holds (``always`` if complete)."""

    machine: str
    name: str
    expected: str
    against: bool = False
    scope: str = "standard"
    searches: bool = True

    @property
    def search(self) -> ClaimSearch:
        """The search that answers it."""
        return ClaimSearch(self.machine, self.scope)

    @property
    def subject(self) -> str:
        return f"{self.name} in the scope {self.scope}"

    @property
    def answer(self) -> str:
        return self.expected

    @property
    def command(self) -> str:
        return f"{self.search.command} --property {shell_word(self.name)}"

    def ask(self) -> QuestionResult:
        found = searched(*self.search)
        (answer,) = (candidate for candidate in found.answers if candidate.name == self.name)
        shown: str = "never asked" if answer.vacuous else answer.verdict
        if found.ended and shown == HOLDS:
            shown = ALWAYS
        by = ""
        if answer.schedule and answer.length is not None:
            by = number_of(answer.length, "turn")
        elif answer.program is not None:
            by = _program(op_lines(answer.program))
        asked = f"`{self.name}` in the scope `{self.scope}`"
        return QuestionResult(self.machine, asked, shown, shown == self.expected, by, answer.program)


def _program(lines: Iterable[str]) -> str:
    """A program's operations, on one line."""
    return f"`{'; '.join(lines)}`"


class CostQuestion(NamedTuple):
    """The bytes that a tracker needs in every VMA, and for each tracked mapping."""

    tracker: str
    expected: tuple[int, int]
    against: bool = False
    searches: bool = False

    @property
    def subject(self) -> str:
        return "bytes it takes"

    @property
    def machine(self) -> str:
        return f"7.2,tracker={self.tracker}"

    @property
    def answer(self) -> str:
        return self._words(self.expected)

    @property
    def command(self) -> str:
        return f"pfnlab policies show {shell_word(self.tracker)}"

    def ask(self) -> QuestionResult:
        policy = TRACKERS[self.tracker]
        price = policy.BYTES_PER_VMA, policy.BYTES_PER_CONTEXT
        return QuestionResult(self.machine, self.subject, self._words(price), price == self.expected)

    @staticmethod
    def _words(price: tuple[int, int]) -> str:
        return f"{price[0]} in every VMA, {price[1]} for each tracked mapping"


class SharedWordQuestion(NamedTuple):
    """The kernel configurations in which a word for a PFN mapping takes no extra space in its VMA.

    The word replaces a member that such mappings do not use.

    :param expected: the number of configurations in which this works, and the number in which it cannot
    """

    series: str
    expected: tuple[int, int]
    against: bool = False
    searches: bool = False

    @property
    def subject(self) -> str:
        return "a word in `vm_area_struct`, in the place of an unused one"

    @property
    def machine(self) -> str:
        return self.series

    @property
    def answer(self) -> str:
        return self._words(self.expected)

    @property
    def command(self) -> str:
        return f"pfnlab kernels sizes {shell_word(self.series)}"

    def ask(self) -> QuestionResult:
        (sizes,) = (kept for kept in known_sizes() if kept.series == self.series)
        found = sharing(sizes)
        return QuestionResult(self.series, self.subject, self._words(found), found == self.expected)

    @staticmethod
    def _words(found: tuple[int, int]) -> str:
        return f"costs nothing in {found[0]} configurations, cannot in {found[1]}"


#: A question to a machine. Each has the *machine*, a *subject* (an operation, a property with its scope, or a
#: cost), the expected *answer*, and whether it is *against* the claim; also the *command* that asks only this
#: question, which is empty if its program's command does so. It *searches* if it may take seconds.
ClaimQuestion = StepQuestion | PropertyQuestion | CostQuestion | SharedWordQuestion
