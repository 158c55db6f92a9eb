"""The review of a mailed patch: the functions it touches, with rules, bugs and questions for each.

Nothing is built: this is what a reviewer should know before reading the patch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from pfnlab.base.inert import shell_line
from pfnlab.base.result import Count, PrintedStruct
from pfnlab.base.units import first_of_many, number_of
from pfnlab.checker.judging.run_properties import PROPERTIES, RUN_PROPERTIES
from pfnlab.checker.scopes.properties import ALL_OF_RACES, QUESTIONS
from pfnlab.discussions.posted_threads import posted_threads
from pfnlab.kernel.bugs.bug_status import BugStatusWord, bug_status
from pfnlab.kernel.bugs.known_bugs import bug
from pfnlab.kernel.functions.function_lines import named_bug, releases_of, titled_rule
from pfnlab.kernel.functions.known_functions import (
    KernelFunction,
    is_callable_in,
    is_place_of,
    kernel_functions,
)
from pfnlab.kernel.functions.rule_texts import rules_naming
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.lab.building.mailed_patches import MailedPatches, UnplacedHunk
from pfnlab.present.document.blocks import Block, Bullets, Paragraph, named_rows
from pfnlab.verbs.patch_series import SeriesSource, named_series

#: The most subjects that are printed, and other functions named.
_MOST_SUBJECTS, _MOST_OTHERS = 20, 8

#: The most hunks without a function that are printed, and sections of the rules for another change.
_MOST_HUNKS, _MOST_RULES = 20, 4

#: What a kernel's status is for a bug that it does not have.
_ABSENT = (BugStatusWord.NOT_YET, BugStatusWord.MENDED, BugStatusWord.NEVER)

#: How a function is touched whose code is changed.
_CHANGED = "changed"


class TouchedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the subject that a patch changes or calls.

    :param name: its name
    :param changed: true if its code is changed
    :param how: ``changed``, ``call added``, ``call removed``, ``call changed``, or ``in changed operations``
    :param releases: the mainline releases that have it; empty if all have it
    :param does: what it does
    :param rules: the sections of the rules that describe it
    :param bugs: the known bugs and rules that concern it; those that the series has come first
    :param bugs_elsewhere: those of them that the series of the command does not have
    :param rows: the defects of posted patches that concern it, see `pfnlab discussions show R11`
    :param asks: the properties that a review checks of it
    """

    name: str
    changed: bool
    how: str
    releases: str
    does: str
    rules: tuple[str, ...]
    bugs: tuple[str, ...]
    bugs_elsewhere: tuple[str, ...]
    rows: tuple[str, ...]
    asks: tuple[str, ...]


class PostedDefectRow(msgspec.Struct, frozen=True, kw_only=True):
    """A defect of a posted patch.

    :param number: its number, e.g. ``R11``
    :param thread: the number of its thread
    :param subject: the subject of its thread
    :param versions: the posted versions that have it; empty if kernels have it
    :param scenario: how it happens
    :param rules: the sections of the rules for it
    """

    number: str
    thread: str
    subject: str
    versions: tuple[str, ...]
    scenario: str
    rules: tuple[str, ...]


class AskedProperty(msgspec.Struct, frozen=True, kw_only=True):
    """A property that a review checks.

    :param name: its name
    :param says: its sentence
    :param checked: where it is checked: in sequences of operations, in schedules, of kernels
    """

    name: str
    says: str
    checked: tuple[str, ...]


class OtherChange(msgspec.Struct, frozen=True, kw_only=True):
    """A changed function, structure or member without an entry in `pfnlab help`.

    :param name: its name
    :param kind: ``function``, ``structure`` or ``member``
    :param files: the files in which it is changed
    :param rules: the sections of the rules that name it
    :param neighbors: the known functions in its files
    :param same_name_in: the file of the known function of this name, which is another one; mostly empty
    """

    name: str
    kind: str
    files: tuple[str, ...]
    rules: tuple[str, ...]
    neighbors: tuple[str, ...]
    same_name_in: str


class PatchReview(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-patch-review/1"):
    """The rules, bugs and questions for the functions that a mailed patch touches.

    :param patches: the number of patches in the file
    :param subjects: their subjects, as far as they have one, at most 100
    :param functions: the functions of the subject that they touch; those they change come first
    :param others: the number of other functions that they change
    :param changes: these functions, and the changed structures and members that the rules name
    :param unplaced: the hunks of which the patches do not say to which function they belong
    :param faults: what could not be read, each with its place
    :param rows: the defects of posted patches that concern these functions
    :param questions: the properties that a review checks of them
    :param series: the series in the command
    :param series_from: ``base``: the patches' line ``Base:``; ``subject``: the brackets of a subject, e.g.
        ``[PATCH 6.12.y]``; ``guess``: the newest confirmed series that has the functions
    :param policies: the policies that the patches say they implement
    :param command: the command that builds the patches, and compares the kernel with the model of their
        policies, or with the kernel without them
    """

    patches: Count
    subjects: tuple[str, ...]
    functions: tuple[TouchedFunction, ...]
    others: Count
    changes: tuple[OtherChange, ...]
    unplaced: tuple[UnplacedHunk, ...]
    faults: tuple[str, ...]
    rows: tuple[PostedDefectRow, ...]
    questions: tuple[AskedProperty, ...]
    series: str
    series_from: SeriesSource
    policies: tuple[str, ...]
    command: str

    @classmethod
    def of(cls, found: MailedPatches, *names: str) -> PatchReview:
        """The review of the patches found in files with these names."""
        touched = [one for one in kernel_functions().values() if _how(one, found)]
        order = [*found.changed, *found.called, *found.pointed]
        touched.sort(key=lambda one: (_how(one, found) != _CHANGED, order.index(one.name)))
        known = {one.name for one in touched}
        changes = tuple(_other_changes(found))
        rows = tuple(
            PostedDefectRow(
                number=defect.number,
                thread=thread.number,
                subject=thread.title,
                versions=defect.versions,
                scenario=defect.scenario,
                rules=defect.rules,
            )
            for thread in posted_threads()
            for defect in thread.defects
            if known.intersection(defect.functions)
        )
        series, source = _series(found, touched)
        return cls(
            patches=found.patches,
            subjects=tuple(found.subjects),
            functions=tuple(_of(one, _how(one, found), series) for one in touched),
            others=len([one for one in changes if one.kind == "function"]),
            changes=changes,
            unplaced=tuple(found.unplaced),
            faults=tuple(found.faults),
            rows=rows,
            questions=tuple(_questions(touched)),
            series=series,
            series_from=source,
            policies=tuple(found.policies),
            command=shell_line(
                ("pfnlab", "try", series, *(word for name in names for word in ("--patch", name)))
            ),
        )

    def blocks(self) -> Iterator[Block]:
        """Yield the functions with their rules and bugs, and the command."""
        patches = number_of(self.patches, "patch", "patches")
        # Without its hunks' functions, a patch may well touch one.
        how = "found" if self.unplaced else "touched"
        touched = number_of(len(self.functions), "function") if self.functions else "no known function"
        others = number_of(self.others, "other function")
        names = first_of_many([one.name for one in self.changes if one.kind == "function"], _MOST_OTHERS)
        said = f"{patches}, {touched} of PFN mappings {how}, {others} changed{': ' * bool(names)}{names}"
        if self.unplaced:
            said += f"; {number_of(len(self.unplaced), 'hunk')} without a function"
        yield Paragraph(f"{said}.")
        if not (self.functions or self.unplaced or any(one.rules or one.neighbors for one in self.changes)):
            yield from _few("Not read", self.faults)
            return
        yield Bullets(tuple(f"    {subject}" for subject in _cut(self.subjects, _MOST_SUBJECTS)))
        yield from _few("Not read", self.faults)
        for one in self.functions:
            head = f"{one.name} ({', '.join(filter(None, (one.how, one.releases)))})\n  {one.does}"
            yield from named_rows(head, _rows(one, self.series))
        yield from self._others()
        yield from named_rows("Faults of posted patches (pfnlab discussions show R11)", self._posted())
        questions = ((one.name, f"{one.says} ({', '.join(one.checked)})") for one in self.questions)
        yield from named_rows("Questions of a review", questions)
        compared = (
            f"Build it, and compare the kernel with the model of {', '.join(self.policies)}"
            if self.policies
            else "Build the tree with and without it, and compare the two kernels"
        )
        yield Paragraph(f"{compared}:")
        yield Paragraph(f"  {self.command}", whole=True)
        if self.series_from == "guess":
            yield Paragraph(
                f"  {self.series} is a guess: write the series of your tree, or the folder of the tree."
            )

    def _posted(self) -> Iterator[tuple[str, str]]:
        """Yield each thread, and below it the defects of its versions."""
        for (thread, subject), rows in groupby(self.rows, key=lambda row: (row.thread, row.subject)):
            yield thread, subject
            for row in rows:
                where = f"{', '.join(row.versions)}: " if row.versions else ""
                said = f"{where}{row.scenario} Rules: {', '.join(map(titled_rule, row.rules))}."
                yield row.number, " ".join(said.split())

    def _others(self) -> Iterator[Block]:
        """Yield the other changes that the rules name, functions of the same name, and unplaced hunks."""
        ruled, near, foreign = [], [], []
        for one in self.changes:
            files = ", ".join(one.files)
            if one.rules:
                kind = "" if one.kind == "function" else f" ({one.kind})"
                rules = ", ".join(map(titled_rule, one.rules[:_MOST_RULES]))
                ruled.append(f"{one.name}{kind}, {files}: {rules}")
            elif one.neighbors and not self.functions:
                near.append(f"{one.name}, {files}: near {first_of_many(one.neighbors, _MOST_OTHERS)}")
            if one.same_name_in:
                foreign.append(f"{one.name} in {files}: not that of {one.same_name_in}")
        yield from _few("Also changed, and named by the rules", ruled, len(ruled))
        yield from _few("Also changed, in files of PFN mappings", near, len(near))
        yield from _few("Other functions with a known name", foreign, len(foreign))
        hunks = [f"{hunk.file}, hunk at line {hunk.line}: {hunk.why}" for hunk in self.unplaced]
        yield from _few("Changed lines without a function: the patch does not name it", hunks)


def _few(caption: str, lines: Sequence[str], most: int = _MOST_HUNKS) -> Iterator[Block]:
    """Yield the first lines below a caption, and how many more there are."""
    yield from named_rows(caption, ((line,) for line in _cut(lines, most)), ("",))


def _cut(lines: Sequence[str], most: int) -> Sequence[str]:
    return (*lines[:most], f"and {len(lines) - most} more") if len(lines) > most else lines


def _rows(one: TouchedFunction, series: str) -> Iterator[tuple[str, str]]:
    here = (number for number in one.bugs if number not in one.bugs_elsewhere)
    rows = (
        ("rules", map(titled_rule, one.rules)),
        ("bugs", map(named_bug, here)),
        (f"not in {series}", map(named_bug, one.bugs_elsewhere)),
        ("posted", one.rows),
        ("asked", one.asks),
    )
    return ((name, text) for name, told in rows if (text := ", ".join(told)))


def _how(one: KernelFunction, found: MailedPatches) -> str:
    """The way in which the patches touch a known function; "" if they do not."""
    changed = found.changed.get(one.name, {})
    if any(is_place_of(one, file) for file in changed):
        return _CHANGED
    # Each architecture calls its own function, and a file its own static one.
    call = found.called.get(one.name)
    if call and any(is_callable_in(one, file) and file not in changed for file in call.files):
        return (
            "call changed" if call.added and call.removed else f"call {'added' if call.added else 'removed'}"
        )
    if any(is_callable_in(one, file) and file not in changed for file in found.pointed.get(one.name, ())):
        return "in changed operations"
    return ""


def _known_in(files: Iterable[str]) -> tuple[str, ...]:
    """The known functions that some release has in one of these files."""
    return tuple(
        name for name, one in kernel_functions().items() if not {*one.files.values()}.isdisjoint(files)
    )


def _other_changes(found: MailedPatches) -> Iterator[OtherChange]:
    """The changed functions that are not known, then the structures and members that the rules name."""
    for kind, names in (
        ("function", found.changed),
        ("structure", found.structures),
        ("member", found.members),
    ):
        for name, files in names.items():
            known = kernel_functions().get(name) if kind == "function" else None
            if known is not None and _how(known, found) == _CHANGED:
                continue
            rules = () if known else tuple(rule.number for rule in rules_naming(name))
            # A short member, e.g. `size`, is a word of any text.
            if kind == "function" or (rules and ("_" in name or kind == "structure")):
                yield OtherChange(
                    name=name,
                    kind=kind,
                    files=tuple(files),
                    rules=rules,
                    neighbors=_known_in(files) if kind == "function" and not known else (),
                    same_name_in=", ".join(dict.fromkeys(known.files.values())) if known else "",
                )


def _of(one: KernelFunction, how: str, series: str) -> TouchedFunction:
    elsewhere = tuple(number for number in one.bugs if bug_status(bug(number), series).word in _ABSENT)
    rows = (defect for thread in posted_threads() for defect in thread.defects)
    return TouchedFunction(
        name=one.name,
        changed=how == _CHANGED,
        how=how,
        releases=releases_of(one),
        does=one.does,
        rules=one.rules,
        bugs=(*(number for number in one.bugs if number not in elsewhere), *elsewhere),
        bugs_elsewhere=elsewhere,
        rows=tuple(defect.number for defect in rows if one.name in defect.functions),
        asks=one.asks,
    )


def _series(found: MailedPatches, touched: Sequence[KernelFunction]) -> tuple[str, SeriesSource]:
    """The series that the patches name, otherwise the newest confirmed one with all functions they change."""
    if named := named_series(found):
        return named
    changed = [one for one in touched if _how(one, found) == _CHANGED]
    for series in reversed(CONFIRMED):
        if all(one.is_in(series) for one in changed):
            return series, "guess"
    return CONFIRMED[-1], "guess"


def _questions(touched: Sequence[KernelFunction]) -> Iterator[AskedProperty]:
    """The properties that are asked of the functions, those asked most often first."""
    places = (
        ("sequences", {one.name for one in QUESTIONS}),
        ("schedules", {one.name for one in ALL_OF_RACES}),
        ("kernels", RUN_PROPERTIES),
    )
    count: dict[str, int] = {}
    for one in touched:
        for name in one.asks:
            count[name] = count.get(name, 0) + 1
    for name in sorted(count, key=lambda name: -count[name]):
        checked = tuple(place for place, names in places if name in names)
        yield AskedProperty(name=name, says=f"{PROPERTIES[name].asks}.", checked=checked)
