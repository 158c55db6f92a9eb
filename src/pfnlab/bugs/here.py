"""The bugs that one kernel has, or may have, out of some that could be a cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from pfnlab.bugs.known_bugs import Bug, bug
from pfnlab.bugs.standing import StandingWord


class BugHere(msgspec.Struct, frozen=True):
    """A bug that may be the cause.

    :param id: in docs/bugs.md
    :param what: what happens
    :param says: whether this kernel has it, and what mends it
    """

    id: str
    what: str
    says: str


def bugs_here(kernel: str, ids: Iterable[str]) -> Iterator[BugHere]:
    """Those of some bugs that a kernel has or may have, each with what mends it.

    :param kernel: a version, as ``uname -r`` says it; empty where it is not known: then all are given
    """
    for number in ids:
        one = bug(number)
        if not kernel:
            yield BugHere(number, one.what, _dates(one))
            continue
        standing = one.standing(kernel)
        if standing.word in (StandingWord.HAS, StandingWord.NOT_KNOWN):
            yield BugHere(number, one.what, standing.sentence)


def _dates(one: Bug) -> str:
    began = f"since {one.since}" if one.since else "since when is not known"
    if not (one.mended or one.commit):
        return f"{one.number}: {began}."
    words = [one.mended, f"({one.commit})" if one.mended and one.commit else one.commit]
    ended = " ".join(word for word in words if word)
    stable = ", no stable series has it" if one.no_stable else ""
    points = ", ".join(point.version for point in one.stable)
    return f"{one.number}: {began}; mended in {ended}{stable}{f', and in {points}' if points else ''}."
