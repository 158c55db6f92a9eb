"""A row is read by the form that pfnlab writes it in; whatever else stands in it is one line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from made_results import result, shards, sighting

from pfnlab.base.errors import Misuse
from pfnlab.campaign.store.database import row_of
from pfnlab.campaign.store.store import Store

#: Values that a column may have for SQLite, and for pfnlab none of these may.
WRONG = {
    "campaigns": {
        "plan": ["", "[]", "{", "5", b"\xff", "[" * 300 + "]" * 300],
        "stop": ["x", 2, b"\x01"],
        "digest": [b"\x01"],
    },
    "shards": {
        "work": ["", "[]", "null", b"\x80", '{"a":' * 300 + "1" + "}" * 300],
        "seconds": ["x", "inf", 1e300, 0, -1],
        "needs_qemu": [7, "x"],
        "state": ["gone", b"done"],
        "tries": ["x", 1.5],
        "lost": ["x"],
        "reason": [b"\x01"],
        "took": ["x"],
        "programs": ["x"],
    },
    "results": {
        "kind": ["other", b"run"],
        "machines": ["", "{}", "[1]", '"a"', "[" * 5000, b"\xff"],
        "detail": ["", "[]", "1", '{"a": NaN}', '{"a":' * 2000 + "1" + "}" * 2000],
        **{column: [b"\xff"] for column in ("task", "verdict", "scope", "subject", "program", "says")},
    },
    "sightings": {"kernels": ["", "[]", '{"a": 1}', b"\x01"], "seed": ["x", 1.5], "version": [b"\x01"]},
    "hosts": {"cpu": [b"\x01"], "cores": ["x"], "memory": [1.5]},
}


class Row(msgspec.Struct):
    """A row of one value."""

    a: dict[str, str]


ROWS = [
    (table, column, value)
    for table, columns in WRONG.items()
    for column, values in columns.items()
    for value in values
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with a campaign of which one shard is done."""
    path = tmp_path / "results.db"
    with Store(str(path)) as store:
        store.begin("c", {}, shards(2))
        store.finish(sighting("c", 0), [result(1)])
    return path


def change(file: Path, statement: str, *values: object) -> None:
    """Change rows as another program may."""
    with sqlite3.connect(file) as other:
        other.execute(statement, values)
    other.close()


def read(file: Path) -> None:
    """Everything that is in a store."""
    with Store(str(file), make=False) as store:
        store.campaigns()
        store.shards("c")
        store.results()


@pytest.mark.parametrize(("table", "column", "value"), ROWS)
def test_a_wrong_value_is_one_line(file: Path, table: str, column: str, value: object) -> None:
    """It names the store, and what to do."""
    change(file, f"UPDATE {table} SET {column} = ?", value)

    with pytest.raises(Misuse) as refused:
        read(file)

    message = str(refused.value)
    assert message.startswith(f"{file}: the store is damaged (") and "\n" not in message
    assert message.endswith("`pfnlab campaign results --backup` made, or name another file")


def test_a_text_that_is_none_is_one_line(file: Path) -> None:
    """SQLite keeps any bytes as a text."""
    change(file, "UPDATE results SET says = CAST(? AS TEXT)", b"\xff\xfe")

    with pytest.raises(Misuse, match="the store is damaged"):
        read(file)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM schema_version",
        "INSERT INTO schema_version VALUES (2)",
        "UPDATE schema_version SET version = 'x'",
        "UPDATE schema_version SET version = -1",
        "UPDATE schema_version SET version = 0",
        "UPDATE schema_version SET version = 1",
        "ALTER TABLE schema_version RENAME COLUMN version TO other",
        "ALTER TABLE shards RENAME COLUMN took TO other",
        "DROP TABLE hosts",
    ],
)
def test_wrong_tables_are_one_line(file: Path, statement: str) -> None:
    """They are not changed either."""
    change(file, "PRAGMA journal_mode = DELETE")
    change(file, statement)
    before = file.read_bytes()

    with pytest.raises(Misuse) as refused:
        read(file)

    assert "the store is damaged (" in str(refused.value) and "\n" not in str(refused.value)
    assert before == file.read_bytes()


def test_depth_is_of_brackets_and_not_of_texts() -> None:
    """A text may have any."""
    row = row_of("s", "a row", Row, ['{"b": "' + "[" * 500 + '\\""}'])

    assert Row({"b": "[" * 500 + '"'}) == row
