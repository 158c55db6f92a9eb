"""One bug, with everything known about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.result import ALWAYS, PrintedStruct, other_fields
from pfnlab.kernel.bugs.affected import sources_of
from pfnlab.kernel.bugs.bug_status import BugStatusWord, bug_status
from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, HeldBy, SettledWord, ShownBy, StableRelease
from pfnlab.kernel.policies.releases import version_key
from pfnlab.present.document.blocks import Block, named_rows
from pfnlab.programs.lang.library import library_paths
from pfnlab.programs.runs.golden import NO_GOLDENS, golden_path, has_goldens, read_golden
from pfnlab.verbs.bug_list import NamedBug


class BugEntry(NamedBug, PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-bug/1"):
    """A bug in the catalogue.

    :param group: the heading that it is listed under
    :param since: the first mainline release that has it; ``all`` for every release, empty if unknown
    :param introduced: the commit that introduced it
    :param mended: the first mainline release without it
    :param commit: the commit that fixes it
    :param remark: a remark on the fixing commit, or the reason why there is none
    :param stable: every stable release known to contain the backported fix
    :param came: every stable release known to contain the backported cause
    :param partial: other stable series may have backported the fix too
    :param no_stable: no stable series backported the fix
    :param same_as: the bug that this entry measures, and whose dates it shares
    :param trigger: the shortest sequence of operations that triggers it
    :param see: what is observable
    :param log: the message families, or texts, that it prints
    :param errnos: the causes of an errno that it is, see `pfnlab explain --errno`
    :param programs: programs about it
    :param shown: programs that show it, each with a machine that has it and one that does not
    :param holds: for a rule: what a program's step does on machines that follow the rule
    :param seen: exact versions of kernels that ran one of these programs and have it; empty outside a clone
    :param settled: what an investigation of the entry found
    :param settled_by: the kernel and the program that settled it, or the reason why it is undecided
    :param discussion: threads, or discussion numbers in docs/claims.md
    :param notes: further remarks, in Markdown; empty if there are none
    :param sources: the sources of its facts and dates
    """

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
    same_as: str
    trigger: str
    see: str
    log: tuple[str, ...]
    errnos: tuple[str, ...] = ()
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
        """Return a bug's entry, with the kernels in its programs' goldens."""
        dated = one.dated
        of_dates = (
            *("since", "introduced", "mended", "commit", "remark"),
            *("stable", "came", "partial", "no_stable"),
        )
        return cls(
            id=one.number,
            group=one.group,
            stable_only=one.stable_only,
            seen=tuple(affected_kernels(one)),
            sources=sources_of(one),
            **{name: getattr(dated, name) for name in of_dates},
            **other_fields(one, (*of_dates, "sources", "number", "measured", "on", "designs", "where")),
        )

    def blocks(self) -> Iterator[Block]:
        """Yield the rows that have a text."""
        rows = ((name, said) for name, said in self._rows() if said)
        yield from named_rows(f"{self.id}  {self.title}", rows)

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
        none = "no series backported the fix" if self.no_stable else ""
        yield "stable", f"{', '.join(map(str, self.stable))}{more}" if self.stable else none
        yield "configuration", ", ".join(f"{name}={value}" for name, value in self.config.items())
        yield "trigger", self.trigger
        yield "reach", ", ".join(self.reach)
        yield "see", self.see
        yield "log", ", ".join(self.log)
        yield "errnos", ", ".join(self.errnos)
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


def affected_kernels(one: Bug) -> list[str]:
    """Return exact versions of the kernels that have *one* and ran one of its programs, oldest first."""
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
    having = (version for version in versions if bug_status(one, version).word is BugStatusWord.HAS)
    return sorted(having, key=version_key)


def _joined(release: str, commit: str) -> str:
    return ", ".join(filter(None, (release, commit)))
