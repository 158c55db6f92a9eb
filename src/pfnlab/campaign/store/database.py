"""A store's database: a small interface, with rows read into structures."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.campaign.store.rows import json_text
from pfnlab.campaign.store.schema import MIGRATIONS, VERSION, VERSION_TABLE, columns_made

#: The prefix of a PostgreSQL address; every other address is a file.
POSTGRES = ("postgresql://", "postgres://")


class Database(ABC):
    """One connection to a database. Statements have ``?`` in place of values.

    External failures (a full disk, a lost server) are raised as :class:`~pfnlab.base.errors.Undecided` or
    :class:`~pfnlab.base.errors.Misuse`, with a one-line message.

    :ivar address: as the user wrote it
    """

    address: str
    #: The connection of the database's Python driver (PEP 249).
    _connection: Any

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run *statement*; return the number of rows it changed."""
        with self._errors():
            return int(self._connection.execute(self._written(statement), tuple(values)).rowcount)

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run *statement* once for each of *rows*."""
        with self._errors():
            self._connection.cursor().executemany(self._written(statement), rows)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that *statement* selects."""
        with self._errors():
            return list(self._connection.execute(self._written(statement), tuple(values)).fetchall())

    def _written(self, statement: str) -> str:
        """The statement as the driver wants it."""
        return statement

    @abstractmethod
    def _errors(self) -> AbstractContextManager[None]:
        """A context that converts database errors into ours."""

    @abstractmethod
    def columns(self) -> set[tuple[str, str]]:
        """Every column, with its table's name."""

    @abstractmethod
    def only_read(self) -> None:
        """Refuse all writes from now on."""

    @abstractmethod
    def transaction(self, *, by_one: bool = False) -> AbstractContextManager[None]:
        """A context manager that commits its work completely or not at all.

        :param by_one: let in one connection at a time; the others wait
        """

    @abstractmethod
    def alone(self, number: int) -> bool:
        """Take lock *number* until this connection closes; False if another connection has it."""

    @abstractmethod
    def release(self, number: int) -> None:
        """Release the lock."""

    @abstractmethod
    def is_taken(self, number: int) -> bool:
        """True if another connection has the lock; writes nothing."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""


def open_database(address: str, *, make: bool = True) -> Database:
    """The database at *address*, with this version's tables.

    :raises Misuse: if it is not a store, or is from a newer pfnlab
    :raises Undecided: if it cannot be reached, or the disk is full
    :raises MissingTool: if the address is on PostgreSQL, and psycopg is not installed
    """
    database: Database
    if address.startswith(POSTGRES):
        from pfnlab.campaign.store.postgres import PostgresDatabase

        database = PostgresDatabase(address)
    else:
        from pfnlab.campaign.store.sqlite import SqliteDatabase

        database = SqliteDatabase(address, make=make)
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def damaged(address: str, what: str) -> Misuse:
    """The error for a store with content that pfnlab never writes."""
    return Misuse(
        f"{address}: the store is damaged ({' '.join(what.split())}): restore it from a copy that "
        "`pfnlab campaign results --backup` made, or name another file"
    )


def migrate(database: Database) -> None:
    """Migrate the tables to this version; tables already at this version are left unchanged.

    :raises Misuse: if the tables are from a newer version, or are not pfnlab's
    """
    if _version(database) == VERSION:
        return
    with database.transaction(by_one=True):
        # Another process may have migrated it in the meantime.
        version = _version(database)
        if version is None:
            database.execute(VERSION_TABLE)
            database.execute("INSERT INTO schema_version VALUES (0)")
        for step in MIGRATIONS[version or 0 :]:
            for statement in step:
                database.execute(statement)
        database.execute("UPDATE schema_version SET version = ?", (VERSION,))


def _version(database: Database) -> int | None:
    """The version of the tables, after checking them against it; None if there are no tables yet."""
    found = database.columns()
    if "schema_version" not in {table for table, _ in found}:
        return None
    if ("schema_version", "version") not in found:
        raise damaged(database.address, "it has no version")
    rows = database.rows("SELECT version FROM schema_version")
    version = rows[0][0] if len(rows) == 1 else None
    if not isinstance(version, int) or version < 0:
        raise damaged(database.address, "its version is not a number")
    if version > VERSION:
        raise Misuse(
            f"{database.address} is a store of version {version}, and this pfnlab knows versions up to "
            f"{VERSION}: use the newer pfnlab that made it"
        )
    for table, column in sorted(columns_made(MIGRATIONS[:version]) - found):
        raise damaged(database.address, f"table {table} with {column} is missing")
    return version


_Form = TypeVar("_Form", bound=msgspec.Struct)

#: Maximum nesting depth of values; pfnlab writes about ten levels.
_DEEPEST = 100

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def inserting(table: str, columns: Sequence[str]) -> str:
    """The statement that inserts a row with values for *columns*."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def values_of(content: msgspec.Struct) -> tuple[Any, ...]:
    """The values of one row, in the order of the fields: flags as numbers, lists and tables as JSON."""
    values = (int(value) if isinstance(value, bool) else value for value in msgspec.structs.astuple(content))
    return tuple(
        value if isinstance(value, str | int | float | None) else json_text(value) for value in values
    )


@cache
def _kinds(form: type[msgspec.Struct]) -> dict[str, Any]:
    """The types of a form's fields, without their arguments."""
    fields = msgspec.structs.fields(form)
    types = [
        get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type for field in fields
    ]
    return {field.name: get_origin(kind) or kind for field, kind in zip(fields, types, strict=True)}


def row_of(address: str, place: str, form: type[_Form], row: Sequence[Any]) -> _Form:
    """Convert one row to a *form*.

    :param row: the values, in the order of the fields of *form*, as :func:`values_of` made them
    :raises Misuse: if a value does not fit its field
    """
    name, content = "", dict(zip(form.__struct_fields__, row, strict=True))
    try:
        for name, kind in _kinds(form).items():
            if kind in (dict, tuple):
                content[name] = _json(content[name])
            elif kind is bool:
                content[name] = {0: False, 1: True}[content[name]]
        return msgspec.convert(content, form)
    except msgspec.ValidationError as wrong:
        raise damaged(address, f"{place}: {wrong}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise damaged(address, f"{place}: {name} is not what pfnlab writes") from None


def _json(text: str) -> Any:
    """Parse JSON from a store.

    :raises ValueError: if *text* is not JSON, or nested too deeply
    """
    if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST:
        raise ValueError("nested too deeply")
    return msgspec.json.decode(text)


def _depth(text: str) -> int:
    depth = deepest = 0
    for sign in _STRING.sub("", text):
        depth += (sign in "[{") - (sign in "]}")
        deepest = max(deepest, depth)
    return deepest
