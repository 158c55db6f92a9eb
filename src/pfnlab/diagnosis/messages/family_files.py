"""Families, read from the files of ``families/``; several stand in one file.

A file has tables::

    [[family]]
    name = "freeing_invalid"      unique in all files
    title = "..."                 a few words, for a heading
    group = "free"                the kind of paste: conflict, reserve, free, map_ram, map_expected,
                                  ioremap_error, ioremap_ram, devmem, mtrr, sanity, cant_reserve, warn_bug,
                                  bad_page_map, pat_setup, other, file
    verdict = "depends"           harmless, look here, another subject, depends
    meaning = "..."               two sentences
    kind = "log"                  or "file": a part of a file, or what a command prints
    leak = "..."                  where to look to know what is leaked
    follows = ["conflict"]        families whose event a line of this one joins, when it comes soon after
    alone = true                  false: a line of it counts only where it follows another
    rules = ["S2.3"]              of docs/semantics
    bugs = ["A06"]                of docs/bugs.md
    programs = ["munmap-middle"]  of litmus/
    send = "..."                  what else to send where the lines do not say enough

    [[family.wording]]
    text = "x86/PAT: {comm}:{pid} freeing invalid memtype [mem {range}]"
    end = "inclusive"             of {range}: inclusive, exclusive, or size
    since = "3.5"                 the first release with it, "" where it is not known
    until = ""                    the last one, "" where the newest has it
    radix = 16                    of numbers without 0x
    unit = 1                      bytes that a number of a range stands for: 4096 for pfns
    seeds = ["PCI Bus", "..."]    texts of which a line has one, where the template has no telling word
    abridged = true               false: only whole lines are of it
    source = "arch/x86/mm/pat/memtype.c memtype_free"

    [[family.advice]]
    do = "..."                    what to do now: one sentence
    costs = "..."                 what that costs: one sentence

    [[family.remedies]]
    text = "..."                  what people tried
    works = "..."                 versions, drivers, machines on which it was seen to work
    fails = "..."                 the same where it was seen to fail

Only name, title, group, verdict, meaning and one wording are required.

A template is what one line says, without stamp, host or level. In it

- a blank is any run of white space, and the place where a mailer broke the line,
- ``x86/PAT: `` at the beginning is optional, in all its forms,
- ``{a|b}`` is one of several literals, ``{?abc}`` a literal that may be missing,
- ``{name}`` is a field (:mod:`pfnlab.diagnosis.messages.template_fields` has them all); what it
  holds is a value of the event, but for those marked *dropped*:

  - ``{comm}:{pid}`` a task; both may be missing together in an abridged line,
  - ``{range}`` two numbers with ``-``, ``,`` or ``to`` between; ``{start}``, ``{end}``, ``{size}`` each alone
    (hexadecimal; ``{bytes}`` and ``{kib}`` and ``{mib}`` are decimal sizes), ``{pfn}`` a page frame,
  - ``{holder_range}`` and ``{holder}`` the range and the name of what is in the way,
  - ``{wanted}``, ``{granted}``, ``{existing}``, ``{differs}`` a cache mode: asked for, given, of the first
    entry in the way, of the entry that differs from that one; a name, a number of ``enum page_cache_mode``,
    or page bits as old kernels print them,
  - ``{device}`` a PCI address or the name of a device, ``{driver}`` of a driver or module,
    ``{bar}`` a number,
  - ``{errno}`` a number, a name, or the words of strerror(),
  - ``{vm_flags}`` hexadecimal, ``{slots}`` the modes of PAT, ``{amount}`` a size as ``16M``,
  - dropped: ``{addr}`` a hexadecimal number or pointer, ``{number}`` a decimal one, ``{symbol}`` a function
    with its offset, ``{file}`` a source file, ``{line}`` a line there, ``{word}`` what has no blanks,
    ``{text}`` anything to the next literal or the end of the line, ``{perms}`` and ``{path}`` of a mapping.

A line that is abridged or cut still matches by the longest literal of a template; so that literal must not
occur in messages of other families (or ``abridged = false``). A template with no literal of two words and
eight letters matches whole lines only.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from pathlib import Path

import msgspec

from pfnlab.base.errors import Defect
from pfnlab.base.toml_text import toml_content


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
    """One way in which the kernel, or a tool, words the message."""

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
    """A remedy that people tried."""

    text: str
    works: str = ""
    fails: str = ""


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of message."""

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


_HERE = Path(__file__).parent / "families"


class _FamilyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    family: tuple[Family, ...]


def read_families(text: str, source: str) -> tuple[Family, ...]:
    """The families of one file, in its order.

    :raises Misuse: it is no TOML
    :raises Defect: a table has a key too many, too few, or a value of another type
    """
    try:
        return msgspec.convert(toml_content(text, source), _FamilyFile).family
    except msgspec.ValidationError as wrong:
        raise Defect(f"{source}: {wrong}") from None


@cache
def families() -> tuple[Family, ...]:
    """All families that pfnlab knows, by file and then in the file's order.

    :raises Defect: a file is wrong, or two families have one name
    """
    found: dict[str, Family] = {}
    for file in sorted(_HERE.glob("*.toml")):
        for one in read_families(file.read_text(encoding="utf-8"), file.name):
            if one.name in found:
                raise Defect(f"{file.name}: a second family has the name {one.name}")
            found[one.name] = one
    return tuple(found.values())
