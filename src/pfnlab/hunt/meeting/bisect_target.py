"""Bisection targets: a program's sign between two machines, or a property that one of them violates."""

from collections.abc import Sequence
from typing import Literal, Protocol

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_word
from pfnlab.checker.judging.judge import violations
from pfnlab.hunt.meeting.sign import ended_at, sign_of, sign_word
from pfnlab.kernel.bugs.known_bugs import Bug
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.compare import Difference
from pfnlab.programs.runs.observation import Run

#: The word for a candidate: like the good end, like the bad one, like neither, or undecided.
BisectWord = Literal["good", "bad", "neither", "undecided"]


class BisectTarget(Protocol):
    """A test for one program's runs."""

    program: Program

    def word(self, run: Run) -> BisectWord:
        """The word for a run."""

    def description(self) -> str:
        """The difference between the ends, in words."""


class SignTarget:
    """The first step in which the two ends' runs diverge.

    :param good: the good end's run; *bad* is the bad end's
    :raises Misuse: if the runs do not diverge, or one of them did not end
    """

    def __init__(self, name: str, program: Program, good: Run, bad: Run) -> None:
        for run in (good, bad):
            if run.unfinished is not None and ended_at(run) is None:
                raise Misuse(f"{name} does not run to its end on {run.machine}: {run.unfinished}")
        self.program, self._good, self._bad = program, good, bad
        self.sign: tuple[Difference, ...] = sign_of(bad, good)
        if not self.sign:
            raise Misuse(
                f"{name} behaves the same on {good.machine} and {bad.machine}: name a good and a bad machine "
                "that differ"
            )

    def word(self, run: Run) -> BisectWord:
        """The end that *run* resembles in that step."""
        found = sign_word(self.sign, self._bad, self._good, run)
        return "bad" if found == "before" else "good" if found == "after" else found

    def description(self) -> str:
        """The step and its fields."""
        fields = ", ".join(difference.field for difference in self.sign)
        return f"step {self.sign[0].step + 1}, {self.sign[0].op}: {fields}"


class PropertyTarget:
    """A property that the bad end violates and the good end does not.

    :raises Misuse: if it holds on the bad end, or the good end violates it
    """

    def __init__(self, prop: str, program: Program, good: Run, bad: Run) -> None:
        self.program, self._property = program, prop
        for run, wanted in ((bad, "bad"), (good, "good")):
            if self.word(run) != wanted:
                does = "keeps" if wanted == "bad" else "breaks"
                raise Misuse(f"{run.machine} {does} {prop} in this program: it is not the {wanted} end")

    def word(self, run: Run) -> BisectWord:
        """Bad if *run* violates the property."""
        if run.unfinished is not None:
            return "undecided"
        broken = {violation.name for violation in violations(self.program, run)}
        return "bad" if self._property in broken else "good"

    def description(self) -> str:
        """The property."""
        return f"breaks {self._property}"


def program_of_bug(bug: Bug) -> str:
    """The name of the program that shows a bug.

    :raises Misuse: if there is no such program
    """
    if not bug.shown:
        raise Misuse(
            f"no program shows {bug.number} on two machines: "
            f"`pfnlab bugs show {shell_word(bug.number)}` says why"
        )
    return bug.shown[0].program


def of_all(words: Sequence[BisectWord]) -> BisectWord:
    """The word for a candidate run several times: if it is bad once, it is bad."""
    for word in ("bad", "neither", "undecided"):
        if word in words:
            return word
    return "good"
