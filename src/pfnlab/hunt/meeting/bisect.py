"""Bisects rules, available versions, or commits in a tree between a good and a bad end."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec

from pfnlab.base.result import ALWAYS, Count, Outcome, Result, Text
from pfnlab.hunt.meeting.bisect_target import BisectTarget, BisectWord, of_all
from pfnlab.kernel.policies.changes import changes_between, field_of, origin_of, source_of
from pfnlab.kernel.policies.profiles import exact
from pfnlab.kernel.policies.releases import version_key
from pfnlab.programs.runs.observation import Run

Candidate = TypeVar("Candidate")


class Boundary(NamedTuple):
    """Two candidates in a line with no decided candidate between them.

    :ivar good: the last good candidate
    :ivar bad: the first bad candidate
    :ivar left: undecided candidates between them
    """

    good: int
    bad: int
    left: tuple[int, ...]


def boundary(line: Sequence[Candidate], ask: Callable[[Candidate], BisectWord]) -> Boundary:
    """Bisect a line whose first candidate is good and whose last is bad.

    A candidate that behaves like neither end is skipped, and the nearest other one is tried instead.

    :param ask: tests one candidate; never called for the first or last one
    """
    good, bad, passed = 0, len(line) - 1, set[int]()
    while True:
        middle = (good + bad) / 2
        open_places = [place for place in range(good + 1, bad) if place not in passed]
        if not open_places:
            return Boundary(good, bad, tuple(range(good + 1, bad)))
        place = min(open_places, key=lambda at: (abs(at - middle), at))
        match ask(line[place]):
            case "good":
                good = place
            case "bad":
                bad = place
            case _:
                passed.add(place)


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


#: The candidates of a bisection.
BisectOver = Literal["rules", "versions", "commits"]

#: Runs a search's program on one candidate this many times; a candidate without runs decides nothing.
RunOn = Callable[[str, int], Sequence[Run]]


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


class BisectedRule(msgspec.Struct, frozen=True):
    """A rule that changed between the last good and the first bad candidate and causes the difference.

    :param change: the change, as in a machine's name, from the older to the newer
    :param mends: true if the newer is the good one
    :param source: the release or the backport that introduced it
    :param commit: the commit, 12 digits; null if unknown
    :param bug: its identifier in the catalogue; null if it has none
    """

    change: Text
    mends: bool
    source: Text
    commit: str | None
    bug: str | None


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


#: The words kept for later searches; undecided candidates are tested again.
_KEPT: dict[str, BisectWord] = {"good": "good", "bad": "bad", "neither": "neither"}


class CandidateTests:
    """Tests of candidates; each answer is kept.

    :param target: distinguishes the two ends
    :param repeat: the number of runs per candidate: if it is bad once, it is bad
    :param before: an earlier search's answers
    """

    def __init__(
        self,
        target: BisectTarget,
        run_on: RunOn,
        repeat: int,
        *,
        before: Callable[[str], str | None] = lambda candidate: None,
        keep: Callable[[str, str], None] = lambda candidate, word: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.target, self._run_on, self._repeat = target, run_on, repeat
        self._before, self._keep, self._say = before, keep, say
        self.tried: list[Tried] = []

    def __call__(self, candidate: str) -> BisectWord:
        """The verdict on a candidate; candidates that an earlier search left undecided are tested again."""
        earlier = _KEPT.get(self._before(candidate) or "")
        if earlier is not None:
            self._note(Tried(candidate=candidate, word=earlier, runs=0))
            return earlier
        runs = self._run_on(candidate, self._repeat)
        word = of_all([self.target.word(run) for run in runs]) if runs else "undecided"
        says = next((str(run.unfinished) for run in runs if run.unfinished is not None), "")
        if word in _KEPT:
            self._keep(candidate, word)
        self._note(
            Tried(candidate=candidate, word=word, runs=len(runs), says=says if word == "undecided" else "")
        )
        return word

    def _note(self, tried: Tried) -> None:
        self.tried.append(tried)
        earlier = "" if tried.runs else " (asked before)"
        self._say(f"{tried.candidate}: {tried.word}{earlier}{f', {tried.says}' if tried.says else ''}")


def versions_between(good: str, bad: str, offered: Iterable[str]) -> list[str]:
    """The available versions from *good* to *bad*, in order without duplicates, including both ends."""
    ends = sorted((exact(good), exact(bad)), key=version_key)
    between = {
        version for version in offered if version_key(ends[0]) < version_key(version) < version_key(ends[1])
    }
    line = [ends[0], *sorted(between, key=version_key), ends[1]]
    return line if line[0] == exact(good) else line[::-1]


def bisect_rules(ends: tuple[str, str], tests: CandidateTests) -> tuple[BisectedRule, ...]:
    """A minimal set of rules that turn the good model bad; empty if the models do not show the difference."""
    good, bad = map(exact, ends)
    changes = changes_between(good, bad)

    def suffice(some: Sequence[str]) -> bool:
        return tests(",".join((f"model:{good}", *some))) == "bad"

    if not changes or suffice(()) or not suffice(changes):
        return ()
    return _rules(least(changes, suffice), good, bad)


def _rules(changes: Sequence[str], good: str, bad: str) -> tuple[BisectedRule, ...]:
    """The changes from a good to a bad version, each as introduced by the newer of the two."""
    mends = version_key(good) > version_key(bad)
    newer = good if mends else bad
    brought = {
        field_of(change): change for change in changes_between(*((bad, good) if mends else (good, bad)))
    }
    rules = []
    for change in changes:
        by_newer = brought.get(field_of(change), change)
        origin = origin_of(by_newer)
        rules.append(
            BisectedRule(by_newer, mends, source_of(by_newer, newer), origin.commit, origin.catalogue)
        )
    return tuple(rules)
