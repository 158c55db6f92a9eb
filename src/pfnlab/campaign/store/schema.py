"""The tables of a store, and how older stores are migrated.

The same statements create the tables in SQLite and in PostgreSQL. Version N of the schema is the result of
the first N steps, and a released step is never changed. No table contains wall-clock time: numbers keep the
order, so clock changes have no effect.
"""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from importlib.resources import files
from typing import Any


def _statements(version: int) -> tuple[str, ...]:
    """The statements that migrate a store to *version* from the one before: ``version1.sql`` and so on."""
    text = files("pfnlab.campaign.store").joinpath(f"version{version}.sql").read_text(encoding="utf-8")
    return tuple(re.sub(r"^--.*\n", "", text, flags=re.MULTILINE).strip().rstrip(";").split(";\n\n"))


#: The statements that turn version N into N + 1.
MIGRATIONS = (_statements(1), _statements(2))

#: The version that this pfnlab reads and writes.
VERSION = len(MIGRATIONS)

#: The table with the version of a store.
VERSION_TABLE = "CREATE TABLE schema_version (version BIGINT NOT NULL)"


#: Every column in a database, and every plain table, with the table's name.
COLUMNS = """SELECT objects.name, columns.name FROM sqlite_master AS objects
    LEFT JOIN pragma_table_info(objects.name) AS columns
    WHERE objects.type = 'table' AND objects.sql LIKE 'CREATE TABLE%'"""

#: The table statistics that SQLite stores after ANALYZE.
_OWN = re.compile(r"CREATE TABLE sqlite_stat[134]\((?:\w+,?)+\)")

#: Kind, name and statement of everything that an SQLite file defines; reading these does not run them.
OBJECTS = "SELECT type, name, sql FROM sqlite_master"


def columns_made(steps: Sequence[Sequence[str]]) -> set[tuple[str, str]]:
    """Each table and column that the statements in *steps* create."""
    with _made(steps) as database:
        return set(database.execute(COLUMNS))


def foreign_object(objects: Iterable[Sequence[Any]]) -> str | None:
    """The first of a file's *objects* that no version creates, e.g. ``the trigger x``, or None.

    A view, a trigger or a virtual table runs code when it is read or written, and so may a table's
    conditions, so each must be exactly one of those that the steps create.
    """
    known = {("table", "schema_version", VERSION_TABLE)}
    for version in range(1, VERSION + 1):
        with _made(MIGRATIONS[:version]) as database:
            known |= {(kind, name, _even(sql)) for kind, name, sql in database.execute(OBJECTS)}
    for kind, name, sql in objects:
        own = kind == "table" and isinstance(sql, str) and _OWN.fullmatch(sql)
        if not own and (kind, name, _even(sql)) not in known:
            return f"the {kind} {name}"
    return None


def _made(steps: Sequence[Sequence[str]]) -> closing[sqlite3.Connection]:
    database = sqlite3.connect(":memory:")
    for statement in (statement for step in steps for statement in step):
        database.execute(statement)
    return closing(database)


def _even(sql: Any) -> Any:
    return " ".join(sql.split()) if isinstance(sql, str) else sql
