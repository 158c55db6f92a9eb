"""The store: campaigns with their shards, and their results."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from pfnlab.base.errors import Misuse
from pfnlab.campaign.store import rows as stored
from pfnlab.campaign.store.database import Database, damaged, inserting, open_database, row_of, values_of
from pfnlab.campaign.store.rows import HostClass, StoredResult, digest_of, json_text
from pfnlab.campaign.store.sqlite import SqliteDatabase

_Form = TypeVar("_Form", bound=msgspec.Struct)

#: The columns of results, sightings and hosts, in the order of their structures.
_RESULT, _SIGHTING = StoredResult.__struct_fields__[:-1], stored.Sighting.__struct_fields__[:-1]
_HOST = HostClass.__struct_fields__


#: The default store, and the environment variable that names another.
_STORE, _VARIABLE = "pfnlab.db", "PFNLAB_STORE"


def store_address(named: str | None) -> str:
    """The address of the store for a command.

    :param named: None for the default
    """
    return named or os.environ.get(_VARIABLE) or _STORE


def files_of_store(address: str) -> list[Path]:
    """The files that a store may consist of, which output must not overwrite."""
    return [Path(f"{address}{ending}") for ending in ("", "-wal", "-shm", "-running")]


class Store:
    """An open store of results. Use it as a context manager.

    :param address: a file, or ``postgresql://USER@HOST/NAME``
    :param make: whether to create a missing file
    :param write: whether to open it for writing; the tables are migrated either way
    :raises Misuse: if it does not exist, is not a store, or is from a newer pfnlab
    :raises Undecided: if it cannot be reached, or the disk is full
    """

    def __init__(self, address: str, *, make: bool = True, write: bool = True) -> None:
        self.address = address
        self._database: Database = open_database(address, make=make)
        try:
            if not write:
                self._database.only_read()
            self._check_counts()
        except BaseException:
            self.close()
            raise

    def _check_counts(self) -> None:
        """Check that every finished shard has all its results; in an inconsistent copy it may not."""
        wrong = self._database.rows(
            "SELECT shards.campaign, shards.number FROM shards LEFT JOIN sightings "
            "ON sightings.campaign = shards.campaign AND sightings.shard = shards.number "
            "GROUP BY shards.campaign, shards.number, shards.results HAVING count(sightings.result) "
            "<> shards.results LIMIT 1"
        )
        if wrong:
            raise damaged(self.address, f"shard {wrong[0][1]} of {wrong[0][0]} has lost results")

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    # Campaigns and shards

    def campaigns(self) -> list[stored.StoredCampaign]:
        """All campaigns, by name."""
        form = stored.StoredCampaign
        rows = self._database.rows(f"SELECT {', '.join(form.__struct_fields__)} FROM campaigns ORDER BY name")
        return [row_of(self.address, f"campaign {row[0]}", form, row) for row in rows]

    def campaign(self, name: str) -> stored.StoredCampaign | None:
        """The campaign with that name, or None."""
        return next((campaign for campaign in self.campaigns() if campaign.name == name), None)

    def begin(self, name: str, plan: Mapping[str, Any], shards: Sequence[stored.Shard]) -> None:
        """Store a campaign with its shards; an existing one continues, with the current content of *plan*.

        :raises Misuse: if there is another campaign with that name
        """
        digest = digest_of([shard.digest for shard in shards])
        text = json_text(plan)
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO campaigns (name, digest, plan) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
                (name, digest, text),
            )
            ((known,),) = self._database.rows("SELECT digest FROM campaigns WHERE name = ?", (name,))
            if known != digest:
                raise Misuse(
                    f"{self.address} has another campaign {name!r}, with other work: give this one another "
                    "name"
                )
            self._database.execute("UPDATE campaigns SET plan = ? WHERE name = ?", (text, name))
            self._database.execute_many(
                inserting("shards", ("campaign", *stored.Shard.__struct_fields__))
                + " ON CONFLICT (campaign, number) DO UPDATE SET seconds = excluded.seconds",
                [(name, *values_of(shard)) for shard in shards],
            )

    def shards(self, campaign: str) -> list[stored.Shard]:
        """The shards of a campaign, in order."""
        form = stored.Shard
        statement = (
            f"SELECT {', '.join(form.__struct_fields__)} FROM shards WHERE campaign = ? ORDER BY number"
        )
        rows = self._database.rows(statement, (campaign,))
        return [row_of(self.address, f"shard {row[0]} of {campaign}", form, row) for row in rows]

    def finish(
        self,
        sighting: stored.Sighting,
        results: Sequence[StoredResult],
        *,
        took: float = 0.0,
        programs: int = 0,
    ) -> bool:
        """Store a shard's results atomically; return False if it was already done.

        :param sighting: the campaign, the shard, and what all its results share
        :param took: how many seconds the shard took
        """
        by_digest = {result.digest: result for result in results}
        places = {digest: place for place, digest in enumerate(by_digest)}
        with self._database.transaction():
            # First, so that if two processes finish the same shard, one waits for the other.
            changed = self._database.execute(
                "UPDATE shards SET state = ?, took = ?, programs = ?, results = ?, reason = '' "
                "WHERE campaign = ? AND number = ? AND state <> ?",
                (stored.DONE, took, programs, len(by_digest), sighting.campaign, sighting.shard, stored.DONE),
            )
            if not changed:
                return False
            host = sighting.host
            self._database.execute(
                inserting("hosts", ("digest", *_HOST)) + " ON CONFLICT (digest) DO NOTHING",
                (host.digest, *values_of(host)),
            )
            # In a fixed order, so that two writers never deadlock.
            ordered = sorted(by_digest)
            self._database.execute_many(
                inserting("results", _RESULT) + " ON CONFLICT (digest) DO NOTHING",
                [values_of(by_digest[digest])[:-1] for digest in ordered],
            )
            self._database.execute_many(
                inserting("sightings", ("result", "place", *_SIGHTING, "host")),
                [(digest, places[digest], *values_of(sighting)[:-1], host.digest) for digest in ordered],
            )
        return True

    def failed(
        self, campaign: str, number: int, reason: str, *, lost: bool, most: int, most_lost: int
    ) -> bool:
        """Count a failed attempt; return whether the shard is now isolated.

        :param lost: whether it was lost, which does not count as a try
        :param most: tries after which it is isolated
        :param most_lost: lost attempts after which it is isolated
        """
        column = "lost" if lost else "tries"
        with self._database.transaction():
            self._database.execute(
                f"UPDATE shards SET {column} = {column} + 1, reason = ?, "
                f"state = CASE WHEN {column} + 1 >= ? THEN ? ELSE state END "
                "WHERE campaign = ? AND number = ? AND state = ?",
                (reason, most_lost if lost else most, stored.ISOLATED, campaign, number, stored.WAITING),
            )
            rows = self._database.rows(
                "SELECT state FROM shards WHERE campaign = ? AND number = ?", (campaign, number)
            )
        return rows == [(stored.ISOLATED,)]

    def try_again(self, campaign: str) -> int:
        """Reset the tries of isolated shards; return how many there are."""
        return self._database.execute(
            "UPDATE shards SET state = ?, tries = 0, lost = 0 WHERE campaign = ? AND state = ?",
            (stored.WAITING, campaign, stored.ISOLATED),
        )

    def go_on(self, campaign: str) -> None:
        """Withdraw the request to stop *campaign*."""
        self._database.execute("UPDATE campaigns SET stop = 0 WHERE name = ?", (campaign,))

    def ask_to_stop(self, campaign: str) -> None:
        """Ask the process that runs *campaign* to stop."""
        self._database.execute("UPDATE campaigns SET stop = 1 WHERE name = ?", (campaign,))

    @contextmanager
    def running(self, campaign: str) -> Iterator[None]:
        """A context in which no other process runs *campaign*; this process may be killed at any time.

        :raises Misuse: if another process runs it
        """
        number = _lock_number(campaign)
        if not self._database.alone(number):
            raise Misuse(
                f"campaign {campaign!r} is already running: `pfnlab campaign status` shows how far, "
                "`pfnlab campaign stop` ends it"
            )
        try:
            yield
        finally:
            self._database.release(number)

    def is_running(self, campaign: str) -> bool:
        """True if another process runs *campaign*."""
        return self._database.is_taken(_lock_number(campaign))

    # Results

    def results(self, criteria: stored.ResultFilter | None = None) -> list[StoredResult]:
        """The results that match *criteria*, with their sightings, by campaign and position."""
        criteria = criteria or stored.ResultFilter()
        conditions, values = [], []
        for name in ("campaign", "kind", "task", "verdict", "scope"):
            if (value := getattr(criteria, name)) is not None:
                conditions.append(f"{'sightings' if name == 'campaign' else 'results'}.{name} = ?")
                values.append(value)
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        tables = {"results": _RESULT, "sightings": _SIGHTING, "hosts": _HOST}
        columns = ", ".join(f"{table}.{name}" for table, names in tables.items() for name in names)
        rows = self._database.rows(
            f"SELECT {columns} FROM sightings JOIN results ON results.digest = sightings.result "
            f"JOIN hosts ON hosts.digest = sightings.host {where}"
            "ORDER BY sightings.campaign, sightings.shard, sightings.place",
            values,
        )
        found: dict[str, tuple[StoredResult, list[stored.Sighting]]] = {}
        for digest, *row in rows:
            if digest not in found:
                found[digest] = (self._result(digest, row[:9]), [])
            result, seen = found[digest]
            if criteria.machine is None or any(_is(criteria.machine, name) for name in result.machines):
                seen.append(self._sighting(digest, row[9:]))
        return [replace(result, sightings=tuple(seen)) for result, seen in found.values() if seen]

    def _result(self, digest: Any, row: Sequence[Any]) -> StoredResult:
        if not isinstance(digest, str) or not digest:
            raise damaged(self.address, f"a result has the digest {digest!r}")
        return row_of(self.address, f"result {digest[:8]}", StoredResult, (digest, *row, "[]"))

    def _sighting(self, digest: str, row: Sequence[Any]) -> stored.Sighting:
        values = [*row[: len(_SIGHTING)], dict(zip(_HOST, row[len(_SIGHTING) :], strict=True))]
        return row_of(self.address, f"a sighting of {digest[:8]}", stored.Sighting, values)

    def detail(self, result: StoredResult, form: type[_Form]) -> _Form:
        """The details of a result as a structure; the store may come from anyone.

        :raises Misuse: if they do not fit *form*
        """
        try:
            return msgspec.convert(result.detail, form)
        except msgspec.ValidationError as wrong:
            raise damaged(self.address, f"result {result.digest[:8]}: {wrong}") from None

    def backup(self, path: Path) -> None:
        """Write a consistent copy to the file *path*, even while others write.

        :raises Misuse: if the store is on a server, or the file cannot be written
        :raises Undecided: if the disk is full or fails
        """
        if not isinstance(self._database, SqliteDatabase):
            raise Misuse("a store on PostgreSQL is copied with pg_dump, not with --backup")
        self._database.backup(path)


def _lock_number(campaign: str) -> int:
    return int(digest_of(campaign)[:12], 16)


def _is(machine: str, name: str) -> bool:
    return name == machine or name.startswith((f"{machine}.", f"{machine},"))
