"""A store in a file: SQLite with a write-ahead log, so that one process can write while others read."""

import fcntl
import os
import shutil
import sqlite3
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pfnlab.base.errors import Misuse, PfnlabError, Undecided
from pfnlab.base.files import Missing, check_regular, write_whole, writing
from pfnlab.base.path_walk import path_end
from pfnlab.base.whole_file import whole_file
from pfnlab.campaign.store.database import Database, damaged
from pfnlab.campaign.store.schema import COLUMNS, OBJECTS, VERSION, foreign_object

#: Seconds to wait for another process that is writing.
BUSY = 60.0

#: "pfnl" in the file header, which tells a store from other databases.
_APPLICATION = 0x70666E6C

#: Bytes copied at a time.
_PIECE = 1 << 20

#: `struct flock`.
_FLOCK = "hhqqi0q"

#: Errors that the file causes, not the disk.
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH)

#: SQLite messages about tables and texts that pfnlab never writes.
_FOREIGN = (
    *("already exists", "there is already", "duplicate column", "could not decode"),
    *("unsupported file format",),
)

#: Errors that prevent opening a store on a read-only medium.
_UNWRITABLE = (
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL),
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY),
)


class SqliteDatabase(Database):
    """A database in the file *address*.

    :param make: whether to create a missing file
    :raises Missing: if there is no such file
    :raises Misuse: if it is not a store, or is damaged
    :raises Undecided: if the disk is full or fails
    """

    _connection: sqlite3.Connection

    def __init__(self, address: str, *, make: bool = True) -> None:
        self.address = address
        self._lock: int | None = None
        # The reason why nothing can be written, if the store is open read-only.
        self._unwritable: PfnlabError | None = None
        path = Path(address)
        if not path.exists():
            if not make:
                raise Missing(
                    path, "there is no such store: check the path, or run `pfnlab campaign run` first"
                )
            self._make(path)
        if not check_regular(path, "store").st_size:
            raise Misuse(f"{address}: this file is empty, not a pfnlab store: name another file")
        if make:
            with path_end(path):
                # This is just a check: the library opens files by name.
                pass
        self._open(path.absolute(), make=make)

    def _make(self, path: Path) -> None:
        """Create a store without tables, atomically: an empty file is not a store."""
        made = sqlite3.connect(":memory:", isolation_level=None)
        try:
            made.execute(f"PRAGMA application_id = {_APPLICATION}")
            content = bytearray(made.serialize())
        finally:
            made.close()
        # The file format versions for writing and for reading, which say that there is a write-ahead log.
        content[18:20] = b"\2\2"
        # Another process may create it in the meantime.
        with writing(Path(self.address), "name another file"), suppress(FileExistsError):
            write_whole(path, bytes(content), new=True)

    def _open(self, path: Path, *, make: bool) -> None:
        """Open the file; readers can open it even if nothing can be written, e.g. on a full disk."""
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
            # With exclusive locking, a connection needs no shared-memory file.
            self._connect(uri, "PRAGMA locking_mode = EXCLUSIVE")
        except PfnlabError as trouble:
            if _code(trouble.__cause__) not in _UNWRITABLE or (log.exists() and log.stat().st_size):
                raise self._unwritable from trouble
            # All content is in the file itself.
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
        # A file from someone else defines code that runs when it is read: trust none of it.
        self.execute("PRAGMA trusted_schema = OFF")
        self.execute("PRAGMA cell_size_check = ON")
        if sys.version_info >= (3, 12):
            self._connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
        self._check_objects()
        self.execute(f"PRAGMA busy_timeout = {int(BUSY * 1000)}")
        self.execute("PRAGMA synchronous = FULL")
        self.execute("PRAGMA foreign_keys = ON")
        self.execute("PRAGMA temp_store = MEMORY")
        if self._unwritable:
            self.only_read()
        # A copy made during a write may mix pages from different times.
        for (fault,) in self.rows("PRAGMA quick_check(1)"):
            if fault != "ok":
                raise damaged(self.address, str(fault))
        if self.rows("PRAGMA foreign_key_check"):
            raise damaged(self.address, "rows refer to missing rows")

    def only_read(self) -> None:
        self.execute("PRAGMA query_only = ON")

    def _check_objects(self) -> None:
        """Refuse objects that pfnlab does not create, before reading any of them.

        :raises Misuse: if it is not a store, or has foreign objects
        """
        objects = self.rows(OBJECTS)
        ((application,),) = self.rows("PRAGMA application_id")
        versions = [found for found in objects if found[1] == "schema_version"]
        if application != _APPLICATION or (objects and not versions):
            raise Misuse(f"{self.address}: not a pfnlab store: name another file")
        foreign = foreign_object(objects)
        if foreign is None:
            return
        # Objects from a newer pfnlab are unknown here; the version check reports them.
        if foreign_object(versions) is None and self.rows(
            "SELECT version FROM schema_version WHERE version > ?", (VERSION,)
        ):
            return
        raise damaged(self.address, f"{foreign} is not part of a pfnlab store")

    def columns(self) -> set[tuple[str, str]]:
        return {(table, column) for table, column in self.rows(COLUMNS)}

    @contextmanager
    def transaction(self, *, by_one: bool = False) -> Iterator[None]:
        """Commit completely or not at all; only one process can write at a time."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            # A full disk may already have ended the transaction.
            with suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise

    def alone(self, number: int) -> bool:
        """Lock one byte of a file next to the store; the kernel drops the lock when this process is gone."""
        if self._lock is None:
            path = Path(f"{self.address}-running")
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            with writing(path), path_end(path) as place:
                self._lock = os.open(place.name, flags, 0o666, dir_fd=place.folder)
        return self._set_lock(fcntl.F_WRLCK, number)

    def release(self, number: int) -> None:
        self._set_lock(fcntl.F_UNLCK, number)

    def is_taken(self, number: int) -> bool:
        """True if another connection has the lock; creates no file."""
        try:
            lock = os.open(f"{self.address}-running", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            # The lock file does not exist or cannot be checked.
            return False
        try:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)
            kind, *_ = struct.unpack(_FLOCK, fcntl.fcntl(lock, fcntl.F_OFD_GETLK, asked))
        finally:
            os.close(lock)
        return bool(kind != fcntl.F_UNLCK)

    def _set_lock(self, kind: int, number: int) -> bool:
        assert self._lock is not None
        # An open-file-description lock, so that two connections in one process conflict as well.
        asked = struct.pack(_FLOCK, kind, os.SEEK_SET, number, 1, 0)
        try:
            fcntl.fcntl(self._lock, fcntl.F_OFD_SETLK, asked)
        except BlockingIOError:
            return False
        return True

    def backup(self, path: Path) -> None:
        """Write a consistent copy of the store to *path*, even while others write.

        :raises Misuse: if it cannot be written, or the file exists
        :raises Undecided: if the disk is full or fails
        """
        if path.exists():
            raise Misuse(f"{path} exists: name a new file with --backup")
        try:
            with (
                writing(path, "name another file with --backup"),
                tempfile.TemporaryDirectory(prefix="pfnlab-backup-") as folder,
            ):
                copied = Path(folder) / "store"
                target = sqlite3.connect(copied)
                try:
                    self._connection.backup(target)
                finally:
                    target.close()
                with copied.open("rb") as content, whole_file(path, new=True) as out:
                    shutil.copyfileobj(content, out, _PIECE)
        except sqlite3.Error as trouble:
            raise Undecided(f"{path} cannot be written: {trouble}: is the disk full?") from trouble

    def close(self) -> None:
        """Close the connection; the last one to close removes the write-ahead log."""
        # Commits are safe, whatever happens from here on.
        with suppress(sqlite3.Error):
            self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as trouble:
            # SQLite repeats names from the file in its messages.
            raise damaged(self.address, "it has a name that is not text") from trouble
        except sqlite3.Error as trouble:
            code = _code(trouble)
            if code in _DAMAGED or any(words in str(trouble).lower() for words in _FOREIGN):
                raise damaged(self.address, str(trouble)) from trouble
            if code == sqlite3.SQLITE_READONLY and self._unwritable:
                raise self._unwritable from trouble
            if code == sqlite3.SQLITE_CANTOPEN:
                raise Misuse(f"{self.address} cannot be opened: check its path and permissions") from trouble
            if code == sqlite3.SQLITE_READONLY:
                raise Misuse(f"{self.address} cannot be written: check its permissions") from trouble
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
