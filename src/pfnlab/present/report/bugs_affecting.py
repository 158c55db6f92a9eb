"""The bugs that a kernel of one version has, each with its sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from pfnlab.base.result import ALWAYS, Count, Made, Result
from pfnlab.kernel.bugs.here import options_lacking
from pfnlab.kernel.bugs.kernel_name import kernel_name
from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, all_bugs
from pfnlab.kernel.bugs.standing import StandingWord
from pfnlab.present.report.bug_entry import sources_of

AffectedWord = Literal["has", "not known", "not with this configuration", "not yet", "mended", "never"]

#: The words of rows that are printed unasked.
OPEN: tuple[AffectedWord, ...] = ("has", "not known", "not with this configuration")

#: What is wrong stands before what only differs, and that before rules.
_ORDER = (BugKind.BUG, BugKind.REGRESSION, BugKind.CHANGE, BugKind.RULE, BugKind.PROPOSAL)


class AffectedBy(msgspec.Struct, frozen=True, kw_only=True):
    """Where the kernel stands with one bug.

    :param id: the bug's number
    :param title: its short name
    :param what: what happens, in Markdown
    :param word: whether the kernel has it
    :param sentence: the same with dates and commits
    :param cve: its number; empty where it has none
    :param sources: the commits, records and measurements behind the sentence
    """

    id: str
    title: str
    kind: BugKind
    what: str
    word: AffectedWord
    sentence: str
    cve: str
    sources: tuple[str, ...]


class AffectsResult(Result, frozen=True, kw_only=True, tag="pfnlab-bugs-affects/1"):
    """The bugs of one kernel.

    :param version: as it was written
    :param upstream: the release and point it comes from; null where the text does not say the point
    :param config: the file of its configuration; empty where none was given
    :param bugs: the rows: bugs and regressions first
    :param left_out: how many rows are over, or rules, and were not asked for
    """

    version: str
    upstream: Annotated[str | None, ALWAYS]
    config: str
    bugs: tuple[AffectedBy, ...]
    left_out: Count

    @property
    def counts(self) -> dict[str, int]:
        """How many bugs and regressions have each word."""
        found: dict[str, int] = {}
        for one in self.bugs:
            if one.kind.is_fault:
                found[one.word] = found.get(one.word, 0) + 1
        return found


def affecting(
    version: str, options: Mapping[str, str] | None = None, *, config: str = "", every: bool = False
) -> AffectsResult:
    """Where the kernel *version* stands with each bug.

    :param version: upstream's, a distribution's package version, or what ``uname -r`` says
    :param options: those of its configuration; None where it is not known
    :param config: the name of the configuration's file
    :param every: also rows that are over, rules, and proposals
    :raises Misuse: *version* begins like no version
    """
    name = kernel_name(version)
    rows = sorted(_rows(version, options), key=lambda row: (_ORDER.index(row.kind), row.id))
    kept = [row for row in rows if every or (row.word in OPEN and row.kind not in _ORDER[3:])]
    candidate = f"-rc{name.candidate}" if name.candidate is not None else ""
    point = f".{name.point}" if name.point else ""
    return AffectsResult(
        made=Made.now(),
        version=name.text,
        upstream=None if name.point is None else f"{name.release}{point}{candidate}",
        config=config,
        bugs=tuple(kept),
        left_out=len(rows) - len(kept),
    )


def _rows(version: str, options: Mapping[str, str] | None) -> Iterator[AffectedBy]:
    for one in all_bugs():
        standing = one.standing(version)
        word: AffectedWord = standing.word.value
        sentence = standing.sentence
        lacking = options_lacking(one, options) if options is not None else ()
        if lacking and standing.word in (StandingWord.HAS, StandingWord.NOT_KNOWN):
            word = "not with this configuration"
            sentence = f"{one.number} needs {', '.join(lacking)}, which this configuration does not set."
        yield AffectedBy(
            id=one.number,
            title=one.title,
            kind=one.kind,
            what=one.what,
            word=word,
            sentence=sentence,
            cve=one.cve,
            sources=_sources(one),
        )


def _sources(one: Bug) -> tuple[str, ...]:
    dates = one.dated.dates
    commits = (dates.introduced, dates.commit, *(point.commit for point in (*dates.stable, *dates.came)))
    return tuple(dict.fromkeys((*filter(None, commits), *sources_of(one))))
