"""One bug with all that is known of it, and the bugs that a kernel of one version has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from pfnlab.base.result import ALWAYS, Count, Made, Printed, Result, beside
from pfnlab.kernel.bugs.here import options_lacking
from pfnlab.kernel.bugs.kernel_name import kernel_name
from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, BugReach, HeldBy, SettledWord, ShownBy, all_bugs
from pfnlab.kernel.bugs.standing import Point, StandingWord
from pfnlab.kernel.policies.releases import version_key
from pfnlab.programs.lang.library import library_paths
from pfnlab.programs.runs.golden import NO_GOLDENS, golden_path, has_goldens, read_golden


class StableRelease(msgspec.Struct, frozen=True):
    """A release of a stable series that has a change.

    :param version: ``6.1.85``, or ``5.10.y`` where only the series is known
    :param commit: the stable commit; empty where it is not known
    :param after: the newest release known to be without it, where the date is only measured
    """

    version: str
    commit: str
    after: str

    @classmethod
    def of(cls, point: Point) -> StableRelease:
        """A point of a bug's dates."""
        return cls(point.version, point.commit, point.after)

    def __str__(self) -> str:
        commit = f" ({self.commit})" if self.commit else ""
        return f"{self.version}{commit}{f', not yet in {self.after}' if self.after else ''}"


class BugEntry(Printed, frozen=True, kw_only=True, tag="pfnlab-bug/1"):
    """A bug of the catalogue.

    :param id: its number, ``A06``
    :param title: its short name
    :param what: what happens, in Markdown
    :param group: the heading it stands under
    :param since: the first mainline release with it; ``all`` for every one, empty where nobody knows
    :param introduced: the commit that brought it
    :param mended: the first mainline release without it
    :param commit: the commit that mends it
    :param remark: what has to be said of its end
    :param stable: every stable release that is known to have taken the repair over
    :param came: the same of what brought it
    :param partial: other stable series may have taken the repair over too
    :param no_stable: no stable series took the repair over
    :param stable_only: no mainline release had it
    :param cve: its number; empty where it has none
    :param same_as: the bug whose dates it has, of which it is a measurement
    :param config: the options it needs, each with y or m; m is there too where it is built in
    :param trigger: the shortest operations
    :param reach: who can bring it about
    :param see: what is observable
    :param log: families of messages it prints, or wordings
    :param breaks: the properties that it violates
    :param programs: programs that are about it
    :param shown: programs with a machine that has it, and one that does not
    :param holds: of a rule, what a step of a program answers on machines that keep it
    :param seen: exact versions of kernels that ran one of these programs and have it; empty outside a clone
    :param settled: what became of the entry when somebody looked
    :param settled_by: the kernel and the program, or why nobody knows
    :param discussion: threads, or numbers of the discussions of docs/claims.md
    :param notes: further remarks, in Markdown; empty where there are none
    :param sources: where its facts and dates are from
    """

    id: str
    title: str
    kind: BugKind
    what: str
    group: str
    since: str
    introduced: str
    mended: str
    commit: str
    remark: str
    stable: tuple[StableRelease, ...]
    came: tuple[StableRelease, ...]
    partial: bool
    no_stable: bool
    stable_only: bool
    cve: str
    same_as: str
    config: dict[str, str]
    trigger: str
    reach: tuple[BugReach, ...]
    see: str
    log: tuple[str, ...]
    breaks: tuple[str, ...]
    programs: tuple[str, ...]
    shown: tuple[ShownBy, ...]
    holds: tuple[HeldBy, ...]
    seen: tuple[str, ...]
    settled: Annotated[SettledWord | None, ALWAYS]
    settled_by: str
    discussion: tuple[str, ...]
    notes: str
    sources: tuple[str, ...]

    @classmethod
    def of(cls, one: Bug) -> BugEntry:
        """A bug, with the kernels of the goldens of its programs."""
        dated, dates = one.dated, one.dated.dates
        same = ("since", "introduced", "mended", "commit", "remark")
        of_dates: dict[str, Any] = {
            **{name: getattr(dated, name) for name in same},
            "stable": tuple(map(StableRelease.of, dates.stable)),
            "came": tuple(map(StableRelease.of, dates.came)),
            "partial": dates.partial,
            "no_stable": dates.no_stable,
            "sources": sources_of(one),
        }
        return cls(
            id=one.number,
            group=one.group,
            stable_only=one.stable_only,
            seen=tuple(kernels_seen(one)),
            **of_dates,
            **beside(one, (*of_dates, "number", "measured", "on")),
        )

    def __str__(self) -> str:
        rows = [(name, said) for name, said in self._rows() if said]
        width = max(len(name) for name, _ in rows)
        return "\n".join(
            [f"{self.id}  {self.title}", *(f"{name.ljust(width)}  {said}" for name, said in rows)]
        )

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "what", self.what
        yield "kind", f"{self.kind}, {self.group}"
        yield "cve", self.cve
        yield "since", _joined(self.since, self.introduced)
        yield (
            "until",
            f"{_joined(self.mended, self.commit)}{f' ({self.remark})' if self.remark else ''}".strip(),
        )
        came = ", ".join(map(str, self.came))
        yield "stable came", f"{came}{', and no mainline release' if self.stable_only else ''}"
        more = ", and perhaps others" if self.partial else ""
        none = "no series took the repair over" if self.no_stable else ""
        yield "stable", f"{', '.join(map(str, self.stable))}{more}" if self.stable else none
        yield "configuration", ", ".join(f"{name}={value}" for name, value in self.config.items())
        yield "trigger", self.trigger
        yield "reach", ", ".join(self.reach)
        yield "see", self.see
        yield "log", ", ".join(self.log)
        yield "breaks", ", ".join(self.breaks)
        yield "programs", ", ".join(self.programs)
        for one in self.shown:
            yield "shown", f"{one.program}: {one.before} -> {one.after}"
        for rule in self.holds:
            on = ", ".join(rule.on)
            yield "holds", f"{rule.program}, {rule.op}: {rule.field} {rule.says} on {on}"
        unknown = self.kind is not BugKind.PROPOSAL and not has_goldens()
        yield "seen on", NO_GOLDENS if unknown else ", ".join(self.seen)
        yield "settled", f"{self.settled}: {self.settled_by}" if self.settled else ""
        yield "discussion", ", ".join(self.discussion)
        yield "notes", self.notes
        yield "sources", "; ".join(self.sources)


def sources_of(one: Bug) -> tuple[str, ...]:
    """The sources of a bug and of its dates; of one that has none of its own, where it was measured."""
    found = dict.fromkeys((*one.sources, *one.dated.sources))
    return tuple(found) or ((f"measured on {one.on}",) if one.on else ())


def kernels_seen(one: Bug) -> list[str]:
    """Exact versions of the kernels that have *one* and ran one of its programs, oldest first."""
    if one.kind is BugKind.PROPOSAL:
        return []
    paths = {path.stem: path for path in library_paths()}
    versions = {
        version
        for name in one.programs
        if name in paths and (golden := read_golden(golden_path(paths[name]))) is not None
        for observation in golden.observations
        for version in observation.versions
    }
    having = (version for version in versions if one.standing(version).word is StandingWord.HAS)
    return sorted(having, key=version_key)


def _joined(release: str, commit: str) -> str:
    return ", ".join(filter(None, (release, commit)))


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
    """Where the kernel *version* stands with each bug; raises Misuse where it begins like no version.

    :param version: upstream's, a distribution's package version, or what ``uname -r`` says
    :param options: those of its configuration; None where it is not known
    :param every: also rows that are over, rules, and proposals
    """
    name = kernel_name(version)
    rows = sorted(_affected_rows(version, options), key=lambda row: (_ORDER.index(row.kind), row.id))
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


def _affected_rows(version: str, options: Mapping[str, str] | None) -> Iterator[AffectedBy]:
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
            sources=_sources_of_dates(one),
        )


def _sources_of_dates(one: Bug) -> tuple[str, ...]:
    dates = one.dated.dates
    commits = (dates.introduced, dates.commit, *(point.commit for point in (*dates.stable, *dates.came)))
    return tuple(dict.fromkeys((*filter(None, commits), *sources_of(one))))
