"""The operations of sweeps, by the names in the tables of the catalogue."""

from typing import TypeAlias

import msgspec

from pfnlab.base.toml_text import package_tables

#: Rows of words by name.
_Rows: TypeAlias = dict[str, tuple[str, ...]]


class _OperationTables(msgspec.Struct, forbid_unknown_fields=True):
    """The tables of ``operations.toml``; each is described there."""

    calls: _Rows
    rows: _Rows
    points: _Rows


_TABLES = package_tables(__package__, "operations.toml", _OperationTables)

#: The lines for each kind of operation, as the first one and, if different, as a later one.
CALLS = _TABLES.calls


def operations_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The operations, or the functions, in the rows named *names*; other words stand for themselves."""
    return tuple(word for name in names for word in _TABLES.rows.get(name, (name,)))


#: The functions an operation reaches, among those where it can be held.
POINTS = {kind: operations_of(names) for kind, names in _TABLES.points.items()}
