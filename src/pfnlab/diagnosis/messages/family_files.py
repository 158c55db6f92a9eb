"""Families, read from the files in ``families/``; ``form.txt`` there describes their format."""

from enum import Enum
from functools import cache
from pathlib import Path

import msgspec

from pfnlab.base.errors import Defect
from pfnlab.base.toml_text import toml_content
from pfnlab.kernel.bugs.known_bugs import bugs_with


class FamilyVerdict(Enum):
    """The verdict of a family: how worried its reader should be."""

    HARMLESS = "harmless"
    LOOK = "look here"
    #: It looks related to PFN mappings but is not.
    OTHER = "another subject"
    #: The line alone does not decide; the meaning says what does.
    DEPENDS = "depends"


class FamilyKind(Enum):
    """Where a family's lines come from."""

    #: One or more log lines.
    LOG = "log"
    #: Part of a file or of a command's output.
    FILE = "file"
    #: A call trace line; all lines in one trace form a single event.
    TRACE = "trace"


class RangeEnd(Enum):
    """The meaning of a range's second number in a wording."""

    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"
    #: It is the number of bytes.
    SIZE = "size"


class Wording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One form in which the kernel or a tool prints the message."""

    text: str
    end: RangeEnd = RangeEnd.INCLUSIVE
    since: str = ""
    until: str = ""
    radix: int = 16
    source: str = ""
    unit: int = 1
    seeds: tuple[str, ...] = ()
    abridged: bool = True
    implies: dict[str, str] = {}
    every_row: bool = False
    wraps: bool = True


class Advice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An action, and its cost."""

    do: str
    costs: str
    pci_only: bool = False
    since: str = ""
    until: str = ""


class Remedy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A remedy that people have tried."""

    text: str
    works: str = ""
    fails: str = ""
    pci_only: bool = False
    since: str = ""
    until: str = ""


class FamilyEnding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A possible end of a family's event, known only from other lines in the boot.

    :param when: a story word (boot_story.py), or the family of a line that belongs to the event
    :param title: replaces the family's title; empty to keep it
    """

    when: str
    verdict: FamilyVerdict
    meaning: str
    title: str = ""
    advice: tuple[Advice, ...] = ()
    send: str = ""


class CaseWhen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The conditions for a case; ``form.txt`` describes the fields."""

    values: dict[str, str] = {}
    frames: tuple[str, ...] = ()
    text: str = ""
    since: str = ""
    until: str = ""


class FamilyCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The meaning of a family's message in one case; None keeps the family's own value.

    :param called: its name in the data of the bugs that print it; without one it has those of the family
    """

    when: CaseWhen
    called: str | None = None
    title: str | None = None
    verdict: FamilyVerdict | None = None
    meaning: str | None = None
    leak: str | None = None
    rules: tuple[str, ...] | None = None
    programs: tuple[str, ...] | None = None
    advice: tuple[Advice, ...] | None = None
    remedies: tuple[Remedy, ...] | None = None
    send: str | None = None
    way: str | None = None


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of message.

    :param after: families whose events a line of this family joins, however late, if range and task match
    :param state: whether it describes a state rather than a failure
    :param fact: whether every machine prints it; if so, there is one event per boot
    :param called: the case that fits, or the ending, if its bugs are not those of the family
    """

    name: str
    title: str
    group: str
    verdict: FamilyVerdict
    meaning: str
    wording: tuple[Wording, ...]
    kind: FamilyKind = FamilyKind.LOG
    leak: str = ""
    follows: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    alone: bool = True
    state: bool = False
    fact: bool = False
    endings: tuple[FamilyEnding, ...] = ()
    called: str = ""
    rules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    send: str = ""
    case: tuple[FamilyCase, ...] = ()
    needs_case: bool = False
    way: str = ""

    @property
    def bugs(self) -> tuple[str, ...]:
        """The numbers of the bugs that print it, according to their data."""
        return bugs_with("log", f"{self.name}/{self.called}" if self.called else self.name)


def ended(family: Family, ending: FamilyEnding) -> Family:
    """Return the family for an event with this ending, which replaces the family's meaning and advice."""
    return msgspec.structs.replace(
        family,
        title=ending.title or family.title,
        verdict=ending.verdict,
        meaning=ending.meaning,
        called=ending.when,
        advice=ending.advice,
        remedies=(),
        send=ending.send,
        leak="",
        programs=(),
    )


_HERE = Path(__file__).parent / "families"


class _FamilyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    family: tuple[Family, ...]


def read_families(text: str, source: str) -> tuple[Family, ...]:
    """Return the families in a file, in order; raise Misuse for invalid TOML, Defect for a wrong table."""
    try:
        return msgspec.convert(toml_content(text, source), _FamilyFile).family
    except msgspec.ValidationError as wrong:
        raise Defect(f"{source}: {wrong}") from None


@cache
def families() -> tuple[Family, ...]:
    """Return all families, file by file, in file order; raise Defect for a wrong file or a duplicate name."""
    found: dict[str, Family] = {}
    for file in sorted(_HERE.glob("*.toml")):
        for one in read_families(file.read_text(encoding="utf-8"), file.name):
            if one.name in found:
                raise Defect(f"{file.name}: a second family has the name {one.name}")
            found[one.name] = one
    return tuple(found.values())
