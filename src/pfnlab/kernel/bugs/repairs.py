"""Commits related to bugs: which bug each one fixes or introduces, and the subjects of fixes."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Literal

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.toml_text import package_tables
from pfnlab.kernel.bugs.here import bug_called
from pfnlab.kernel.bugs.known_bugs import Bug, StableRelease, all_bugs
from pfnlab.kernel.policies.commits import NO_SWITCH
from pfnlab.kernel.policies.switches import SWITCHES

#: A commit as users type it.
COMMIT = re.compile(r"[0-9a-f]{7,40}", re.IGNORECASE)

#: The ways in which a commit can relate to a bug.
CommitRole = Literal["fixes", "backports the fix of", "introduced", "backported the cause of", "is about"]


class BugCommit(msgspec.Struct, frozen=True):
    """A bug and the commit that relates to it.

    :param commit: the commit, with as many digits as are known
    :param where: the stable release that contains it; empty for mainline
    """

    bug: Bug
    role: CommitRole
    commit: str
    where: str = ""


class _Subjects(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    commits: Mapping[str, str]
    unpinned: Mapping[str, tuple[str, ...]]


@cache
def _subjects() -> _Subjects:
    return package_tables("pfnlab.kernel.bugs", "subjects.toml", _Subjects)


def subject_of(commit: str) -> str:
    """The subject of a commit; empty if unknown."""
    return _subjects().commits.get(commit, "")


def fix_subjects(one: Bug) -> tuple[str, ...]:
    """The subjects of the commits that together fix a bug; empty if unknown."""
    dated = one.dated
    subject = subject_of(dated.commit)
    return (subject,) if subject else tuple(_subjects().unpinned.get(dated.number, ()))


def fix_commits(one: Bug) -> tuple[str, ...]:
    """The commits each of which fixes a bug: the mainline commit and its known backports."""
    dated = one.dated
    return tuple(filter(None, (dated.commit, *(point.commit for point in dated.stable))))


def named_commits() -> Iterator[str]:
    """Every commit that fixes or introduces a bug."""
    for one in all_bugs():
        yield from (found.commit for found in _commits_of(one))


def bugs_of_commit(text: str) -> list[BugCommit]:
    """The bugs that a commit fixes, introduces or is mentioned with, in that order.

    :param text: the first 7 to 40 digits of the commit id
    """
    wanted = text.strip().lower()
    found = [one for each in all_bugs() for one in _commits_of(each) if _same(one.commit, wanted)]
    known = {one.bug.number for one in found}
    about = {number: commit for commit, number in _other_commits() if _same(commit, wanted)}
    for one in all_bugs():
        digits = (match for match in COMMIT.findall(_prose(one)) if _same(match, wanted))
        mentioned = about.get(one.number) or next(digits, "")
        if one.number not in known and mentioned:
            found.append(BugCommit(one, "is about", mentioned))
    return sorted(found, key=lambda one: _ROLES.index(one.role))


def is_commit(text: str) -> bool:
    """True if *text* looks like a commit id rather than a word made of the letters a to f."""
    return COMMIT.fullmatch(text) is not None and any(letter.isdigit() for letter in text)


def bugs_called(name: str) -> list[Bug]:
    """The bug called *name*, or the bugs that the commit *name* fixes or introduces, e.g. ``04c35ab3bdae``.

    :raises Misuse: if there is no such bug
    """
    wanted = name.strip()
    if not is_commit(wanted):
        return [bug_called(wanted)]
    found = bugs_of_commit(wanted)
    if not found:
        raise Misuse(f"no bug of the list is about commit {wanted}: `pfnlab bugs find WORDS` searches it")
    # If the commit fixes or introduces some bugs, those that only mention it are ignored.
    meant = [one.bug for one in found if one.role != "is about"] or [one.bug for one in found]
    return list({one.number: one for one in meant}.values())


_ROLES: tuple[CommitRole, ...] = (
    *("fixes", "backports the fix of", "introduced", "backported the cause of", "is about"),
)


def _commits_of(one: Bug) -> Iterator[BugCommit]:
    if one.same_as:
        # This entry shares another bug's dates.
        return
    if one.commit:
        yield BugCommit(one, "fixes", one.commit)
    if one.introduced:
        yield BugCommit(one, "introduced", one.introduced)
    roles: tuple[tuple[CommitRole, tuple[StableRelease, ...]], ...] = (
        ("backports the fix of", one.stable),
        ("backported the cause of", one.came),
    )
    for role, points in roles:
        yield from (BugCommit(one, role, at.commit, at.version) for at in points if at.commit)


def _other_commits() -> Iterator[tuple[str, str]]:
    """Commits that a model switch names, or that deliberately have no switch, each with its bug."""
    for switch in SWITCHES:
        for commit in (switch.commit, switch.ended_by):
            if commit and switch.catalogue:
                yield commit, switch.catalogue
    for commit, told in NO_SWITCH.items():
        yield commit, told.partition(":")[0]


def commit_titled(subject: str) -> str:
    """The commit with this subject; empty if no bug refers to it."""
    wanted = subject.strip().casefold()
    return next((one for one, title in _subjects().commits.items() if title.casefold() == wanted), "")


def _prose(one: Bug) -> str:
    return " ".join((one.what, one.remark, one.notes, one.see, *one.sources, *one.discussion))


def _same(commit: str, wanted: str) -> bool:
    return commit.startswith(wanted) or wanted.startswith(commit)


def measurements_of(number: str) -> tuple[str, ...]:
    """The entries that are measurements of a bug, e.g. N03 and N08 for A06."""
    return tuple(one.number for one in all_bugs() if one.same_as == number)
