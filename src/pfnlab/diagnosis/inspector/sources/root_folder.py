"""A folder that is a file system root (of the live machine or a copy), or mirrors one."""

import errno
import os
import shutil
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.diagnosis.inspector.parsing.machine_facts import KMSG
from pfnlab.diagnosis.inspector.parsing.text_files import (
    JOURNAL,
    MOST_SMALL,
    ORDINARY,
    FileText,
    SnapshotBounds,
    TextFiles,
)

#: Maximum seconds to wait for the journal, and to read a growing log.
_JOURNAL_LIMIT, _LOG_LIMIT = 60.0, 10.0
_CHUNK = 1 << 20
#: The largest /dev/kmsg record (CONSOLE_EXT_LOG_MAX); records are read whole or not at all.
_RECORD = 1 << 13
_REFUSED = frozenset({errno.EACCES, errno.EPERM})
#: Maximum number of names in a folder.
_MOST_NAMES = 1 << 20


class RootFolder(TextFiles):
    """Files below a folder, which may be ``/``; links are never followed out of it."""

    def __init__(self, folder: Path, origin: str = "", bounds: SnapshotBounds = ORDINARY) -> None:
        self._folder = os.path.realpath(folder)
        self._live = self._folder == "/"
        self.origin, self.bounds = origin or str(folder), bounds
        self.root = os.geteuid() == 0

    def read(self, path: str, most: int = MOST_SMALL) -> FileText:
        """Return the content of the file; for the kernel log, what it has now, without waiting."""
        seconds = time.time()
        if path == JOURNAL and self._live:
            return self._journal(most)
        if not path.startswith("/"):
            return FileText(b"", Access.ABSENT, "not collected", seconds)
        try:
            data, whole = self._content(self._place(path), most, records=path == KMSG)
        except OSError as trouble:
            return _not_read(trouble, seconds)
        if not whole:
            return FileText(data, Access.CUT, f"longer than {most >> 20} MiB", seconds)
        return FileText(data, seconds=seconds)

    def link(self, path: str) -> str | None:
        """Return the target, verbatim."""
        with suppress(OSError, ValueError):
            # The folder must lie inside; the link itself is not followed.
            folder, _, name = path.rpartition("/")
            return os.readlink(f"{self._place(folder)}/{name}")
        return None

    def names(self, folder: str) -> FileText:
        """The names in the folder."""
        seconds = time.time()
        try:
            names = os.listdir(self._place(folder))
        except OSError as trouble:
            return _not_read(trouble, seconds)
        listed = "\n".join(sorted(names)[:_MOST_NAMES]).encode("utf-8", "surrogateescape")
        return FileText(listed, seconds=seconds)

    def _place(self, path: str) -> str:
        """Return where the file is; raise FileNotFoundError if a link leads out of the folder."""
        if self._live:
            return path
        place = os.path.realpath(self._folder + path)
        if not place.startswith(self._folder + "/"):
            raise FileNotFoundError(errno.ENOENT, "outside of the folder")
        return place

    def _content(self, place: str, most: int, *, records: bool) -> tuple[bytes, bool]:
        # Do not wait: a file may be a pipe, and the log has no end.
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode) and not (self._live and records and stat.S_ISCHR(mode)):
                raise OSError(errno.ENOENT, "no file")
            return _read_all(descriptor, most, _RECORD if stat.S_ISCHR(mode) else _CHUNK)
        finally:
            os.close(descriptor)

    def _journal(self, most: int) -> FileText:
        program = shutil.which("journalctl")
        if program is None:
            return FileText(b"", Access.ABSENT, "no journalctl")
        arguments = [program, "-q", "--no-pager", *JOURNAL.split()[1:]]
        try:
            done = subprocess.run(
                arguments,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_JOURNAL_LIMIT,
                check=False,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired) as trouble:
            return FileText(b"", Access.REFUSED, f"journalctl: {type(trouble).__name__}", time.time())
        if not done.stdout.strip():
            return FileText(b"", Access.REFUSED, "the journal shows nothing of the kernel", time.time())
        if len(done.stdout) > most:
            return FileText(done.stdout[:most], Access.CUT, f"longer than {most >> 20} MiB", time.time())
        return FileText(done.stdout, seconds=time.time())


def _read_all(descriptor: int, most: int, size: int) -> tuple[bytes, bool]:
    """Read up to *most* bytes; return them, and whether the end of the file or current log was reached."""
    parts: list[bytes] = []
    read, until = 0, time.monotonic() + _LOG_LIMIT
    while read <= most:
        try:
            part = os.read(descriptor, size)
        except BlockingIOError:
            break
        except BrokenPipeError:
            # The oldest log records were overwritten during reading; the next one is still there.
            continue
        if not part:
            break
        parts.append(part)
        read += len(part)
        if size == _RECORD and time.monotonic() > until:
            break
    data = b"".join(parts)
    return data[:most], len(data) <= most


def _not_read(trouble: OSError, seconds: float) -> FileText:
    access = Access.REFUSED if trouble.errno in _REFUSED else Access.ABSENT
    return FileText(b"", access, trouble.strerror or "it cannot be read", seconds)
