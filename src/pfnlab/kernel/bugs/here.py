"""Look up bugs by number, CVE or title, and select the possible causes that a kernel may have."""

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.kernel.bugs.bug_status import BugStatusWord, bug_status
from pfnlab.kernel.bugs.kernel_name import release_key
from pfnlab.kernel.bugs.known_bugs import ALL, Bug, BugKind, all_bugs, bug


class BugHere(msgspec.Struct, frozen=True):
    """A bug that may be the cause of a finding.

    :param id: its identifier in docs/bugs.md
    :param what: what happens
    :param says: one sentence: whether this kernel has it, and where it is fixed
    """

    id: str
    what: str
    says: str


def bugs_here(kernel: str, ids: Iterable[str], *, since: str = "", until: str = "") -> Iterator[BugHere]:
    """Of the bugs *ids*, those that a kernel has or may have, each with its fix.

    :param kernel: a version as in ``uname -r``; empty if unknown
    :param since: if the version is unknown, the oldest release it may be; *until* is the newest
    """
    for number in ids:
        one = bug(number)
        if not kernel:
            if not (_never_released(one) or _over_before(one.dated, since) or _after(one.dated, until)):
                yield BugHere(number, one.what, f"{number}: {_dates(one.dated)}.")
            continue
        status = bug_status(one, kernel)
        if status.word in (BugStatusWord.HAS, BugStatusWord.NOT_KNOWN):
            yield BugHere(number, one.what, status.sentence)


def _never_released(one: Bug) -> bool:
    """True for a proposal, and for a bug that only candidates of one release had."""
    return one.kind is BugKind.PROPOSAL or (
        one.dated.since == f"{one.dated.mended}-rc" and not one.dated.came
    )


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
    stable = ", in no stable series" if one.no_stable else ""
    points = ", ".join(point.version for point in one.stable)
    return f"{began}; fixed in {ended}{stable}{f', and in {points}' if points else ''}"


def _measured(one: Bug) -> str:
    if one.stable_only:
        return f"only in {', '.join(f'{point.series}.y' for point in one.came)}"
    return f"measured on {', '.join(one.measured)}" if one.measured else "since when is not known"


_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,7}", re.IGNORECASE)


def bug_called(name: str) -> Bug:
    """The bug called *name*: ``A06``, ``CVE-2024-35877``, or its title ``partial-munmap``.

    :raises Misuse: if there is no such bug
    """
    wanted = name.strip()
    for one in all_bugs():
        if wanted.upper() == one.number or (one.cve and wanted.upper() == one.cve) or wanted == one.title:
            return one
    shown = visible_name(wanted)[:40]
    if _CVE.fullmatch(wanted):
        raise Misuse(f"no bug of the catalogue has the number {shown}: `pfnlab bugs list --cve` lists those")
    raise Misuse(f"there is no bug {shown!r}: `pfnlab bugs list` lists them, e.g. A06 or CVE-2024-35877")


def options_lacking(one: Bug, options: Mapping[str, str]) -> tuple[str, ...]:
    """The options that *one* needs but a configuration does not set, e.g. ``LOCKDEP=y``.

    :param options: the options that the configuration sets, each with ``y`` or ``m``; an option that is
        needed as ``m`` may also be built in
    """
    return tuple(
        f"{name}={value}" for name, value in one.config.items() if not _has(options.get(name, "n"), value)
    )


def _has(value: str, needed: str) -> bool:
    return value == needed or (needed == "m" and value == "y")
