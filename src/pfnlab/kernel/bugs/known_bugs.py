"""The known bugs, regressions and changes: one reviewed file each, ``data/A06.toml``.

Each file contains::

    what         what happens, one or two sentences in Markdown
    kind         bug | regression | rule | change | proposal
    since        the first mainline release with it, "6.15-rc" for candidates alone, "all" for every release
    introduced   the commit that introduced it
    mended       the first mainline release without it
    commit       the commit that fixes it
    remark       a remark on that commit, or why there is no commit
    stable       [{ version, commit, after }]: stable releases that backported the fix
    partial      true if other stable series may have backported the fix too
    came         the same for its cause, where a stable series backported that
    no_stable    true if it is known that no stable series backported the fix
    cve          its number
    same_as      the bug it is a measurement of, whose dates it shares
    measured     the series on which it was measured, if no source dates it
    on           the same in words, for the page
    programs     programs of litmus/ that show it
    notes, sources
    title        a short name: "cow-first-pte"
    trigger      the shortest operations that trigger it, one or two sentences
    reach        who can trigger it: user, privileged, fault, driver, hardware
    see          what is observable
    log          what it prints: names of families of pfnlab.diagnosis.messages, of one case of a family
                 ("conflict/guest"), or texts outside any family
    errnos       causes of an errno that it is: their names in errnos.toml of that package
    breaks       the properties that it violates, as named by `check` and judged runs
    designs      { tracker = another }: proposed trackers that have it, each with one that does not
    where        a pattern of the programs that meet it: required if no commit or tracker removes it
    config       options of the kernel without which it does not exist: { LOCKDEP = "y" }
    discussion   threads, or numbers of the discussions of docs/claims.md
    settled      confirmed, refuted or undecided: the result of examining the entry
    settled_by   the kernel and the program that settled it, or why it is undecided; one sentence
    shown        [{ program, before, after, field, needs }]: machines that the program distinguishes
    holds        [{ program, on, op, field, says }]: for a rule, the result of a step of the program

If the fix or the cause has a switch (:mod:`pfnlab.kernel.policies.switches`), its stable releases are
listed there, and the file has only what the switch lacks; :class:`Bug` has both. ``version`` is a point
release, or ``5.10.y`` if only the series is known. ``after`` is the newest release known to lack the change,
if the date comes from measurements only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pfnlab.base.errors import Defect, Misuse
from pfnlab.base.files import read_text
from pfnlab.base.inert import visible_name
from pfnlab.base.result import ALWAYS
from pfnlab.base.toml_text import MOST_TOML, toml_content
from pfnlab.kernel.bugs.kernel_name import KernelName, kernel_name, release_key
from pfnlab.kernel.policies.switches import SWITCHES, Backport

#: The value of "since" for a bug that every release has.
ALL = "all"


class StableRelease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first release in a stable series to contain a change.

    :param version: ``6.1.85``, or ``5.10.y`` if only the series is known
    :param commit: the stable commit, 12 digits, if known
    :param after: the newest release known to lack it, if the date comes from measurements only
    """

    version: str
    commit: Annotated[str, ALWAYS] = ""
    after: Annotated[str, ALWAYS] = ""

    def __str__(self) -> str:
        commit = f" ({self.commit})" if self.commit else ""
        return f"{self.version}{commit}{f', not yet in {self.after}' if self.after else ''}"

    @property
    def series(self) -> str:
        """The stable series: ``6.1`` for ``6.1.85``."""
        return self.version.rpartition(".")[0]

    def reached(self, kernel: KernelName) -> bool | None:
        """Return whether *kernel*, which must belong to this series, has the change; None if unknown."""
        number = self.version.rpartition(".")[2]
        if kernel.point is None or not number.isdigit():
            # The mainline release itself contains no backports.
            return False if kernel.point == 0 else None
        if kernel.point >= int(number):
            return True
        # A candidate comes before the release itself.
        at = kernel.point if kernel.candidate is None else -1
        return None if self.after and at > self._newest_without else False

    @property
    def _newest_without(self) -> int:
        point = self.after.rpartition(".")[2]
        return int(point) if point.isdigit() else -1


class BugReach(StrEnum):
    """The ways in which a bug can be triggered.

    "user" needs only files that any user may open; "privileged" needs /dev/mem, sysfs or vfio. A "fault" is a
    failing allocation or real memory pressure. "driver" means that a driver's own actions trigger the bug.
    """

    USER = "user"
    PRIVILEGED = "privileged"
    FAULT = "fault"
    DRIVER = "driver"
    HARDWARE = "hardware"


class SettledWord(StrEnum):
    """The possible verdicts on an entry."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class ShownBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program that demonstrates a bug, with one machine that has it and one that does not.

    :param program: its name in litmus/, or ``history/NAME``
    :param before: the machine that has the bug: ``model:6.1.84``, ``model:6.1,without=COMMIT``
    :param after: the machine that does not: ``model:6.1.85``
    :param field: the step field to compare, if other fields differ earlier
    :param needs: another bug that a kernel must have for the program to demonstrate this one
    """

    program: str
    before: str
    after: str
    field: str = ""
    needs: str = ""


class HeldBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program whose result demonstrates a rule, for which there is no "before" and "after".

    :param program: its name in litmus/, or ``history/NAME``
    :param on: the machines on which the rule holds: ``model:6.1``
    :param op: the first step that has this text in the printed program: ``madvise a dodump``
    :param field: the field of that step which the rule is about: ``result``
    :param says: the lines of that field, separated by commas; ``-`` if it has none
    """

    program: str
    on: tuple[str, ...]
    op: str
    field: str
    says: str


#: The lists of an entry from which every other list of bugs is derived.
BugField = Literal["log", "errnos", "breaks", "programs"]

_FOLDER = Path(__file__).parent / "data"

#: The meaning of the letter in an identifier.
GROUPS = {
    "A": "tracking by VMA (VM_PAT)",
    "B": "flushes of the TLB",
    "C": "the memtype book and cache modes",
    "D": "the reference-counted context",
    "E": "huge entries and vfio",
    "F": "walkers and system calls",
    "G": "drivers",
    "N": "measured on real kernels first",
    "P": "met in the field",
}


class BugKind(StrEnum):
    """The kinds of entries: bugs, regressions, and differences that are neither."""

    BUG = "bug"
    REGRESSION = "regression"
    RULE = "rule"
    CHANGE = "change"
    PROPOSAL = "proposal"

    @property
    def is_fault(self) -> bool:
        """True for bugs and regressions; other entries are only differences."""
        return self in (BugKind.BUG, BugKind.REGRESSION)


class Bug(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One entry; the module docstring explains each field.

    :param number: ``A06``, which is also the name of the file
    """

    what: str
    kind: BugKind
    number: str = ""
    since: str = ""
    introduced: str = ""
    mended: str = ""
    commit: str = ""
    remark: str = ""
    stable: tuple[StableRelease, ...] = ()
    partial: bool = False
    came: tuple[StableRelease, ...] = ()
    no_stable: bool = False
    cve: str = ""
    same_as: str = ""
    measured: tuple[str, ...] = ()
    on: str = ""
    programs: tuple[str, ...] = ()
    notes: str = ""
    sources: tuple[str, ...] = ()
    title: str = ""
    trigger: str = ""
    reach: tuple[BugReach, ...] = ()
    see: str = ""
    log: tuple[str, ...] = ()
    errnos: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    designs: Mapping[str, str] = msgspec.field(default_factory=dict)
    where: str = ""
    config: Mapping[str, str] = msgspec.field(default_factory=dict)
    discussion: tuple[str, ...] = ()
    settled: SettledWord | None = None
    settled_by: str = ""
    shown: tuple[ShownBy, ...] = ()
    holds: tuple[HeldBy, ...] = ()

    @property
    def group(self) -> str:
        """The heading under which it is listed: ``tracking by VMA (VM_PAT)``."""
        return GROUPS[self.number[0]]

    @property
    def since_in_words(self) -> str:
        """The release and commit that introduced it: ``4.5, 2039e6acaf94``; empty if neither is known."""
        return ", ".join(filter(None, (self.since, self.introduced))) or ", ".join(
            point.version for point in self.came
        )

    @property
    def until_in_words(self) -> str:
        """The first release without it, the commit, and the remark on that commit."""
        ended = ", ".join(filter(None, (self.mended, self.commit)))
        return f"{ended} ({self.remark})" if ended and self.remark else ended or self.remark

    @property
    def having(self) -> str:
        """The affected kernels in words: ``since 2.6.29; until 6.16, f8e97613fed2``."""
        words = (("on", self.on), ("since", self.since_in_words), ("until", self.until_in_words))
        return "; ".join(f"{word} {said}" for word, said in words if said and (word == "on" or not self.on))

    @property
    def stable_only(self) -> bool:
        """True if no mainline release ever had it because only a stable series backported its cause."""
        return not self.since and bool(self.came)

    @property
    def is_change(self) -> bool:
        """True for a change rather than a fault: it ends, but is never "fixed"."""
        return self.kind in (BugKind.CHANGE, BugKind.RULE)

    @property
    def dated(self) -> Bug:
        """The entry that has the dates: the bug of which this is a measurement, otherwise itself."""
        return bug(self.same_as) if self.same_as else self

    def fixed_in(self, version: str) -> str:
        """The first release without it in that series, or else in mainline; empty if unknown."""
        dated, series = self.dated, kernel_name(version).release if version else ""
        own = [point.version for point in dated.stable if point.series == series and point.version[-1] != "y"]
        return own[0] if own and not dated.is_change else dated.mended


def bug(number: str) -> Bug:
    """The entry called *number*.

    :raises Misuse: if there is no such entry
    """
    if not is_bug(number):
        raise Misuse(f"there is no bug {visible_name(number)[:40]!r}: docs/bugs.md has them, as A06")
    return _read(number)


def all_bugs() -> tuple[Bug, ...]:
    """Every entry, in the order of letters and numbers."""
    return tuple(map(_read, _texts()))


def is_bug(number: str) -> bool:
    """True if there is an entry called *number*."""
    return number in _texts()


@cache
def bugs_shown_by(program: str) -> tuple[Bug, ...]:
    """The faults that a program of litmus/ shows, by number."""
    found = (_read(number) for number, text in _texts().items() if f'"{program}"' in text)
    return tuple(one for one in found if one.kind.is_fault and program in [row.program for row in one.shown])


@cache
def bugs_with(field: BugField, name: str) -> tuple[str, ...]:
    """The numbers of the entries that have *name* in one of their lists: first faults, first new ones.

    Only files that contain the name are parsed.
    """
    found = (_read(number) for number, text in _texts().items() if f'"{name}"' in text)
    having = sorted((one for one in found if name in getattr(one, field)), key=_newest_first)
    return tuple(one.number for one in having)


def _newest_first(one: Bug) -> tuple[object, ...]:
    """The sort key of a list of bugs with one effect; those without a first release come last."""
    since = one.dated.since
    age = [-part for part in release_key(since)] if since[:1].isdigit() else [1]
    return not one.kind.is_fault, age, one.number


@cache
def _texts() -> dict[str, str]:
    paths = sorted(_FOLDER.glob("*.toml"))
    return {path.stem: read_text(path, "data file of a bug", MOST_TOML) for path in paths}


@cache
def _read(number: str) -> Bug:
    content = toml_content(_texts()[number], f"{number}.toml")
    try:
        one = msgspec.convert({**content, "number": number}, type=Bug)
    except msgspec.ValidationError as wrong:
        raise Defect(f"{number}.toml: {wrong}") from wrong
    points = _points_by_commit()
    repaired = (*points.get(one.commit, ()), *_points_of_undated(one), *one.stable)
    return msgspec.structs.replace(one, stable=repaired, came=(*points.get(one.introduced, ()), *one.came))


@cache
def _points_by_commit() -> dict[str, tuple[StableRelease, ...]]:
    """The stable releases that backported each commit, according to the switches."""
    found: dict[str, tuple[StableRelease, ...]] = {}
    for switch in SWITCHES:
        for named, backports in ((switch.commit, switch.stable), (switch.ended_by, switch.ended_stable)):
            if named:
                points = map(_point, backports)
                found[named] = (*found.get(named, ()), *points)
    return found


def _points_of_undated(bug: Bug) -> Iterator[StableRelease]:
    """The same for a fix whose commit is unknown, found by the bug's number and release in its switch."""
    for switch in SWITCHES:
        if not bug.commit and bug.mended and switch.catalogue == bug.number and switch.since == bug.mended:
            yield from map(_point, switch.stable)


#: A stable commit in the source of a backport.
_STABLE_COMMIT = re.compile(r"[0-9a-f]{12}")


def _point(backport: Backport) -> StableRelease:
    commit = backport.source if _STABLE_COMMIT.fullmatch(backport.source) else ""
    return StableRelease(backport.point, commit, backport.after or "")
