"""A store in a file: SQLite with a write-ahead log, so that one process writes while others read."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from pfnlab.errors import Misuse, Undecided
from pfnlab.files import Missing, cannot_write

#: Seconds to wait for another process that writes.
BUSY = 60.0

#: "pfnl": in the head of the file, to tell a store from other databases.
_APPLICATION = 0x70666E6C

#: Errors that tell of the file, not of the disk.
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_NEXT = "restore it from a copy that `pfnlab results --backup` made, or name another file"


class SqliteDatabase:
    """A :class:`~pfnlab.store.database.Database` in the file *address*.

    :param make: whether to make the file where there is none
    :raises Missing: there is none
    :raises Misuse: it is no store, or damaged
    :raises Undecided: the disk is full or fails
    """

    def __init__(self, address: str, *, make: bool = True) -> None:
        self.address = address
        self._lock: int | None = None
        path = Path(address)
        if not make and not path.exists():
            raise Missing(path, "there is no such store: `pfnlab campaign run` makes one; check the path")
        if path.is_dir():
            raise Misuse(f"{address}: this is a directory: name a file")
        self._connection: sqlite3.Connection | None = None
        with self._errors():
            self._connection = sqlite3.connect(address, timeout=BUSY, isolation_level=None)
            try:
                self._begin()
            except BaseException:
                self._connection.close()
                raise

    def _begin(self) -> None:
        ((tables,),) = self.rows("SELECT count(*) FROM sqlite_master")
        ((application,),) = self.rows("PRAGMA application_id")
        if tables and application != _APPLICATION:
            raise Misuse(f"{self.address}: this database is no store of pfnlab: name another file")
        self.execute(f"PRAGMA busy_timeout = {int(BUSY * 1000)}")
        self.execute("PRAGMA synchronous = FULL")
        self.execute("PRAGMA foreign_keys = ON")
        if not tables:
            self.execute(f"PRAGMA application_id = {_APPLICATION}")
            self.execute("PRAGMA journal_mode = WAL")
            return
        # A copy that was made while the store was written to may have pages of several moments.
        for (fault,) in self.rows("PRAGMA quick_check(1)"):
            if fault != "ok":
                self._damaged(fault)
        if self.rows("PRAGMA foreign_key_check"):
            self._damaged("rows refer to others that are not there")

    def _damaged(self, what: str) -> NoReturn:
        raise Misuse(f"{self.address}: the store is damaged ({' '.join(what.split())}): {_NEXT}")

    @property
    def _opened(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run *statement*; how many rows it changed."""
        with self._errors():
            return self._opened.execute(statement, tuple(values)).rowcount

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run *statement* once for each of *rows*."""
        with self._errors():
            self._opened.executemany(statement, rows)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows that *statement* selects."""
        with self._errors():
            return self._opened.execute(statement, tuple(values)).fetchall()

    def has_table(self, name: str) -> bool:
        """Whether there is such a table."""
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)))

    @contextmanager
    def transaction(self, *, by_one: bool = False) -> Iterator[None]:
        """Whole or not at all; one process writes at a time in any case."""
        with self._between("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is of one moment."""
        with self._between("BEGIN"):
            yield

    @contextmanager
    def _between(self, begin: str) -> Iterator[None]:
        self.execute(begin)
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            # A full disk may have ended the transaction already.
            with suppress(sqlite3.Error):
                if self._opened.in_transaction:
                    self._opened.execute("ROLLBACK")
            raise

    def alone(self, number: int) -> bool:
        """A lock on one byte of a file beside the store, which the kernel drops when this process is gone."""
        if self._lock is None:
            path = f"{self.address}-running"
            try:
                self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as trouble:
                raise cannot_write(Path(path), trouble) from trouble
        return self._set_lock(fcntl.F_WRLCK, number)

    def release(self, number: int) -> None:
        """Give the lock back."""
        self._set_lock(fcntl.F_UNLCK, number)

    def _set_lock(self, kind: int, number: int) -> bool:
        assert self._lock is not None
        # struct flock: a lock of this open file, so that two connections of one process are two as well.
        asked = struct.pack("hhqqi0q", kind, os.SEEK_SET, number, 1, 0)
        try:
            fcntl.fcntl(self._lock, fcntl.F_OFD_SETLK, asked)
        except BlockingIOError:
            return False
        return True

    def backup(self, path: Path) -> None:
        """A copy of the store at *path*, of one moment, also while others write.

        :raises Misuse: it cannot be written, or there is a file
        :raises Undecided: the disk is full or fails
        """
        if path.exists():
            raise Misuse(f"{path} exists: name a new file with --backup")
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            target = sqlite3.connect(part)
            try:
                self._opened.backup(target)
            finally:
                target.close()
            part.replace(path)
        except sqlite3.Error as trouble:
            raise Undecided(f"{path} cannot be written: {trouble}: is the disk full?") from trouble
        except OSError as trouble:
            raise cannot_write(path, trouble, "name another file with --backup") from trouble
        finally:
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """End the connection; the last one takes the write-ahead log away."""
        # What was committed is there, whatever happens now.
        with suppress(sqlite3.Error):
            self._opened.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as trouble:
            code = getattr(trouble, "sqlite_errorcode", 0) & 0xFF
            if code in _DAMAGED:
                self._damaged(str(trouble))
            if code == sqlite3.SQLITE_CANTOPEN:
                raise Misuse(f"{self.address} cannot be opened: check the path and its rights") from trouble
            if code == sqlite3.SQLITE_READONLY:
                raise Misuse(f"{self.address} cannot be written: check its rights") from trouble
            if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise Undecided(
                    f"{self.address} cannot be written: {trouble}; what was kept is kept: make room, then "
                    "`pfnlab campaign resume`"
                ) from trouble
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise Undecided(
                    f"{self.address}: another process wrote for {BUSY:g} s: try again"
                ) from trouble
            raise
