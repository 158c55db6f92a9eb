"""Known bugs in results of runs: the reasons of violations, and bugs that a program shows without one."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from pfnlab.base.errors import Misuse, PfnlabError
from pfnlab.base.terminal_text import linkless
from pfnlab.kernel.bugs.bug_status import BugStatusWord
from pfnlab.kernel.bugs.known_bugs import Bug, bug, bugs_shown_by, is_bug
from pfnlab.kernel.bugs.without_bug import without_bug
from pfnlab.kernel.mm.profile import Profile
from pfnlab.programs.lang.library import find_program, load_found
from pfnlab.programs.lang.load import program_hash
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.model.named_profile import profile_named
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

#: The number of a step in docs/semantics.
_RULE = re.compile(r"S\d[\w.]*")
_VERSION = re.compile(r"\d+\.\d+[\w.+~-]*")
#: A machine whose kernel is as released: its name has no change, and is no name of a patched kernel.
_AS_RELEASED = re.compile(r"(?:model|qemu):\d[^,]*")


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


def version_of(run: Run) -> str:
    """The version of a run's kernel, or of its model's profile; empty if there is none."""
    found = _VERSION.search(run.kernel)
    return found[0] if found is not None else ""


def bugs_without_violation(result: RunResult, run: Run) -> Iterator[Bug]:
    """The bugs that a released kernel has and this program of litmus/ shows, according to their data.

    The model of that kernel must run the program differently without the bug. Bugs that are the reason of a
    violation are left out; of a changed kernel, its bugs are not known.
    """
    if run.unfinished is not None or not _AS_RELEASED.fullmatch(run.machine):
        return
    told = {KnownReason.of(one.known or "", ()).number for one in run.violations}
    for one in bugs_shown_by(result.name):
        needed = [row.needs for row in one.shown if row.needs]
        if told & {one.number, one.same_as}:
            continue
        if all(_has(each, run) for each in (one.number, *needed)) and _differs_without(one, result, run):
            told.add(one.number)
            yield one


def shown_words(one: Bug, run: Run) -> str:
    """``N05``, with its fix and the first sentence about it."""
    fix = one.fixed_in(version_of(run))
    first = linkless(one.what).partition(". ")[0].rstrip(".")
    return f"{one.number}{f', fixed in {fix}' if fix else ''}: {first}"


def _has(number: str, run: Run) -> bool:
    try:
        return bug(number).status(version_of(run)).word is BugStatusWord.HAS
    except Misuse:
        # The kernel is not named by a version.
        return False


def _differs_without(one: Bug, result: RunResult, run: Run) -> bool:
    """True if the model of the run's kernel runs the program differently without the bug.

    False for another program that only has the name of one in litmus/.
    """
    try:
        if program_hash(load_found(find_program(result.name))) != result.source.hash:
            return False
        profile = profile_named(version_of(run), run.configuration)
        without = without_bug(one.dated, profile)
        return without is not None and _observed(result, profile) != _observed(result, without)
    except PfnlabError:
        # The model has no rule for one of the two.
        return False


def _observed(result: RunResult, profile: Profile) -> tuple[object, ...]:
    model = ModelMachine(profile.version, LookLevel.MEMORY)
    model.profile = profile
    run = model.run_one(result.program)
    return run.steps, run.memory
