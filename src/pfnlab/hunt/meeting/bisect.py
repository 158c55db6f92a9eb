"""Finds what separates good from bad: a boundary between candidates, or a minimal set of rules."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.result import ALWAYS, Count, Outcome, Result, Text
from pfnlab.checker.judging.judge import violations
from pfnlab.hunt.meeting.sign import SignWord, ended_at, sign_of, sign_word
from pfnlab.kernel.policies.changes import changes_between, field_of, origin_of, source_of
from pfnlab.kernel.policies.profiles import exact
from pfnlab.kernel.policies.releases import version_key
from pfnlab.lab.images.cache import AnswerCache
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run

Candidate = TypeVar("Candidate")

#: The word for a candidate: like the good end, like the bad one, like neither, or undecided.
BisectWord = Literal["good", "bad", "neither", "undecided"]

#: The candidates of a bisection.
BisectOver = Literal["rules", "versions", "commits"]

#: Runs a search's program on one candidate this many times; a candidate without runs decides nothing.
RunOn = Callable[[str, int], Sequence[Run]]

#: The candidates between the later end and those like the earlier one, the best to test next first.
Between = Callable[[Candidate, Sequence[Candidate]], Sequence[Candidate]]

#: The words of one candidate's runs, the decisive one first: if it is bad once, it is bad.
_DECISIVE: tuple[BisectWord, ...] = ("bad", "neither", "undecided", "good")

#: The words kept for later searches; undecided candidates are tested again.
_KEPT: dict[str, BisectWord] = {"good": "good", "bad": "bad", "neither": "neither"}


class Boundary(NamedTuple):
    """The candidates around a boundary.

    :ivar earlier: those like the earlier end, in the order in which they were found
    :ivar later: the first like the later end
    :ivar left: undecided candidates between them
    """

    earlier: Sequence[str]
    later: str
    left: Sequence[str]


def boundary(
    ends: tuple[str, str], later_word: BisectWord, between: Between[str], ask: Callable[[str], BisectWord]
) -> Boundary:
    """Bisect the candidates between two ends.

    A candidate that behaves like neither end is skipped, and the next best one is tried instead.

    :param later_word: the word for the later end
    :param ask: tests one candidate; never called for an end
    """
    earlier, later, passed = [ends[0]], ends[1], set[str]()
    while candidates := [one for one in between(later, earlier) if one not in passed]:
        word = ask(candidates[0])
        if word == later_word:
            later = candidates[0]
        elif word in ("good", "bad"):
            earlier.append(candidates[0])
        else:
            passed.add(candidates[0])
    return Boundary(earlier, later, between(later, earlier))


def in_line(line: Sequence[str]) -> Between[str]:
    """Candidates in a line, the nearest to the middle first."""

    def between(later: str, earlier: Sequence[str]) -> Sequence[str]:
        first, last = line.index(earlier[-1]), line.index(later)
        places = sorted(range(first + 1, last), key=lambda at: abs(at - (first + last) / 2))
        return [line[at] for at in places]

    return between


def least(parts: Sequence[Candidate], suffice: Callable[[Sequence[Candidate]], bool]) -> Sequence[Candidate]:
    """A minimal sufficient subset of *parts*: none of its parts can be left out.

    Halves are tried first; if neither suffices, parts are left out one by one.
    """
    while len(parts) > 1:
        middle = len(parts) // 2
        half = next((half for half in (parts[:middle], parts[middle:]) if suffice(half)), None)
        if half is None:
            break
        parts = half
    for part in list(parts) if len(parts) > 1 else ():
        rest = [other for other in parts if other != part]
        if suffice(rest):
            parts = rest
    return parts


class BisectTarget(NamedTuple):
    """The difference between the two ends.

    :ivar says: the difference in words
    :ivar word: the end that a run resembles
    """

    says: str
    word: Callable[[Run], BisectWord]


def sign_target(name: str, good: Run, bad: Run) -> BisectTarget:
    """The first step in which two ends' runs of the program *name* diverge.

    :raises Misuse: if the runs do not diverge, or one of them did not end
    """
    for run in (good, bad):
        if run.unfinished is not None and ended_at(run) is None:
            raise Misuse(f"{name} does not run to its end on {run.machine}: {run.unfinished}")
    sign = sign_of(bad, good)
    if not sign:
        raise Misuse(
            f"{name} behaves the same on {good.machine} and {bad.machine}: name a good and a bad machine "
            "that differ"
        )
    words: dict[SignWord, BisectWord] = {"before": "bad", "after": "good", "neither": "neither"}
    fields = ", ".join(difference.field for difference in sign)
    return BisectTarget(
        f"step {sign[0].step + 1}, {sign[0].op}: {fields}",
        lambda run: words.get(sign_word(sign, bad, good, run), "undecided"),
    )


def property_target(prop: str, program: Program, good: Run, bad: Run) -> BisectTarget:
    """A property that the bad end violates and the good end does not.

    :raises Misuse: if it holds on the bad end, or the good end violates it
    """

    def word(run: Run) -> BisectWord:
        if run.unfinished is not None:
            return "undecided"
        return "bad" if any(one.name == prop for one in violations(program, run)) else "good"

    for run, wanted in ((bad, "bad"), (good, "good")):
        if word(run) != wanted:
            does = "keeps" if wanted == "bad" else "breaks"
            raise Misuse(f"{run.machine} {does} {prop} in this program: it is not the {wanted} end")
    return BisectTarget(f"breaks {prop}", word)


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate that was tested.

    :param candidate: a machine's name, or a commit
    :param word: like the good end, like the bad end, like neither, or undecided
    :param runs: number of runs now; 0 if an earlier bisection tested it
    :param says: the reason if it is undecided; empty otherwise
    """

    candidate: Text
    word: BisectWord
    runs: Count
    says: str = ""

    def __str__(self) -> str:
        earlier = "" if self.runs else " (asked before)"
        return f"{self.candidate}: {self.word}{earlier}{f', {self.says}' if self.says else ''}"


class ChangedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that changed between two versions.

    :param change: the change, as in a machine's name: ``cow_knows_its_pfn=on``
    :param source: the release or the backport that introduced it, and its title
    :param commit: the commit, 12 digits; null if unknown
    :param bug: its identifier in the catalogue; null if it has none
    """

    change: Text
    source: Text
    commit: str | None
    bug: str | None

    @classmethod
    def of(cls, change: str, version: str, **more: Any) -> Self:
        """A change that *version* has, with further fields of the structure."""
        origin, source = origin_of(change), source_of(change, version)
        return cls(change=change, source=source, commit=origin.commit, bug=origin.catalogue, **more)


class BisectedRule(ChangedRule, frozen=True, kw_only=True):
    """A rule that changed between the last good and the first bad candidate and causes the difference.

    The change is named from the older to the newer.

    :param mends: true if the newer is the good one
    """

    mends: bool


class BisectResult(Result, frozen=True, kw_only=True, tag="pfnlab-bisect/1"):
    """The result of a bisection.

    :param sought: the target: a program, a property or a bug
    :param program: the text of the program that was run
    :param says: the difference between good and bad, in words
    :param over: the kind of candidates
    :param good: the good end as named
    :param bad: the bad end as named
    :param tried: each candidate that was tested, in order
    :param last_good: the good candidate next to the first bad one; for rules, the good end
    :param first_bad: the bad candidate next to it; for rules, the bad end
    :param left: undecided candidates between the two
    :param rules: the rules of the models that cause the difference; empty if no model has it
    :param unasked: number of candidates between the ends
    """

    sought: Text
    program: str
    says: Text
    over: BisectOver
    good: Text
    bad: Text
    tried: tuple[Tried, ...]
    last_good: Text
    first_bad: Text
    left: tuple[str, ...]
    rules: Annotated[tuple[BisectedRule, ...], ALWAYS] = ()
    unasked: Annotated[Count, ALWAYS] = 0

    @property
    def outcome(self) -> Outcome:
        """Undecided if a candidate between the two is undecided, or if a search for rules found none."""
        nothing = self.over == "rules" and not self.rules
        return Outcome.UNDECIDED if self.left or nothing else Outcome.AS_EXPECTED


class CandidateTests:
    """Tests of candidates.

    :param target: distinguishes the two ends
    :param repeat: the number of runs per candidate: if it is bad once, it is bad
    :param kept: the answers of earlier searches, and of this one
    """

    def __init__(
        self,
        target: BisectTarget,
        run_on: RunOn,
        repeat: int = 1,
        kept: AnswerCache | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.target, self._run_on, self._repeat, self._kept, self._say = target, run_on, repeat, kept, say
        self.tried: list[Tried] = []

    def __call__(self, candidate: str) -> BisectWord:
        """The word for a candidate; candidates that an earlier search left undecided are tested again."""
        earlier = _KEPT.get(self._kept[candidate] or "") if self._kept else None
        tried = Tried(candidate=candidate, word=earlier, runs=0) if earlier else self._test(candidate)
        self.tried.append(tried)
        self._say(str(tried))
        return tried.word

    def _test(self, candidate: str) -> Tried:
        runs = self._run_on(candidate, self._repeat)
        word: BisectWord = min(map(self.target.word, runs), key=_DECISIVE.index, default="undecided")
        if self._kept and word in _KEPT:
            self._kept.keep(candidate, word)
        lost = (str(run.unfinished) for run in runs if word == "undecided" and run.unfinished is not None)
        return Tried(candidate=candidate, word=word, runs=len(runs), says=next(lost, ""))


def versions_between(good: str, bad: str, offered: Iterable[str]) -> list[str]:
    """The available versions from *good* to *bad*, in order without duplicates, including both ends."""
    ends = sorted((exact(good), exact(bad)), key=version_key)
    between = {
        version for version in offered if version_key(ends[0]) < version_key(version) < version_key(ends[1])
    }
    line = [ends[0], *sorted(between, key=version_key), ends[1]]
    return line if line[0] == exact(good) else line[::-1]


def bisect_rules(ends: tuple[str, str], tests: CandidateTests) -> tuple[BisectedRule, ...]:
    """A minimal set of rules that turn the good model bad; empty if the models do not show the difference.

    Each rule is named as the newer of the two introduced it.
    """
    good, bad = map(exact, ends)
    changes = changes_between(good, bad)

    def suffice(some: Sequence[str]) -> bool:
        return tests(",".join((f"model:{good}", *some))) == "bad"

    if not changes or suffice(()) or not suffice(changes):
        return ()
    older, newer = sorted((good, bad), key=version_key)
    brought = {field_of(change): change for change in changes_between(older, newer)}
    named = (brought.get(field_of(change), change) for change in least(changes, suffice))
    return tuple(BisectedRule.of(change, newer, mends=newer == good) for change in named)
