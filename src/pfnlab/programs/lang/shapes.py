"""The table of operations: the row of each class, by its word and its verbs.

The operations with a form of their own are :data:`ByHand`.
"""

from __future__ import annotations

from typing import TypeGuard, get_args

from pfnlab.programs.lang.device_ops import UnmapMappingRange
from pfnlab.programs.lang.fields import Ending, Row, Shape
from pfnlab.programs.lang.ops import Call, Fork, Mmap, Mremap, RemapFilePages, Thread
from pfnlab.programs.lang.walk_ops import ProcessVmReadv, Walk

#: The operations that declare a row, in the order of the union.
ROWS: dict[type[Call], Row] = {kind: kind.row for kind in get_args(Call) if hasattr(kind, "row")}

#: The operations whose lines have a form of their own: they name something new, or one field depends on
#: another.
ByHand = Mmap | Mremap | Fork | Thread | Walk | ProcessVmReadv | RemapFilePages | UnmapMappingRange


def is_by_hand(call: Call) -> TypeGuard[ByHand]:
    """True where *call* is none of the table."""
    return type(call) not in ROWS


def word_of(kind: type[Call]) -> str:
    """The word of an operation, which is its tag in the JSON form too."""
    return str(kind.__struct_config__.tag)


def verbs_of(kind: type[Call]) -> tuple[str, ...]:
    """The verbs of an operation of the table: its word, or one for each ending."""
    word = word_of(kind)
    for field in ROWS[kind].fields:
        if isinstance(field, Ending):
            return tuple(f"{word}_{ending}" for ending in field.numbers)
    return (word,)


#: The operations of the table by their words, and by their verbs.
BY_WORD: dict[str, type[Call]] = {word_of(kind): kind for kind in ROWS}
BY_VERB: dict[str, type[Call]] = {verb: kind for kind in ROWS for verb in verbs_of(kind)}


def verbs_on(*shapes: Shape, more: bool | None = None) -> tuple[str, ...]:
    """The verbs of the operations whose first field is one of *shapes*, in the table's order.

    :param more: only those that have other fields too, or only those that have none
    """
    return tuple(
        verb
        for kind, row in ROWS.items()
        if row.fields and row.fields[0] in shapes and more in (None, len(row.fields) > 1)
        for verb in verbs_of(kind)
    )


#: The operations that a trace has as plain calls, by the names of these.
TRACED: dict[str, type[Call]] = {name: kind for kind, row in ROWS.items() for name in row.traced.split()}


def tasks_named(call: Call) -> dict[str, str]:
    """The tasks that an operation of the table names, by the fields they are in; none that is held."""
    if is_by_hand(call):
        return {}
    fields = zip(call.__struct_fields__, ROWS[type(call)].fields, strict=True)
    return {name: getattr(call, name) for name, field in fields if field in (Shape.TASK, Shape.ANY_TASK)}
