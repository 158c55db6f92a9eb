"""The operations of sweeps, and the functions at which operations are held."""

from typing import TypeAlias

import msgspec

from pfnlab.base.toml_text import package_tables

#: Rows of words by name.
_Rows: TypeAlias = dict[str, tuple[str, ...]]


class _HeldOperation(msgspec.Struct, forbid_unknown_fields=True, rename={"name": "as"}):
    """Where an operation is held: its name in sweeps if different, and rows of functions."""

    name: str = ""
    swept: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()


class _OperationTables(msgspec.Struct, forbid_unknown_fields=True):
    """The tables of ``operations.toml``; each is described there."""

    calls: _Rows
    rows: _Rows
    functions: _Rows
    held: dict[str, _HeldOperation]


_TABLES = package_tables(__package__, "operations.toml", _OperationTables)

#: The lines for each kind of operation, as the first one and, if different, as a later one.
CALLS = _TABLES.calls

#: Rows of kernel functions.
FUNCTIONS = _TABLES.functions


def operations_of(names: tuple[str, ...], rows: _Rows = _TABLES.rows) -> tuple[str, ...]:
    """The operations in the rows named *names*; other words stand for themselves."""
    return tuple(word for name in names for word in rows.get(name, (name,)))


#: The functions at which each operation of a sweep is held, and each kind of operation of a random program.
POINTS = {
    held.name or kind: operations_of(held.swept, FUNCTIONS)
    for kind, held in _TABLES.held.items()
    if held.swept
}
PLACES = {kind: operations_of(held.drawn, FUNCTIONS) for kind, held in _TABLES.held.items() if held.drawn}
