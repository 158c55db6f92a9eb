"""The bugs that match a kind, a property, a series or a reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.result import ALWAYS, PrintedStruct
from pfnlab.base.spelling import did_you_mean
from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.kernel.bugs.bug_status import BugStatusWord, bug_status
from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, BugReach, all_bugs
from pfnlab.kernel.policies.known_kernels import newest_known
from pfnlab.kernel.policies.releases import RELEASES
from pfnlab.present.document.blocks import Block, Paragraph, named_rows

if TYPE_CHECKING:
    from pfnlab.verbs.bugs import BugsRequest


class NamedBug(msgspec.Struct, frozen=True, kw_only=True):
    """A bug, with what both lists and entries say of it.

    :param id: its number, e.g. ``A06``
    :param title: its short name
    :param what: what happens, in Markdown
    :param stable_only: no mainline release had it
    :param cve: its CVE number; empty if it has none
    :param reach: who can trigger it
    :param breaks: the properties that it violates
    :param config: the options it needs, each with y or m (m: also if built in)
    """

    id: str
    title: str
    kind: BugKind
    what: str
    stable_only: bool
    cve: str
    reach: tuple[BugReach, ...]
    breaks: tuple[str, ...]
    config: dict[str, str]


class ListedBug(NamedBug, frozen=True, kw_only=True):
    """One bug in a list.

    :param since: the first mainline release that has it, and the commit; empty if unknown
    :param until: the first mainline release without it, the commit, and a remark
    """

    since: str
    until: str

    @classmethod
    def of(cls, one: Bug) -> ListedBug:
        """Return a bug in the form of lists."""
        named = {name: getattr(one, name) for name in NamedBug.__struct_fields__ if name != "id"}
        since, until = one.dated.since_in_words, one.dated.until_in_words
        return cls(id=one.number, since=since, until=until, **named)


class BugList(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-bugs/1"):
    """Bugs, regressions, changes and rules in the catalogue.

    :param bugs: those that match the options
    """

    bugs: Annotated[tuple[ListedBug, ...], ALWAYS] = ()

    def blocks(self) -> Iterator[Block]:
        """Yield a row for each bug."""
        rows = (
            (
                *(one.id, one.kind, one.title),
                "; ".join(f"{word} {at}" for word, at in (("since", one.since), ("until", one.until)) if at),
            )
            for one in self.bugs
        )
        if not self.bugs:
            yield Paragraph("No bug in the catalogue matches.")
        yield from named_rows("", rows, ("",) * 4)


def listed(wish: BugsRequest) -> BugList:
    """Return the bugs that match *wish*, by number; raise Misuse if a property or series is unknown."""
    return BugList(bugs=tuple(map(ListedBug.of, _left(wish))))


def _left(wish: BugsRequest) -> Iterator[Bug]:
    breaks = wish.breaks
    if breaks is not None and breaks not in PROPERTIES:
        raise Misuse(f"there is no property {breaks!r}{did_you_mean(breaks, PROPERTIES)}")
    point = _newest(wish.series) if wish.series is not None else None
    for one in all_bugs():
        if wish.kind not in (None, one.kind) or (wish.reach is not None and wish.reach not in one.reach):
            continue
        if breaks is not None and breaks not in one.breaks:
            continue
        if wish.discussion is not None and not any(wish.discussion in said for said in one.discussion):
            continue
        if wish.cve and not one.cve:
            continue
        if point is None or bug_status(one, point).word is BugStatusWord.HAS:
            yield one


def _newest(series: str) -> str:
    """Return the newest known release in *series*; raise Misuse for a series without a model."""
    if series not in RELEASES:
        raise Misuse(f"no series {series!r}{did_you_mean(series, RELEASES)}")
    return newest_known(series) or series
