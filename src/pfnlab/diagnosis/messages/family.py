"""One kind of message: its wordings by version, what it means, and what to do."""

from __future__ import annotations

from enum import Enum

import msgspec


class FamilyVerdict(Enum):
    """How much a message of a family should worry its reader."""

    HARMLESS = "harmless"
    LOOK = "look here"
    #: It looks like a matter of PFN mappings, and is none.
    OTHER = "another subject"
    #: The line alone does not say it; the meaning says what does.
    DEPENDS = "depends"


class FamilyKind(Enum):
    """The place a paste of a family comes from."""

    #: A line of a log, or several.
    LOG = "log"
    #: A part of a file, or of what a command prints.
    FILE = "file"


class RangeEnd(Enum):
    """The second number of a range, as a wording writes it."""

    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"
    #: It is the number of bytes.
    SIZE = "size"


class Wording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way in which the kernel, or a tool, words the message.

    :param text: the template (:mod:`pfnlab.diagnosis.messages.family_files` describes the form)
    :param end: what the second number of ``{range}`` is
    :param since: the first kernel release with this wording, as ``5.7``; empty where it is not known
    :param until: the last one; empty where the newest has it
    :param radix: of numbers in ranges that are written without 0x
    :param source: file and function that print it, as ``arch/x86/mm/pat/memtype.c memtype_free``
    :param unit: bytes that one of a range's numbers stands for: 4096 where a wording writes pfns
    :param seeds: texts of which a line has one, where the template itself has no telling word
    :param abridged: a line with its longest literal is of it, whatever else is missing
    """

    text: str
    end: RangeEnd = RangeEnd.INCLUSIVE
    since: str = ""
    until: str = ""
    radix: int = 16
    source: str = ""
    unit: int = 1
    seeds: tuple[str, ...] = ()
    abridged: bool = True


class Advice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An action, and its cost."""

    do: str
    costs: str


class Remedy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A remedy that people tried.

    :param works: versions, drivers or machines on which it was seen to work
    :param fails: those on which it was seen to fail
    """

    text: str
    works: str = ""
    fails: str = ""


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of message.

    :param name: unique, as ``freeing_invalid``
    :param group: the kind of paste in reports from the field: conflict, free, mtrr, file ...
    :param meaning: two sentences
    :param leak: where to look to know what is leaked; empty where nothing can be
    :param follows: families whose event a line of this one belongs to, when it comes soon after
    :param alone: a line of it is an event by itself; else it says something only where it follows another
    :param rules: of docs/semantics, as ``S2.3``
    :param bugs: of docs/bugs.md, as ``A06``
    :param programs: names of litmus programs that make the message
    :param send: what else to send where the lines do not say enough
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
    alone: bool = True
    rules: tuple[str, ...] = ()
    bugs: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    send: str = ""
