"""The tables of a store, and how a store of an older version becomes one of this version.

The same statements make the tables in SQLite and in PostgreSQL. Version N of the schema is what the first N
steps make; a step that was released is never changed. There is no wall clock in any table: what came first is
found by numbers, so a clock that jumps changes nothing.
"""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

_FIRST = (
    """CREATE TABLE hosts (
    digest TEXT PRIMARY KEY,
    cpu TEXT NOT NULL,
    cores BIGINT NOT NULL,
    memory BIGINT NOT NULL)""",
    """CREATE TABLE results (
    digest TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    task TEXT NOT NULL,
    machines TEXT NOT NULL,
    verdict TEXT NOT NULL,
    scope TEXT NOT NULL,
    subject TEXT NOT NULL,
    program TEXT NOT NULL,
    says TEXT NOT NULL,
    detail TEXT NOT NULL)""",
    """CREATE TABLE campaigns (
    name TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    plan TEXT NOT NULL,
    stop BIGINT NOT NULL DEFAULT 0)""",
    """CREATE TABLE shards (
    campaign TEXT NOT NULL REFERENCES campaigns(name),
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    task TEXT NOT NULL,
    work TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    needs_qemu BIGINT NOT NULL,
    state TEXT NOT NULL,
    tries BIGINT NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    took DOUBLE PRECISION NOT NULL DEFAULT 0,
    programs BIGINT NOT NULL DEFAULT 0,
    results BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign, number),
    UNIQUE (campaign, digest))""",
    """CREATE TABLE sightings (
    campaign TEXT NOT NULL,
    shard BIGINT NOT NULL,
    result TEXT NOT NULL REFERENCES results(digest),
    place BIGINT NOT NULL,
    version TEXT NOT NULL,
    kernels TEXT NOT NULL,
    seed BIGINT,
    host TEXT NOT NULL REFERENCES hosts(digest),
    PRIMARY KEY (campaign, shard, result),
    FOREIGN KEY (campaign, shard) REFERENCES shards(campaign, number))""",
)

_SECOND = (
    # Attempts that were lost are counted apart from tries, and a result is found by what one asks for.
    "ALTER TABLE shards ADD COLUMN lost BIGINT NOT NULL DEFAULT 0",
    "CREATE INDEX sightings_by_result ON sightings (result)",
    "CREATE INDEX results_by_verdict ON results (verdict, kind)",
)

#: What makes version N + 1 out of version N.
MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND)

#: The version that this pfnlab reads and writes.
VERSION = len(MIGRATIONS)

#: The place of a store's version.
VERSION_TABLE = "CREATE TABLE schema_version (version BIGINT NOT NULL)"


#: Every column in a database and every plain table, with the name of its table.
COLUMNS = """SELECT objects.name, columns.name FROM sqlite_master AS objects
    LEFT JOIN pragma_table_info(objects.name) AS columns
    WHERE objects.type = 'table' AND objects.sql LIKE 'CREATE TABLE%'"""

#: The statistics that SQLite keeps of tables where somebody asks for them.
_OWN = re.compile(r"CREATE TABLE sqlite_stat[134]\((?:\w+,?)+\)")

#: Kind, name and statement of everything that a file of SQLite defines; looking at them runs none of them.
OBJECTS = "SELECT type, name, sql FROM sqlite_master"


def columns_made(steps: Sequence[Sequence[str]]) -> set[tuple[str, str]]:
    """Each table and column that the statements of *steps* make."""
    with _made(steps) as database:
        return set(database.execute(COLUMNS))


def foreign_object(objects: Iterable[Sequence[Any]]) -> str | None:
    """The first of the *objects* of a file that no version makes, as ``the trigger x``; None for none.

    A view, a trigger or a virtual table runs where somebody reads or writes, and a table may have conditions
    that do; so each has to be exactly one of those that the steps make.
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
