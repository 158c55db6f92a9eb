"""The bugs in one kernel, judged by its version, configuration, architecture and package changelog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pfnlab.base.result import ALWAYS, Count, Made, Result
from pfnlab.kernel.bugs.architectures import arch_named, arch_of_version, architectures_with
from pfnlab.kernel.bugs.bug_status import BugStatusWord, bug_status, fix_of
from pfnlab.kernel.bugs.distributions import Backports
from pfnlab.kernel.bugs.doubt import is_future, newer_than_known, released_kernel
from pfnlab.kernel.bugs.here import options_lacking
from pfnlab.kernel.bugs.kernel_name import KernelName
from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, all_bugs
from pfnlab.kernel.bugs.named_repairs import NamedRepairs, NamingLine, repairs_named_in
from pfnlab.kernel.bugs.repairs import measurements_of
from pfnlab.kernel.bugs.severity import SEVERITIES, Severity, loss_of, reach_of, severity

AffectedWord = Literal[
    "has",
    "not known",
    "not with this configuration",
    "not on this architecture",
    "not yet",
    "mended",
    "never",
]
#: The states of the rows that are printed by default.
OPEN: tuple[AffectedWord, ...] = ("has", "not known", "not with this configuration")
#: Faults first, then differences, then rules.
_ORDER = (BugKind.BUG, BugKind.REGRESSION, BugKind.CHANGE, BugKind.RULE, BugKind.PROPOSAL)
_SEES = (BugStatusWord.HAS, BugStatusWord.NOT_KNOWN)


class AffectedBy(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one bug in the kernel.

    :param id: the bug's number
    :param title: the bug's short name
    :param what: what happens, in Markdown
    :param severity: by who can reach it and what is lost; of other kinds than bugs and regressions ``low``
    :param word: the state in one word
    :param sentence: the state, with dates and commits
    :param fixed: a sentence about where it is fixed; empty if no fix is known
    :param note: a sentence about what that means for the kernel's series; often empty
    :param cve: its CVE number; empty if it has none
    :param architectures: the architectures where it can exist; empty for all
    :param also: entries that measured the same bug
    :param named: the changelog lines that decided its state
    :param sources: the commits, records and measurements behind the sentence
    """

    id: str
    title: str
    kind: BugKind
    what: str
    severity: Severity = "low"
    word: AffectedWord
    sentence: str
    fixed: str = ""
    note: str = ""
    cve: str
    architectures: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    named: tuple[NamingLine, ...] = ()
    sources: tuple[str, ...]


class AffectsResult(Result, frozen=True, kw_only=True, tag="pfnlab-bugs-affects/1"):
    """The bugs in one kernel.

    :param version: the version as the user wrote it
    :param upstream: the upstream release it is based on, with its point release; null if the version does not
        tell the point release
    :param about: one sentence on what kind of kernel it is, and one on what its version does not tell
    :param config: its configuration file; empty if none was given
    :param arch: its architecture; empty if it is unknown
    :param changelog: its changelog file; empty if none was given
    :param bugs: the rows, most severe first; bugs and regressions come before changes and rules
    :param left_out: how many rows were left out because they are fixed or rules, unless these were requested
    """

    version: str
    upstream: Annotated[str | None, ALWAYS]
    about: tuple[str, ...] = ()
    config: str
    arch: str = ""
    changelog: str = ""
    bugs: tuple[AffectedBy, ...]
    left_out: Count

    @property
    def rows(self) -> list[AffectedBy]:
        """Return the rows, without measurements of a bug that has its own row."""
        measured = {number for row in self.bugs for number in row.also}
        return [row for row in self.bugs if row.id not in measured]

    @property
    def counts(self) -> dict[str, int]:
        """Return how many bugs and regressions have each state."""
        found: dict[str, int] = {}
        for one in self.rows:
            if one.kind.is_fault:
                found[one.word] = found.get(one.word, 0) + 1
        return found


class _Kernel(msgspec.Struct, frozen=True):
    """The kernel that the question is about."""

    name: KernelName
    options: Mapping[str, str] | None
    arch: str
    repairs: NamedRepairs | None


def affecting(
    version: str,
    options: Mapping[str, str] | None = None,
    *,
    config: str = "",
    every: bool = False,
    arch: str | None = None,
    changelog: Path | None = None,
) -> AffectsResult:
    """Return the state of each bug in the kernel *version*.

    :param version: an upstream version, a distribution's package version, or the output of ``uname -r``
    :param options: the options of its configuration; None if it is unknown
    :param every: include fixed bugs, rules and proposals
    :param arch: its architecture; by default the one that the version names, if any
    :param changelog: its package's changelog, or its tree's log
    :raises Misuse: if it is not a version, there is no such kernel, or the changelog cannot be read
    """
    name = released_kernel(version)
    kernel = _Kernel(
        name,
        options,
        arch_of_version(name.text) if arch is None else arch_named(arch),
        repairs_named_in(changelog) if changelog is not None else None,
    )
    shown = set(OPEN) | ({"mended"} if kernel.repairs is not None else set())
    found = [(one, _row(one, kernel)) for one in all_bugs()]
    rows = [row for _, row in sorted(found, key=lambda pair: _gravity(*pair))]
    kept = [
        row
        for row in rows
        if every or (row.word in shown and row.kind not in _ORDER[3:] and (row.word != "mended" or row.named))
    ]
    candidate = f"-rc{name.candidate}" if name.candidate is not None else ""
    point = f".{name.point}" if name.point else ""
    return AffectsResult(
        made=Made.now(),
        version=name.text,
        upstream=None if name.point is None else f"{name.release}{point}{candidate}",
        about=tuple(_about(kernel)),
        config=config,
        arch=kernel.arch,
        changelog=str(changelog) if changelog is not None else "",
        bugs=tuple(kept),
        left_out=len(rows) - len(kept),
    )


def _about(kernel: _Kernel) -> Iterator[str]:
    name = kernel.name
    base = f"{name.release}.{name.point}" if name.point else name.release
    if name.distribution is not None:
        # A frozen version number says less than the family does.
        frozen = name.distribution.backports is Backports.ANY
        yield name.distribution.about(name.release if frozen else base)
    elif name.packaged and name.point is None:
        yield f"The version does not show which {name.release}.y it was built from."
    if newest := newer_than_known(name):
        yield (
            f"{name.text} is unknown here: the newest known version is {newest}. "
            "Later fixes and bugs are not listed."
        )
    if kernel.repairs is not None:
        count = len({naming.line for naming in kernel.repairs.named.values()})
        yield f"The changelog has {kernel.repairs.lines:,} lines; {count:,} of them name a fix or a cause."


def _row(one: Bug, kernel: _Kernel) -> AffectedBy:
    word, sentence, named = _status(one, kernel)
    fixed, note = fix_of(one.dated, kernel.name)
    return AffectedBy(
        id=one.number,
        title=one.title,
        kind=one.kind,
        what=one.what,
        severity=severity(one),
        word=word,
        sentence=sentence,
        fixed=fixed,
        note=note,
        cve=one.cve,
        architectures=architectures_with(one),
        also=measurements_of(one.number),
        named=named,
        sources=_sources_of_dates(one),
    )


def _status(one: Bug, kernel: _Kernel) -> tuple[AffectedWord, str, tuple[NamingLine, ...]]:
    status = bug_status(one, kernel.name.text)
    word: AffectedWord = status.word.value
    sentence = status.sentence
    named: tuple[NamingLine, ...] = ()
    if status.word is BugStatusWord.HAS and is_future(kernel.name) and not one.dated.is_change:
        word, sentence = "not known", f"Whether {kernel.name.text} has {one.number} is unknown."
    if kernel.repairs is not None:
        word, sentence, named = _by_changelog(one, kernel.repairs, word, sentence)
    lacking = options_lacking(one, kernel.options) if kernel.options is not None else ()
    if lacking and word in _SEES:
        word = "not with this configuration"
        sentence = f"{one.number} needs {', '.join(lacking)}, which this configuration does not set."
    elsewhere = architectures_with(one)
    if kernel.arch and elsewhere and kernel.arch not in elsewhere and word in (*_SEES, OPEN[2]):
        word = "not on this architecture"
        sentence = f"{one.number} exists on {', '.join(elsewhere)} only."
    return word, sentence, named


def _by_changelog(
    one: Bug, repairs: NamedRepairs, word: AffectedWord, sentence: str
) -> tuple[AffectedWord, str, tuple[NamingLine, ...]]:
    """Return the state, given what a changelog shows: a fix it names or reverts, or a cause it introduces."""
    if word in ("mended", "never") or one.dated.is_change:
        return word, sentence, ()
    fix, cause = repairs.of_fix(one), repairs.of_cause(one)
    if fix and fix[0].reverted:
        back: AffectedWord = "has" if word == "has" else "not known"
        return back, f"The changelog reverts the fix of {one.number}.", fix
    if fix:
        return "mended", f"The changelog names the fix of {one.number}.", fix
    if cause and not cause[0].reverted and word in ("not yet", "not known"):
        return "has", f"The changelog names the cause of {one.number}, but not its fix.", cause
    if cause and cause[0].reverted and word == "has":
        return "not known", f"The changelog reverts the cause of {one.number}.", cause
    return word, sentence, ()


def _gravity(one: Bug, row: AffectedBy) -> tuple[int | str | bool, ...]:
    """Return a row's sort key: faults first, by severity, CVE, who can reach it, and what it breaks."""
    weight = SEVERITIES.index(row.severity)
    return max(_ORDER.index(row.kind), 1), weight, not one.cve, reach_of(one), loss_of(one), row.id


def _sources_of_dates(one: Bug) -> tuple[str, ...]:
    dated = one.dated
    commits = (dated.introduced, dated.commit, *(point.commit for point in (*dated.stable, *dated.came)))
    return tuple(dict.fromkeys((*filter(None, commits), *sources_of(one))))


def sources_of(one: Bug) -> tuple[str, ...]:
    """Return the sources of a bug and of its dates, or, if it has none, where it was measured."""
    found = dict.fromkeys((*one.sources, *one.dated.sources))
    return tuple(found) or ((f"measured on {one.on}",) if one.on else ())
