"""The words for known bugs in results of runs: reasons of violations, and bugs shown without one."""

import re
from collections.abc import Sequence
from typing import NamedTuple, Self

from pfnlab.base.terminal_text import first_sentence
from pfnlab.checker.judging.shown_bugs import version_of
from pfnlab.kernel.bugs.known_bugs import bug, is_bug
from pfnlab.programs.runs.observation import Run

#: The number of a step in docs/semantics.
_RULE = re.compile(r"S\d[\w.]*")


class KnownReason(NamedTuple):
    """The reason for a known violation.

    :param number: a bug in docs/bugs.md or a rule in docs/semantics; empty if the text names neither
    :param fixed_in: the first releases without the bug, in the series of the runs; empty if there are none
    """

    number: str
    fixed_in: str
    text: str

    @classmethod
    def of(cls, known: str, runs: Sequence[Run]) -> Self:
        """Return the reason that ``Violation.known`` names, which may come from another version or a file."""
        number, _, text = known.partition(": ")
        if is_bug(number):
            fixes = dict.fromkeys(bug(number).fixed_in(version_of(run)) for run in runs)
            return cls(number, ", ".join(filter(None, fixes)), text)
        return cls(number, "", text) if _RULE.fullmatch(number) else cls("", "", known)

    @property
    def name(self) -> str:
        """``known bug A06``, or ``rule S8.2.6``."""
        return (
            f"{'rule' if _RULE.fullmatch(self.number) else 'known bug'} {self.number}"
            if self.number
            else "known"
        )

    @property
    def fixed(self) -> str:
        """``, fixed in 6.16``; empty if it is not fixed."""
        return f", fixed in {self.fixed_in}" if self.fixed_in else ""


class ExplainedReasons:
    """The reasons in a report, each of which is explained once."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._explained: set[str] = set()
        self._runs = runs

    def words(self, known: str | None, machines: Sequence[str]) -> str:
        """Return ``; known bug A06, fixed in 6.16: ...``, the next time only the name; empty for none."""
        if not known:
            return ""
        reason = KnownReason.of(known, [run for run in self._runs if run.machine in machines])
        if known in self._explained and reason.number:
            return f"; {reason.name}"
        self._explained.add(known)
        return f"; {reason.name}{reason.fixed}: {reason.text}"


def shown_words(number: str, run: Run) -> str:
    """``N05``, with its fix and the first sentence about it."""
    one = bug(number)
    fix = one.fixed_in(version_of(run))
    return f"{number}{f', fixed in {fix}' if fix else ''}: {first_sentence(one.what)}"
