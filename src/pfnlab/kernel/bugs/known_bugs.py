"""The known bugs, regressions and changes: one reviewed file each, ``data/A06.toml``.

A file has::

    what         what happens, one or two sentences in Markdown
    kind         bug | regression | rule | change | proposal
    since        the first mainline release that has it, "6.15-rc" for candidates alone, "all" for every one
    introduced   the commit that brought it
    mended       the first mainline release without it
    commit       the commit that mends it
    remark       what has to be said of that commit, or why there is none
    stable       [{ version, commit, after }]: where stable series took the repair over
    partial      true where other stable series may have taken the repair over too
    came         the same of what brought it, where a stable series took that over
    no_stable    true where it is known that no stable series took the repair over
    cve          its number
    same_as      the bug it is a measurement of, whose dates are its own
    measured     the series on which it was measured, where no source dates it
    on           the same in words, for the page
    programs     programs of litmus/ that show it
    notes, sources
    title        a short name: "cow-first-pte"
    trigger      the shortest operations that bring it about, one or two sentences
    reach        who can do that: user, privileged, fault, driver, hardware
    see          what is observable
    log          what it prints: names of families of pfnlab.diagnosis.messages, or wordings no family has
    breaks       the properties that it violates, as `check` and judged runs name them
    config       options of the kernel without which it is not there: { LOCKDEP = "y" }
    discussion   threads, or numbers of the discussions of docs/claims.md
    settled      confirmed, refuted or undecided: what became of the entry when somebody looked
    settled_by   the kernel and the program that settled it, or why it is undecided; one sentence
    shown        [{ program, before, after, field, needs }]: machines between which it differs by that
    holds        [{ program, on, op, field, says }]: of a rule, what a step of the program answers

A repair or a cause that has a switch (:mod:`pfnlab.kernel.policies.switches`) has its stable releases
there, and only what the switch lacks is in the file. ``version`` is a point release; ``5.10.y`` where only
the series is known. ``after`` is the newest release known not to have it, where the date is only measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path

import msgspec

from pfnlab.base.errors import Defect, Misuse
from pfnlab.base.files import read_text
from pfnlab.base.inert import visible_name
from pfnlab.base.toml_text import MOST_TOML, toml_content
from pfnlab.kernel.bugs.standing import Dates, Point, Standing, standing_of
from pfnlab.kernel.policies.switches import SWITCHES, Backport


class BugReach(StrEnum):
    """The ways to bring a bug about.

    A user needs a file that everybody may open; privilege is that of /dev/mem, sysfs and vfio.
    A fault is an allocation that fails, or real memory pressure; a driver does something of its own.
    """

    USER = "user"
    PRIVILEGED = "privileged"
    FAULT = "fault"
    DRIVER = "driver"
    HARDWARE = "hardware"


class SettledWord(StrEnum):
    """The answers to whether an entry is true."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class ShownBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program that shows a bug, with a machine that has it and one that does not.

    :param program: its name in litmus/, or ``history/NAME``
    :param before: the machine that has the bug: ``model:6.1.84``, ``model:6.1,without=COMMIT``
    :param after: the machine without it: ``model:6.1.85``
    :param field: the field of a step in which to look for the sign, where they part earlier by something else
    :param needs: another bug, without which the program does not show this one
    """

    program: str
    before: str
    after: str
    field: str = ""
    needs: str = ""


class HeldBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program whose answer is a rule: it has no machine before and after.

    :param program: its name in litmus/, or ``history/NAME``
    :param on: the machines on which the rule holds: ``model:6.1``
    :param op: the step, as the program prints it: ``madvise a dodump``; the first of that text
    :param field: the field of that step that the rule is about: ``result``
    :param says: its lines, with commas between; ``-`` where it has none
    """

    program: str
    on: tuple[str, ...]
    op: str
    field: str
    says: str


_FOLDER = Path(__file__).parent / "data"

#: What the letter of an identifier stands for.
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
    """The kinds of entries: what is wrong, what became wrong again, and what only differs."""

    BUG = "bug"
    REGRESSION = "regression"
    RULE = "rule"
    CHANGE = "change"
    PROPOSAL = "proposal"

    @property
    def is_fault(self) -> bool:
        """True for what is wrong; the others only differ."""
        return self in (BugKind.BUG, BugKind.REGRESSION)


class Bug(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One entry; the module says what each field holds.

    :param number: ``A06``, as the file is called
    """

    what: str
    kind: BugKind
    number: str = ""
    since: str = ""
    introduced: str = ""
    mended: str = ""
    commit: str = ""
    remark: str = ""
    stable: tuple[Point, ...] = ()
    partial: bool = False
    came: tuple[Point, ...] = ()
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
    breaks: tuple[str, ...] = ()
    config: Mapping[str, str] = msgspec.field(default_factory=dict)
    discussion: tuple[str, ...] = ()
    settled: SettledWord | None = None
    settled_by: str = ""
    shown: tuple[ShownBy, ...] = ()
    holds: tuple[HeldBy, ...] = ()

    @property
    def group(self) -> str:
        """The heading it stands under: ``tracking by VMA (VM_PAT)``."""
        return GROUPS[self.number[0]]

    @property
    def since_in_words(self) -> str:
        """The release it came in and the commit: ``4.5, 2039e6acaf94``; empty where neither is known."""
        return ", ".join(filter(None, (self.since, self.introduced))) or ", ".join(
            point.version for point in self.came
        )

    @property
    def until_in_words(self) -> str:
        """The release that is without it, the commit, and what has to be said of that."""
        ended = ", ".join(filter(None, (self.mended, self.commit)))
        return f"{ended} ({self.remark})" if ended and self.remark else ended or self.remark

    @property
    def having(self) -> str:
        """The kernels that have it, in words: ``since 2.6.29; until 6.16, f8e97613fed2``."""
        words = (("on", self.on), ("since", self.since_in_words), ("until", self.until_in_words))
        return "; ".join(f"{word} {said}" for word, said in words if said and (word == "on" or not self.on))

    @property
    def dates(self) -> Dates:
        """Its dates, with the stable releases that its switches have."""
        repaired = (*_points_of(self.commit), *_points_of_undated(self), *self.stable)
        came = (*_points_of(self.introduced), *self.came)
        return Dates(
            *(self.number, self.since, self.introduced, self.mended, self.commit),
            *(repaired, came, self.no_stable, self.measured, self.remark),
            never=self.kind is BugKind.PROPOSAL,
            change=self.kind in (BugKind.CHANGE, BugKind.RULE),
            partial=self.partial,
        )

    @property
    def stable_only(self) -> bool:
        """True where no mainline release ever had it: a stable series took over what brought it."""
        return not self.since and bool(self.dates.came)

    @property
    def dated(self) -> Bug:
        """The entry that has the dates: the bug it is a measurement of, else itself."""
        return bug(self.same_as) if self.same_as else self

    def standing(self, version: str) -> Standing:
        """Where the kernel *version* stands: it has the bug, has it no more, not yet, or nobody knows.

        :param version: upstream's, a distribution's package version, or what ``uname -r`` says
        :raises Misuse: it begins like no version
        """
        return standing_of(msgspec.structs.replace(self.dated.dates, number=self.number), version)


def bug(number: str) -> Bug:
    """The entry called *number*.

    :raises Misuse: there is none
    """
    found = _bugs().get(number)
    if found is None:
        raise Misuse(f"there is no bug {visible_name(number)[:40]!r}: docs/bugs.md has them, as A06")
    return found


def all_bugs() -> tuple[Bug, ...]:
    """Every entry, in the order of letters and numbers."""
    return tuple(_bugs().values())


@cache
def _bugs() -> dict[str, Bug]:
    return {path.stem: _read(path) for path in sorted(_FOLDER.glob("*.toml"))}


def _read(path: Path) -> Bug:
    content = toml_content(read_text(path, "data file of a bug", MOST_TOML), path.name)
    try:
        return msgspec.convert({**content, "number": path.stem}, type=Bug)
    except msgspec.ValidationError as wrong:
        raise Defect(f"{path.name}: {wrong}") from wrong


def _points_of(commit: str) -> tuple[Point, ...]:
    """The stable releases that took *commit* over, as the switches have it."""
    return _points_by_commit().get(commit, ())


@cache
def _points_by_commit() -> dict[str, tuple[Point, ...]]:
    found: dict[str, tuple[Point, ...]] = {}
    for switch in SWITCHES:
        for named, backports in ((switch.commit, switch.stable), (switch.ended_by, switch.ended_stable)):
            if named:
                points = map(_point, backports)
                found[named] = (*found.get(named, ()), *points)
    return found


def _points_of_undated(bug: Bug) -> Iterator[Point]:
    """The same of a repair whose commit nobody names: its switch has the number and the release."""
    for switch in SWITCHES:
        if not bug.commit and bug.mended and switch.catalogue == bug.number and switch.since == bug.mended:
            yield from map(_point, switch.stable)


#: A stable commit, as the source of a backport.
_STABLE_COMMIT = re.compile(r"[0-9a-f]{12}")


def _point(backport: Backport) -> Point:
    commit = backport.source if _STABLE_COMMIT.fullmatch(backport.source) else ""
    return Point(backport.point, commit, backport.after or "")
