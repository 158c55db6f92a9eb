"""The table of operations: each row is an operation, read as it is printed."""

from __future__ import annotations

from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from for_each import for_each
from table_lines import LINES, path_end, program_with

from pfnlab.programs.lang.fields import Field, Flag, Shape, Word
from pfnlab.programs.lang.ops import Call, Fork, Release
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.process_ops import ProcessMadvise, ProcessMrelease
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import BY_VERB, ROWS, VERBS, ByHand, tasks_named, verbs_on, word_of

_TYPES: dict[Shape, Any] = {
    **dict.fromkeys((Shape.RANGE, Shape.ACCESS, Shape.DEVICE_PAGES, Shape.MEMORY), Span),
    **dict.fromkeys((Shape.OWN_PAGES, Shape.SECTIONS), Span),
    Shape.DEVICE: str,
    Shape.PROT: str,
    Shape.VALUE: int,
    Shape.ROOM: int | None,
    Shape.ANY_TASK: str,
    Shape.TASK: str,
    Shape.HELD: str | None,
}


def holds(field: Field, hint: Any) -> bool:
    """Whether a field of the table takes the values of a field of the structure, and no others."""
    if isinstance(field, Shape):
        return bool(_TYPES[field] == hint)
    if isinstance(field, Flag):
        return hint is bool
    return hint is str or (get_origin(hint) is Literal and set(get_args(hint)) == set(field.numbers))


@for_each("kind", ROWS, ids=word_of)
def test_a_row_has_the_fields_of_its_operation(kind: type[Call]) -> None:
    """Another field would neither be read nor be sent."""
    hints = get_type_hints(kind)

    fields = ROWS[kind].fields

    assert len(kind.__struct_fields__) == len(fields)
    assert all(holds(field, hints[name]) for name, field in zip(kind.__struct_fields__, fields, strict=True))


@for_each("kind", ROWS, ids=word_of)
def test_a_field_that_may_be_left_out_has_the_default_of_its_structure(kind: type[Call]) -> None:
    """What is not written is the same in text and in JSON."""
    given = {field.name: field.default for field in msgspec.structs.fields(kind) if not field.required}

    said = {
        name: field.default if isinstance(field, Word) else None if field is Shape.HELD else False
        for name, field in zip(kind.__struct_fields__, ROWS[kind].fields, strict=True)
        if isinstance(field, Flag)
        or field is Shape.HELD
        or (isinstance(field, Word) and field.default is not None)
    }

    assert given == said


def test_every_operation_is_a_row_or_written_by_hand() -> None:
    """None is forgotten, and none is both."""
    assert set(get_args(Call)) == set(ROWS) | set(get_args(ByHand))
    assert set() == set(ROWS) & set(get_args(ByHand))


def test_verbs_are_those_of_the_language() -> None:
    """None is forgotten, none stands twice."""
    assert set(BY_VERB) <= set(VERBS)
    assert len(VERBS) == len(set(VERBS))


def test_verbs_come_by_their_first_field() -> None:
    """In the order of the table, with other fields or without."""
    assert ("mprotect", "pkey_mprotect") == verbs_on(Shape.RANGE, more=True)[:2]
    assert ("munmap", "mlock") == verbs_on(Shape.RANGE, more=False)[:2]
    assert ("set_memory_wb", "set_memory_wc", "set_memory_uc") == verbs_on(Shape.OWN_PAGES)[:3]


@for_each(("word", "line"), LINES)
def test_a_line_is_read_as_it_is_printed(word: str, line: str) -> None:
    """Of every operation of the table, with each of its words."""
    program = program_with(word, line)

    at = path_end(word)

    assert (word, line) == (word_of(type(program.ops[at].call)), op_lines(program)[at])


def test_a_field_of_an_unknown_type_is_none() -> None:
    """The comparison above can fail."""
    assert not holds(Shape.RANGE, NoneType)
    assert not holds(Word({"wc": 1}, "mode", "wc"), Literal["wc", "uc"])


def test_the_tasks_that_a_call_names_are_those_of_its_fields() -> None:
    """Whatever the field is called; a call without one names none."""
    assert {"target": "c"} == tasks_named(ProcessMadvise(Span("a", 0, 1), "cold", "c"))
    assert {"victim": "t"} == tasks_named(ProcessMrelease("t"))
    assert {} == tasks_named(Release("c")) | tasks_named(Fork("c"))
