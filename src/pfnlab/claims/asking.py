"""The questions behind a claim: the result of a program, the verdict of a search, the cost of a policy.

Each is asked with the answer it had. A claim rests on those answers, so a page of claims is wrong as soon as
one of them comes out otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from pfnlab.claims.observed import Observed, left, said
from pfnlab.claims.searches import AskedSearch, searched
from pfnlab.policies.trackers import TRACKERS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.report.growth import sharing
from pfnlab.report.kernel_sizes import known_sizes
from pfnlab.units import number_of

#: The device of programs that say no other, a line of the header.
DEVICE = "device bar: pci, 16 pages"


class QuestionResult(NamedTuple):
    """The answer to one question.

    :param machine: the machine asked
    :param asked: the program, or the property and its scope
    :param shown: the answer
    :param right: whether it is the one that was expected
    """

    machine: str
    asked: str
    shown: str
    right: bool


class ClaimQuestion(Protocol):
    """Something to ask a machine."""

    @property
    def searches(self) -> bool:
        """True where it needs a search, which may take seconds."""

    @property
    def against(self) -> bool:
        """True where the expected answer speaks against the claim."""

    def ask(self) -> QuestionResult:
        """Ask it."""


class Shows(NamedTuple):
    """A program whose last operation shows something; ``left`` is looked at when every task is gone.

    :param machine: a model, as ``6.1,tracker=unmap_only``
    :param lines: the operations
    :param observed: the part of the step to look at
    :param expected: what it says
    :param head: the lines of the header
    """

    machine: str
    lines: Sequence[str]
    observed: Observed
    expected: str
    against: bool = False
    head: Sequence[str] = (DEVICE,)
    searches: bool = False

    def ask(self) -> QuestionResult:
        """Run the program."""
        text = "\n".join(("pfnlab program 1", *self.head, "", *self.lines, ""))
        run = ModelMachine(self.machine).run_one(load_text(text), check=True)
        step = run.steps[-1 if self.observed is left else -2]
        right = self.observed(step) == self.expected
        return QuestionResult(self.machine, _program(self.lines), said(self.observed, step), right)


class Finds(NamedTuple):
    """A search for a property that finds it to hold, its question having arisen, or to be violated.

    :param name: of the property
    """

    machine: str
    name: str
    expected: str
    against: bool = False
    scope: str = "standard"
    searches: bool = True

    @property
    def search(self) -> AskedSearch:
        """The search that answers it."""
        return AskedSearch(self.machine, self.scope)

    def ask(self) -> QuestionResult:
        """Search."""
        answers = searched(*self.search).answers
        (answer,) = (candidate for candidate in answers if candidate.name == self.name)
        shown: str = "never asked" if answer.vacuous else answer.verdict
        right = shown == self.expected
        if answer.schedule and answer.length is not None:
            shown += f" by {number_of(answer.length, 'turn')}"
        elif answer.program is not None:
            shown += f" by {_program(op_lines(answer.program))}"
        asked = f"`{self.name}` in the scope `{self.scope}`"
        return QuestionResult(self.machine, asked, shown, right)


def _program(lines: Iterable[str]) -> str:
    """The operations of a program, in one line."""
    return f"`{'; '.join(lines)}`"


class Costs(NamedTuple):
    """The bytes a tracker needs in every VMA, and for each tracked mapping.

    :param expected: both numbers
    """

    tracker: str
    expected: tuple[int, int]
    against: bool = False
    searches: bool = False

    def ask(self) -> QuestionResult:
        """Look it up."""
        policy = TRACKERS[self.tracker]
        price = policy.BYTES_PER_VMA, policy.BYTES_PER_CONTEXT
        shown = f"{price[0]} in every VMA, {price[1]} for each tracked mapping"
        return QuestionResult(f"7.2,tracker={self.tracker}", "bytes it takes", shown, price == self.expected)


class HoldsWord(NamedTuple):
    """The configurations of a kernel in which a word of a PFN mapping costs nothing in its VMA.

    It takes the place of a member that such mappings have no use for.

    :param expected: in how many it does, and in how many it cannot
    """

    series: str
    expected: tuple[int, int]
    against: bool = False
    searches: bool = False

    def ask(self) -> QuestionResult:
        """Lay the structure out as the compiler does."""
        (sizes,) = (kept for kept in known_sizes() if kept.series == self.series)
        able, unable = found = sharing(sizes)
        asked = "a word in `vm_area_struct`, in the place of an unused one"
        shown = f"costs nothing in {able} configurations, cannot in {unable}"
        return QuestionResult(self.series, asked, shown, found == self.expected)
