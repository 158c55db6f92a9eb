"""Bisection: the rules, the versions on offer, or the commits of a tree between a good end and a bad one."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec

from pfnlab.base.result import ALWAYS, Count, Outcome, Result, Text
from pfnlab.hunt.meeting.sought import BisectWord, Sought, of_all
from pfnlab.kernel.policies.changes import changes_between, field_of, origin_of, source_of
from pfnlab.kernel.policies.profiles import exact
from pfnlab.kernel.policies.releases import version_key
from pfnlab.programs.runs.observation import Run

Candidate = TypeVar("Candidate")


class Boundary(NamedTuple):
    """Two places of a line with nothing decided between them.

    :ivar good: the place that is good and next to it
    :ivar bad: the place that is bad
    :ivar left: places between them of which nobody knows
    """

    good: int
    bad: int
    left: tuple[int, ...]


def boundary(line: Sequence[Candidate], ask: Callable[[Candidate], BisectWord]) -> Boundary:
    """Halve a line whose first candidate is good and whose last is bad.

    A candidate that is like none of both ends is passed over, and the nearest one asked instead.

    :param ask: of one candidate; never of the first and the last
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
    """Of *parts*, which suffice together, as few as do; each that is left is needed.

    Halves are tried first; where neither suffices, one part after the other is left out.
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

#: Runs the program of a search on one candidate, so many times; it says nothing of a candidate with no run.
RunOn = Callable[[str, int], Sequence[Run]]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate that was asked.

    :param candidate: a machine's name, or a commit
    :param word: like the good end, like the bad one, like none of them, or undecided
    :param runs: how often it was run now; 0 where an earlier bisection asked it
    :param says: why it is undecided; empty where it is not
    """

    candidate: Text
    word: BisectWord
    runs: Count
    says: str = ""


class BisectedRule(msgspec.Struct, frozen=True):
    """A rule between the last good and the first bad that makes the difference.

    :param change: as in a machine's name, from the older to the newer
    :param mends: the newer is the good one
    :param source: the release or the backport that brought it
    :param commit: of 12 digits; null where nobody named it
    :param bug: its identifier in the catalogue; null where it has none
    """

    change: Text
    mends: bool
    source: Text
    commit: str | None
    bug: str | None


class BisectResult(Result, frozen=True, kw_only=True, tag="pfnlab-bisect/1"):
    """The end of a bisection.

    :param sought: what was asked for: a program, a property or a bug
    :param program: the text of the program that was run
    :param says: the difference between good and bad, in words
    :param over: the candidates
    :param good: the good end that was named
    :param bad: the bad end that was named
    :param tried: each candidate that was asked, in this order
    :param last_good: the good candidate beside the first bad one; of rules the good end
    :param first_bad: the bad candidate beside it; of rules the bad end
    :param left: candidates between the two of which nobody knows
    :param rules: the rules of the models that make the difference; none where no model knows it
    :param unasked: candidates that lay between the ends
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
        """Undecided where a candidate between the two is left, or rules are sought and none is found."""
        nothing = self.over == "rules" and not self.rules
        return Outcome.UNDECIDED if self.left or nothing else Outcome.AS_EXPECTED


#: The words that are kept for a later search, which asks what is undecided again.
_KEPT: dict[str, BisectWord] = {"good": "good", "bad": "bad", "neither": "neither"}


class Asking:
    """Candidates asked for a word, and each answer kept.

    :param repeat: how often each is run: bad once is bad
    :param before: an answer of an earlier search, if there is one
    """

    def __init__(
        self,
        sought: Sought,
        run_on: RunOn,
        repeat: int,
        *,
        before: Callable[[str], str | None] = lambda candidate: None,
        keep: Callable[[str, str], None] = lambda candidate, word: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.sought, self._run_on, self._repeat = sought, run_on, repeat
        self._before, self._keep, self._say = before, keep, say
        self.tried: list[Tried] = []

    def __call__(self, candidate: str) -> BisectWord:
        """The word of a candidate; what is undecided is asked again by a later search."""
        earlier = _KEPT.get(self._before(candidate) or "")
        if earlier is not None:
            self._note(Tried(candidate=candidate, word=earlier, runs=0))
            return earlier
        runs = self._run_on(candidate, self._repeat)
        word = of_all([self.sought.word(run) for run in runs]) if runs else "undecided"
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
    """The versions on offer from *good* to *bad*, each once and in their order; both ends among them."""
    ends = sorted((exact(good), exact(bad)), key=version_key)
    between = {
        version for version in offered if version_key(ends[0]) < version_key(version) < version_key(ends[1])
    }
    line = [ends[0], *sorted(between, key=version_key), ends[1]]
    return line if line[0] == exact(good) else line[::-1]


def bisect_rules(ends: tuple[str, str], asking: Asking) -> tuple[BisectedRule, ...]:
    """The fewest rules that make the good model bad; none where the models do not show the difference."""
    good, bad = map(exact, ends)
    changes = changes_between(good, bad)

    def suffice(some: Sequence[str]) -> bool:
        return asking(",".join((f"model:{good}", *some))) == "bad"

    if not changes or suffice(()) or not suffice(changes):
        return ()
    return _rules(least(changes, suffice), good, bad)


def _rules(changes: Sequence[str], good: str, bad: str) -> tuple[BisectedRule, ...]:
    """The changes from a good version to a bad one, each as the newer of the two brought it."""
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
