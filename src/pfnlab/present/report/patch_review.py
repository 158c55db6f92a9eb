"""The review of a mailed patch: the functions it touches, with rules, bugs and questions for each.

Nothing is built: this is what a reviewer should know before reading the patch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from pfnlab.base.inert import shell_line
from pfnlab.base.result import Count, PrintedStruct
from pfnlab.base.terminal_text import wrapped
from pfnlab.base.units import number_of
from pfnlab.checker.judging.judge import SEEN
from pfnlab.checker.scopes.properties import ALL_OF_RACES, QUESTIONS
from pfnlab.discussions.posted_threads import posted_threads
from pfnlab.kernel.functions.known_functions import KernelFunction, kernel_functions
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.lab.building.mailed_patches import MailedPatches
from pfnlab.present.report.function_lines import named_bug, releases_of, titled_rule

#: The most subjects that are printed, and other functions named.
_MOST_SUBJECTS, _MOST_OTHERS = 20, 8

#: The columns of the name of a row.
_NAME = 9


class TouchedFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the subject that a patch changes or calls.

    :param name: its name
    :param changed: true if its code is changed, false if only calls to it are added or removed
    :param releases: the mainline releases that have it; empty if all have it
    :param does: what it does
    :param rules: the sections of the rules that describe it
    :param bugs: the known bugs and rules that concern it
    :param rows: the defects of posted patches that concern it, see `pfnlab discussions show R11`
    :param asks: the properties that a review checks of it
    """

    name: str
    changed: bool
    releases: str
    does: str
    rules: tuple[str, ...]
    bugs: tuple[str, ...]
    rows: tuple[str, ...]
    asks: tuple[str, ...]


class PostedDefectRow(msgspec.Struct, frozen=True, kw_only=True):
    """A defect of a posted patch.

    :param number: its number, e.g. ``R11``
    :param thread: the number of its thread
    :param versions: the posted versions that have it; empty if kernels have it
    :param scenario: how it happens
    :param rules: the sections of the rules for it
    """

    number: str
    thread: str
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


class PatchReview(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-patch-review/1"):
    """The rules, bugs and questions for the functions that a mailed patch touches.

    :param patches: the number of patches in the file
    :param subjects: their subjects, as far as they have one, at most 100
    :param functions: the functions of the subject that they touch; those they change come first
    :param others: the number of other functions that they change
    :param rows: the defects of posted patches that concern these functions
    :param questions: the properties that a review checks of them
    :param command: the command that builds the patches and compares the kernel with the model
    """

    patches: Count
    subjects: tuple[str, ...]
    functions: tuple[TouchedFunction, ...]
    others: Count
    rows: tuple[PostedDefectRow, ...]
    questions: tuple[AskedProperty, ...]
    command: str

    @classmethod
    def of(cls, found: MailedPatches, name: str) -> PatchReview:
        """The review of the patches found in the file called *name*."""
        touched = [kernel_functions()[name] for name in _touched(found)]
        names = {one.name for one in touched}
        rows = tuple(
            PostedDefectRow(
                number=defect.number,
                thread=thread.number,
                versions=defect.versions,
                scenario=defect.scenario,
                rules=defect.rules,
            )
            for thread in posted_threads()
            for defect in thread.defects
            if names.intersection(defect.functions)
        )
        series = _series(touched, found.changed)
        return cls(
            patches=found.patches,
            subjects=tuple(found.subjects),
            functions=tuple(_of(one, one.name in found.changed) for one in touched),
            others=len([name for name in found.changed if name not in names]),
            rows=rows,
            questions=tuple(_questions(touched)),
            command=shell_line(("pfnlab", "try", series, "--patch", name)),
        )

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        patches = number_of(self.patches, "patch", "patches")
        touched = number_of(len(self.functions), "function") if self.functions else "no function"
        others = number_of(self.others, "other function")
        yield f"{patches}, {touched} of PFN mappings touched, {others} changed."
        if not self.functions:
            return
        for subject in self.subjects[:_MOST_SUBJECTS]:
            yield from wrapped(subject, 4)
        if len(self.subjects) > _MOST_SUBJECTS:
            yield f"    and {len(self.subjects) - _MOST_SUBJECTS} more"
        for one in self.functions:
            how = "changed" if one.changed else "called"
            yield ""
            yield f"{one.name} ({', '.join(filter(None, (how, one.releases)))})"
            yield from wrapped(one.does, 2)
            yield from _row("rules", [titled_rule(number) for number in one.rules])
            yield from _row("bugs", [named_bug(number) for number in one.bugs])
            yield from _row("posted", one.rows)
            yield from _row("asked", one.asks)
        if self.rows:
            yield from ("", "Faults of posted patches (pfnlab discussions show R11)")
            for row in self.rows:
                where = " ".join(filter(None, (row.thread, ", ".join(row.versions))))
                said = f"{where}: {row.scenario} Rules: {', '.join(map(titled_rule, row.rules))}."
                yield from wrapped(" ".join(said.split()), 6, f"  {row.number}")
        yield from ("", "Questions of a review")
        widest = max(len(one.name) for one in self.questions)
        for question in self.questions:
            said = f"{question.says} ({', '.join(question.checked)})"
            yield from wrapped(said, widest + 4, f"  {question.name}")
        yield from ("", "Build it, and compare the kernel with the model:", f"  {self.command}")


def _row(name: str, told: Iterable[str]) -> Iterator[str]:
    if text := ", ".join(told):
        yield from wrapped(text, 2 + _NAME, f"  {name}")


def _touched(found: MailedPatches) -> list[str]:
    """The functions of the subject: those that change first, each in the order of the patch."""
    known = kernel_functions()
    return [name for name in dict.fromkeys((*found.changed, *found.called)) if name in known]


def _of(one: KernelFunction, changed: bool) -> TouchedFunction:
    rows = (defect for thread in posted_threads() for defect in thread.defects)
    return TouchedFunction(
        name=one.name,
        changed=changed,
        releases=releases_of(one),
        does=one.does,
        rules=one.rules,
        bugs=one.bugs,
        rows=tuple(defect.number for defect in rows if one.name in defect.functions),
        asks=one.asks,
    )


def _series(touched: Sequence[KernelFunction], changed: Iterable[str]) -> str:
    """The newest confirmed series that has every function that the patches change."""
    names = set(changed)
    for series in reversed(CONFIRMED):
        if all(one.is_in(series) for one in touched if one.name in names):
            return series
    return CONFIRMED[-1]


def _questions(touched: Sequence[KernelFunction]) -> Iterator[AskedProperty]:
    """The properties that are asked of the functions, those asked most often first."""
    sequences = {one.name: one.asks for one in QUESTIONS}
    schedules = {one.name: one.asks for one in ALL_OF_RACES}
    places = (("sequences", sequences), ("schedules", schedules), ("kernels", SEEN))
    sentences = SEEN | schedules | sequences
    count: dict[str, int] = {}
    for one in touched:
        for name in one.asks:
            count[name] = count.get(name, 0) + 1
    for name in sorted(count, key=lambda name: -count[name]):
        checked = tuple(place for place, names in places if name in names)
        yield AskedProperty(name=name, says=f"{sentences[name]}.", checked=checked)
