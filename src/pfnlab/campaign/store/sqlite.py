"""A store in a file: SQLite with a write-ahead log, so that one process writes while others read."""

import fcntl
import os
import shutil
import sqlite3
import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pfnlab.base.errors import Misuse, PfnlabError, Undecided
from pfnlab.base.files import Missing, cannot_write, check_regular, write_whole
from pfnlab.base.path_walk import path_end
from pfnlab.base.whole_file import whole_file
from pfnlab.campaign.store.database import Database, damaged
from pfnlab.campaign.store.schema import COLUMNS, OBJECTS, VERSION, foreign_object

#: Seconds to wait for another process that writes.
BUSY = 60.0

#: "pfnl": in the head of the file, to tell a store from other databases.
_APPLICATION = 0x70666E6C

#: Bytes of a copy at a time.
_PIECE = 1 << 20

#: `struct flock`.
_FLOCK = "hhqqi0q"

#: Errors that tell of the file, not of the disk.
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH)

#: What SQLite says of tables, and of texts, that no pfnlab wrote.
_FOREIGN = (
    *("already exists", "there is already", "duplicate column", "could not decode"),
    *("unsupported file format",),
)

#: Errors with which a store cannot be opened where nothing can be written.
_UNWRITABLE = (
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL),
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY),
)


class SqliteDatabase(Database):
    """A database in the file *address*.

    :param make: whether to make the file where there is none
    :raises Missing: there is none
    :raises Misuse: it is no store, or damaged
    :raises Undecided: the disk is full or fails
    """

    def __init__(self, address: str, *, make: bool = True) -> None:
        self.address = address
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        # Why nothing can be written, where the store is open for reading alone.
        self._unwritable: PfnlabError | None = None
        path = Path(address)
        if not path.exists():
            if not make:
                raise Missing(path, "there is no such store: `pfnlab campaign run` makes one; check the path")
            self._make(path)
        if not check_regular(path, "store").st_size:
            raise Misuse(f"{address}: this file is empty, and no store of pfnlab: name another file")
        if make:
            with path_end(path):
                # Only looked at: the library opens files by their names.
                pass
        self._open(path.absolute(), make=make)

    def _make(self, path: Path) -> None:
        """A store without tables, whole or not at all: an empty file is none that pfnlab began."""
        made = sqlite3.connect(":memory:", isolation_level=None)
        try:
            made.execute(f"PRAGMA application_id = {_APPLICATION}")
            content = bytearray(made.serialize())
        finally:
            made.close()
        # The version of the form, to write and to read: with a write-ahead log.
        content[18:20] = b"\2\2"
        try:
            # Another process may make it meanwhile.
            with suppress(FileExistsError):
                write_whole(path, bytes(content), new=True)
        except OSError as trouble:
            raise cannot_write(Path(self.address), trouble, "name another file") from trouble

    def _open(self, path: Path, *, make: bool) -> None:
        """Open the file, for those who only read also where nothing can be written, as on a full disk."""
        uri = f"{path.as_uri()}?mode=rw"
        try:
            self._connect(uri)
            return
        except PfnlabError as trouble:
            if make or _code(trouble.__cause__) not in _UNWRITABLE:
                raise
            self._unwritable = trouble
        log = Path(f"{path}-wal")
        try:
            # Alone, a connection needs no file for what several would share.
            self._connect(uri, "PRAGMA locking_mode = EXCLUSIVE")
        except PfnlabError as trouble:
            if _code(trouble.__cause__) not in _UNWRITABLE or (log.exists() and log.stat().st_size):
                raise self._unwritable from trouble
            # All there is to read is in the file itself.
            self._connect(f"{path.as_uri()}?immutable=1")

    def _connect(self, uri: str, first: str = "") -> None:
        with self._errors():
            self._connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
            try:
                if first:
                    self.execute(first)
                self._begin()
            except BaseException:
                self._connection.close()
                raise

    def _begin(self) -> None:
        # A file that somebody sent defines what is run where it is read: none of that is trusted.
        self.execute("PRAGMA trusted_schema = OFF")
        self.execute("PRAGMA cell_size_check = ON")
        if sys.version_info >= (3, 12):
            self._opened.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        self._check_objects()
        self.execute(f"PRAGMA busy_timeout = {int(BUSY * 1000)}")
        self.execute("PRAGMA synchronous = FULL")
        self.execute("PRAGMA foreign_keys = ON")
        self.execute("PRAGMA temp_store = MEMORY")
        if self._unwritable:
            self.only_read()
        # A copy that was made while the store was written to may have pages of several moments.
        for (fault,) in self.rows("PRAGMA quick_check(1)"):
            if fault != "ok":
                raise damaged(self.address, str(fault))
        if self.rows("PRAGMA foreign_key_check"):
            raise damaged(self.address, "rows refer to others that are not there")

    def only_read(self) -> None:
        self.execute("PRAGMA query_only = ON")

    def _check_objects(self) -> None:
        """Refuse what no pfnlab makes, before any of it is read.

        :raises Misuse: it is no store, or something else is in it
        """
        objects = self.rows(OBJECTS)
        ((application,),) = self.rows("PRAGMA application_id")
        versions = [found for found in objects if found[1] == "schema_version"]
        if application != _APPLICATION or (objects and not versions):
            raise Misuse(f"{self.address}: this database is no store of pfnlab: name another file")
        foreign = foreign_object(objects)
        if foreign is None:
            return
        # What a newer pfnlab makes is not known here: that it is newer is said where versions are compared.
        if foreign_object(versions) is None and self.rows(
            "SELECT version FROM schema_version WHERE version > ?", (VERSION,)
        ):
            return
        raise damaged(self.address, f"{foreign} in it is none that pfnlab makes")

    @property
    def _opened(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    def _run(self, statement: str, values: Sequence[Any]) -> Any:
        return self._opened.execute(statement, tuple(values))

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._errors():
            self._opened.executemany(statement, rows)

    def columns(self) -> set[tuple[str, str]]:
        return {(table, column) for table, column in self.rows(COLUMNS)}

    @contextmanager
    def transaction(self, *, by_one: bool = False) -> Iterator[None]:
        """Whole or not at all; one process writes at a time in any case."""
        self.execute("BEGIN IMMEDIATE")
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
            path = Path(f"{self.address}-running")
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            try:
                with path_end(path) as place:
                    self._lock = os.open(place.name, flags, 0o666, dir_fd=place.folder)
            except OSError as trouble:
                raise cannot_write(path, trouble) from trouble
        return self._set_lock(fcntl.F_WRLCK, number)

    def release(self, number: int) -> None:
        self._set_lock(fcntl.F_UNLCK, number)

    def is_taken(self, number: int) -> bool:
        """True where another connection has the lock; no file is made for that."""
        try:
            lock = os.open(f"{self.address}-running", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            # Nobody ever had it, or none that could be asked.
            return False
        try:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)
            kind, *_ = struct.unpack(_FLOCK, fcntl.fcntl(lock, fcntl.F_OFD_GETLK, asked))
        finally:
            os.close(lock)
        return bool(kind != fcntl.F_UNLCK)

    def _set_lock(self, kind: int, number: int) -> bool:
        assert self._lock is not None
        # struct flock: a lock of this open file, so that two connections of one process are two as well.
        asked = struct.pack(_FLOCK, kind, os.SEEK_SET, number, 1, 0)
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
        try:
            with tempfile.TemporaryDirectory(prefix="pfnlab-backup-") as folder:
                copied = Path(folder) / "store"
                target = sqlite3.connect(copied)
                try:
                    self._opened.backup(target)
                finally:
                    target.close()
                with copied.open("rb") as content, whole_file(path, new=True) as out:
                    shutil.copyfileobj(content, out, _PIECE)
        except sqlite3.Error as trouble:
            raise Undecided(f"{path} cannot be written: {trouble}: is the disk full?") from trouble
        except OSError as trouble:
            raise cannot_write(path, trouble, "name another file with --backup") from trouble

    def close(self) -> None:
        """End the connection; the last one removes the write-ahead log."""
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
        except UnicodeDecodeError as trouble:
            # SQLite repeats names of the file in its messages.
            raise damaged(self.address, "a name in it is no text") from trouble
        except sqlite3.Error as trouble:
            code = _code(trouble)
            if code in _DAMAGED or any(words in str(trouble).lower() for words in _FOREIGN):
                raise damaged(self.address, str(trouble)) from trouble
            if code == sqlite3.SQLITE_READONLY and self._unwritable:
                raise self._unwritable from trouble
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


def _code(trouble: BaseException | None) -> int:
    return getattr(trouble, "sqlite_errorcode", 0) & 0xFF
