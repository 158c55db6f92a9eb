"""Scopes: the operations to try, the devices to try them on, and the maximum length of a sequence.

Each scope is a separate file (``scopes/NAME.toml``, or one of the user's)::

    says = "one sentence"
    devices = ["bar: pci, 4 pages"]
    tasks = 2           # that live at the same time
    areas = 2           # of one task, with something mapped in them
    depth = 4           # operations in a row; without it every sequence is tried, to the end
    thp = "always"      # the setting of transparent_hugepage, where a program would name one
    operations = [
      "new = mmap bar[0:4] <WC> rw",
      "munmap <first>",
      "mremap <whole> move",
      "child = fork",
    ]

Operations are written as program lines. ``new`` is an area without mappings, ``child`` a task that does not
exist yet. ``<whole>``, ``<first>``, ``<middle>``, ``<last>`` and ``<half>`` are pages of any mapping of the
acting task, and ``<all>`` is an area split into several mappings. Every task tries every operation. The name
of a kind of mapping, as in ``<WC>``, stands for how it is mapped: ``wc shared``.

A race scope has operations that run first, and operations that then run concurrently in every order::

    says = "one sentence"
    devices = ["bar: pci, 4 pages"]

    [[races]]
    setup = ["a = mmap bar[0:2] <remap> rw", "t = thread"]
    beside = ["munmap a", "t: unmap_mapping_range bar[0:2]"]
"""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from pfnlab.base.errors import Misuse, ProgramError
from pfnlab.base.files import Missing, read_text
from pfnlab.base.inert import one_line
from pfnlab.base.spelling import did_you_mean
from pfnlab.base.toml_text import MOST_TOML, toml_content, toml_struct
from pfnlab.programs.cases.mapping_kinds import with_kinds
from pfnlab.programs.lang.ops import Device, Mmap, Mremap, Op, Program, Thp
from pfnlab.programs.lang.process_ops import ProcessMadvise
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.text import parse
from pfnlab.programs.lang.walk_ops import ClearRefs
from pfnlab.programs.lang.words import FIRST_LINE, quoted

#: The part of a mapping's pages.
Part = Literal["whole", "first", "middle", "last", "half", "all"]

#: Names with a special meaning in scopes.
NEW_AREA, NEW_TASK = "new", "child"

_PARTS: tuple[Part, ...] = get_args(Part)
_PART = re.compile(r"<(\w+)>")
_MREMAP = re.compile(r"mremap <(\w+)> (shrink|move|dontunmap)")
_HERE = Path()
_FOLDER = files("pfnlab.checker.scopes").joinpath("scopes")


#: A number of something, and lines of text.
_Positive = Annotated[int, Meta(ge=1)]
_Lines = Annotated[tuple[str, ...], Meta(min_length=1)]


class _ScopeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of a scope."""

    says: str = ""
    devices: _Lines
    tasks: _Positive
    areas: _Positive
    depth: _Positive | None = None
    thp: str | None = None
    halves: _Positive = 1
    operations: _Lines


class _RaceTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ``[[races]]`` table in a file of a race scope."""

    setup: _Lines
    beside: Annotated[tuple[str, ...], Meta(min_length=2)]


class _RaceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of a race scope."""

    says: str = ""
    devices: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    races: Annotated[tuple[_RaceTable, ...], Meta(min_length=1)]


class Template(msgspec.Struct, frozen=True):
    """An operation with a range to be filled in.

    :param op: the operation, with pages 0..1 of area ``new`` in place of *part*
    :param part: the part of a mapping, or None for an operation that names no pages
    :param how: for mremap: ``shrink``, ``move`` or ``dontunmap``
    """

    op: Op
    part: Part | None = None
    how: str = ""


class Scope(msgspec.Struct, frozen=True):
    """The operations to try, and their bounds.

    :param tasks: the maximum number of processes alive at the same time
    :param areas: the maximum number of areas with mappings in one process
    :param depth: the maximum number of consecutive operations; None for sequences of any length
    :param source: the name or file from which it was loaded
    :param thp: the setting of transparent_hugepage, as in a program
    :param halves: the minimum number of pages of a ``<half>``
    """

    name: str
    says: str
    devices: tuple[Device, ...]
    tasks: int
    areas: int
    depth: int | None
    templates: tuple[Template, ...]
    source: str = ""
    thp: Thp | None = None
    halves: int = 1

    @property
    def pages(self) -> int:
        """The number of pages in the largest possible mapping."""
        sizes = [
            template.op.call.source.pages for template in self.templates if isinstance(template.op.call, Mmap)
        ]
        return max(sizes, default=1)

    def program(self, title: str, asks: str, ops: Sequence[Op]) -> Program:
        """A program on the scope's devices."""
        return Program(title, asks, self.devices, tuple(ops), thp=self.thp)


class Race(msgspec.Struct, frozen=True):
    """Operations that run concurrently.

    :param setup: the operations that run first
    :param concurrent: the operations that run concurrently; those of one task run in sequence
    """

    program: Program
    setup: tuple[Op, ...]
    concurrent: tuple[Op, ...]


class RaceScope(msgspec.Struct, frozen=True):
    """A scope of races, each tried in every schedule."""

    name: str
    says: str
    races: tuple[Race, ...]
    source: str = ""


def scope_names() -> list[str]:
    """The names of the built-in scopes."""
    return sorted(
        file.name.removesuffix(".toml") for file in _FOLDER.iterdir() if file.name.endswith(".toml")
    )


def load_scope(name: str, folder: Path = _HERE) -> Scope | RaceScope:
    """The scope named *name*, or the one in the file *name*.

    :param folder: the folder that a relative file name refers to
    :raises Misuse: if there is no such scope, or it is malformed; the message suggests a fix
    """
    if name in scope_names():
        return _from(read_scope(_FOLDER.joinpath(f"{name}.toml").read_text(encoding="utf-8"), name), name)
    path = folder / name
    try:
        text = read_text(path, "scope", MOST_TOML)
    except Missing:
        near = did_you_mean(name, scope_names())
        raise Misuse(f"there is no scope {quoted(name)}, neither by name nor as a file{near}") from None
    return _from(read_scope(text, path.stem, str(path)), str(path))


def _from(scope: Scope | RaceScope, source: str) -> Scope | RaceScope:
    return msgspec.structs.replace(scope, source=source)


def read_scope(text: str, name: str, source: str = "") -> Scope | RaceScope:
    """The scope described by *text*.

    :raises Misuse: if it is malformed
    """
    source = source or f"scope {name}"
    content = toml_content(with_kinds(text), source)
    if "races" in content:
        return _races(toml_struct(content, source, _RaceFile), name, source)
    file = toml_struct(content, source, _ScopeFile)
    header = _header(file.devices, source)
    if file.thp is not None:
        header.append(f"thp {one_line(file.thp)}")
    templates = tuple(_template(header, line, source) for line in file.operations)
    program = _parsed(header, "area new: 1 page", "look", source)
    bounds = (file.tasks, file.areas, file.depth)
    return Scope(name, file.says, program.devices, *bounds, templates, thp=program.thp, halves=file.halves)


def _header(devices: Sequence[str], source: str) -> list[str]:
    for device in devices:
        _check_line(device, source)
    return [FIRST_LINE, *(f"device {device}" for device in devices)]


def _check_line(line: str, source: str) -> None:
    """:raises Misuse: if *line* is not one line; each becomes a program line"""
    if "\n" in line:
        raise Misuse(f"{source}: {quoted(line)} is more than one line: write each by itself")


def _races(file: _RaceFile, name: str, source: str) -> RaceScope:
    for line in (*file.areas, *(line for race in file.races for line in (*race.setup, *race.beside))):
        _check_line(line, source)
    header = [*_header(file.devices, source), *(f"area {area}" for area in file.areas)]
    races = []
    for race in file.races:
        program = _parsed(header, "", "\n".join([*race.setup, *race.beside]), source)
        setup = len(race.setup)
        races.append(Race(program, program.ops[:setup], program.ops[setup:]))
    return RaceScope(name, file.says, tuple(races))


def _template(header: list[str], line: str, source: str) -> Template:
    _check_line(line, source)
    if match := _MREMAP.fullmatch(line):
        mremap = Mremap(Span(NEW_AREA, 0, 1), 1, maymove=True)
        return Template(Op(mremap), _part(match[1], line, source), match[2])
    parts = _PART.findall(line)
    if len(parts) > 1:
        raise Misuse(f"{source}: `{line}` names two places, an operation names one")
    part = _part(parts[0], line, source) if parts else None
    op_line = (
        _PART.sub("new[0:1]", line)
        if "write" not in line and "read" not in line
        else _PART.sub("new[0]", line)
    )
    declaration = "area new: 64 pages" if part else ""
    program = _parsed(header, declaration, op_line, source, line)
    if len(program.ops) != 1:
        raise Misuse(f"{source}: `{line}` is not an operation")
    call = program.ops[0].call
    if isinstance(call, Mmap) and call.name != NEW_AREA:
        raise Misuse(f"{source}: write `{NEW_AREA} = mmap ...` instead of `{line}`")
    if getattr(call, "child", NEW_TASK) != NEW_TASK:
        raise Misuse(f"{source}: write `{NEW_TASK} = ...` instead of `{line}`")
    return Template(program.ops[0], part)


def _part(word: str, line: str, source: str) -> Part:
    for part in _PARTS:
        if word == part:
            return part
    raise Misuse(f"{source}: `{line}`: unknown place <{word}>{did_you_mean(word, _PARTS)}")


def _parsed(header: list[str], declaration: str, line: str, source: str, written: str = "") -> Program:
    # *written* is the text in the file for *line*.
    try:
        program = parse("\n".join([*header, *filter(None, [declaration]), line]) + "\n", source)
    except ProgramError as wrong:
        # The error's position refers to a program, but the file is not one.
        shown = written if written and wrong.text == line else wrong.text.strip() or line
        raise Misuse(f"{source}: `{shown}`: {wrong.message}") from None
    if any(isinstance(op.call, ClearRefs) and op.call.kind == "soft_dirty" for op in program.ops):
        # Otherwise, two states that differ in it would count as one (docs/states.md).
        raise Misuse(f"{source}: `{line}`: a state has no soft-dirty bits: run that as a program instead")
    if any(isinstance(op.call, ProcessMadvise) for op in program.ops):
        # Tasks are renamed when that makes two states equal.
        raise Misuse(
            f"{source}: `{line}`: an operation of a scope names no task: run that as a program instead"
        )
    return program
