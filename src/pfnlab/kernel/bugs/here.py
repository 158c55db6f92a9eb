"""The bugs that one kernel has, or may have, out of some that could be a cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from pfnlab.kernel.bugs.kernel_name import release_key
from pfnlab.kernel.bugs.known_bugs import Bug, bug
from pfnlab.kernel.bugs.standing import ALL, StandingWord


class BugHere(msgspec.Struct, frozen=True):
    """A bug that may be the cause.

    :param id: in docs/bugs.md
    :param what: what happens
    :param says: whether this kernel has it, and what mends it
    """

    id: str
    what: str
    says: str


def bugs_here(kernel: str, ids: Iterable[str], *, since: str = "", until: str = "") -> Iterator[BugHere]:
    """Those of some bugs that a kernel has or may have, each with what mends it.

    :param kernel: a version, as ``uname -r`` says it; empty where it is not known
    :param since: where the version is not known, the first release it may be of; *until* the last
    """
    for number in ids:
        one = bug(number)
        if not kernel:
            if not (one.dates.never or _over_before(one.dated, since) or _after(one.dated, until)):
                yield BugHere(number, one.what, f"{number}: {_dates(one.dated)}.")
            continue
        standing = one.standing(kernel)
        if standing.word in (StandingWord.HAS, StandingWord.NOT_KNOWN):
            yield BugHere(number, one.what, standing.sentence)


def _over_before(one: Bug, since: str) -> bool:
    return bool(since and one.mended) and release_key(one.mended) <= release_key(since)


def _after(one: Bug, until: str) -> bool:
    return bool(until) and one.since[:1].isdigit() and release_key(one.since) > release_key(until)


def _dates(one: Bug) -> str:
    began = "in all releases" if one.since == ALL else f"since {one.since}" if one.since else _measured(one)
    if not (one.mended or one.commit):
        return began
    words = [one.mended, f"({one.commit})" if one.mended and one.commit else one.commit]
    ended = " ".join(word for word in words if word)
    stable = ", no stable series has it" if one.no_stable else ""
    points = ", ".join(point.version for point in one.dates.stable)
    return f"{began}; mended in {ended}{stable}{f', and in {points}' if points else ''}"


def _measured(one: Bug) -> str:
    return f"measured on {', '.join(one.measured)}" if one.measured else "since when is not known"
