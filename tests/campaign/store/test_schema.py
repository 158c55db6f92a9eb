"""A store of an older version is brought to this one; one of a newer version is refused in one line."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from made_results import result, shards, sighting

from pfnlab.base.errors import Misuse
from pfnlab.campaign.store import database
from pfnlab.campaign.store.database import open_database
from pfnlab.campaign.store.schema import MIGRATIONS, VERSION
from pfnlab.campaign.store.store import Store


def make_of_version(address: str, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty store as a pfnlab of that version made it."""
    with monkeypatch.context() as older:
        older.setattr(database, "VERSION", version)
        older.setattr(database, "MIGRATIONS", MIGRATIONS[:version])
        open_database(address).close()


def insert_old_rows(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign, a shard that is done, and its result, by statements of version 1."""
    one = result(1)
    with monkeypatch.context() as older:
        older.setattr(database, "VERSION", 1)
        opened = open_database(address)
        with opened.transaction():
            opened.execute("INSERT INTO hosts VALUES ('h', 'a processor', 2, 4096)")
            opened.execute("INSERT INTO campaigns (name, digest, plan) VALUES ('c', 'd', '{}')")
            opened.execute(
                "INSERT INTO shards (campaign, number, digest, task, work, seconds, needs_qemu, state, "
                "results) VALUES ('c', 0, 'shard 0', 'fuzz', '{}', 5, 0, 'done', 1)"
            )
            opened.execute(
                "INSERT INTO results VALUES (?, 'difference', 'fuzz', '[\"model:6.1\",\"model:7.2\"]', "
                "'differs', '', ?, ?, ?, '{\"op\":\"munmap\"}')",
                (one.digest, one.subject, one.program, one.says),
            )
            opened.execute(
                "INSERT INTO sightings VALUES ('c', 0, ?, 0, '0.1.0', '{}', 3, 'h')", (one.digest,)
            )
        opened.close()


def test_there_is_an_older_version() -> None:
    """So the tests below are of something."""
    assert VERSION > 1


def test_an_older_store_keeps_what_it_has(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And can be written to as a new one."""
    make_of_version(address, 1, monkeypatch)
    insert_old_rows(address, monkeypatch)

    with Store(address) as store:
        assert [result(1)] == [msgspec.structs.replace(one, sightings=()) for one in store.results()]
        assert 0 == store.shards("c")[0].lost
        store.begin("new", {}, shards(1))
        assert store.finish(sighting("new", 0), [result(2)])


def test_a_migration_that_fails_changes_nothing(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is of the older version still."""
    make_of_version(address, 1, monkeypatch)
    broken = (*MIGRATIONS[:1], ("CREATE TABLE half (x BIGINT)", "no statement"))
    with monkeypatch.context() as wrong:
        wrong.setattr(database, "MIGRATIONS", broken)
        with pytest.raises(Exception, match=r"."):
            open_database(address)

    with Store(address) as store:
        assert "half" not in {table for table, _ in store._database.columns()}


def test_a_newer_store_is_refused(address: str) -> None:
    """In one line that says what to do."""
    opened = open_database(address)
    opened.execute("UPDATE schema_version SET version = ?", (VERSION + 1,))
    opened.close()

    with pytest.raises(Misuse) as refused:
        Store(address)

    assert f"is a store of version {VERSION + 1}" in str(refused.value) and "\n" not in str(refused.value)
    assert "use the newer pfnlab" in str(refused.value)


OPENS = """import sys; from pfnlab.campaign.store.store import Store
sys.stdin.readline(); Store(sys.argv[1]).close()"""


def test_several_processes_make_the_tables_at_once(address: str) -> None:
    """Each finds them made."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPENS, address], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]

    ends = [process.communicate(b"\n", timeout=60)[1] for process in processes]

    assert ([0] * 4, [b""] * 4) == ([process.returncode for process in processes], ends)
