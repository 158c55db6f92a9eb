"""The places that paths name, for files that are written: a folder that is held open, and a name in it.

Whoever may change a folder of a path can put a link there at any time. So a path is walked once, folder by
folder, and what is done is done in the folder that was reached, whatever the path leads to by then. A link is
followed where it belongs to this user, to root, or to who called sudo.
"""

import errno
import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name

#: The most links of one path, as in the kernel.
_MOST_LINKS = 40

_LOOKED_AT = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class PathEnd(NamedTuple):
    """A place for a file.

    :param folder: the folder, open for nothing but calls relative to it
    :param name: the name in it, which is no link; ``.`` for the folder itself
    :param descriptor: of the name of an open file of this process, as ``/dev/stdout``, its number; else None
    """

    folder: int
    name: str
    descriptor: int | None = None

    def status(self) -> os.stat_result | None:
        """The status of what is there; None where nothing is."""
        if self.descriptor is not None:
            return os.fstat(self.descriptor)
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None


def is_root() -> bool:
    """True where this process may write everywhere."""
    return os.geteuid() == 0


def sudo_caller() -> tuple[int, int] | None:
    """User and group of who called sudo; None where nobody did, or this process is not root."""
    numbers = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if not is_root() or not all(re.fullmatch("[0-9]{1,10}", number, re.ASCII) for number in numbers):
        return None
    user, group = map(int, numbers)
    # The last number stands for none.
    return (user, group) if max(user, group) < (1 << 32) - 1 else None


def is_trusted(owner: int) -> bool:
    """True of root, this user, and who called sudo: what they put into a folder is no trap."""
    caller = sudo_caller()
    return owner in (0, os.geteuid()) or (caller is not None and owner == caller[0])


@contextmanager
def path_end(path: Path, *, make: int | None = None) -> Iterator[PathEnd]:
    """The place that *path* names, whose folder is held open meanwhile.

    :param make: the rights, before the umask, with which to make folders that are not there; None makes none
    :raises Misuse: a link of another user is on the way; or for root, the last name is a link
    :raises OSError: a folder on the way is not there, or may not be looked into
    """
    walk = _Walk(path, make)
    try:
        yield walk.end()
    finally:
        os.close(walk.folder)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make the folder *path*, and those above it, with rights *mode* before the umask.

    Misuse if a link of another user is on the way, OSError if it cannot be made.
    """
    # Only what is above a name is a folder.
    with path_end(path / "_", make=mode):
        pass


class _Walk:
    """The walk along a path; *folder* is where it is, open."""

    def __init__(self, path: Path, make: int | None) -> None:
        text = os.fspath(path)
        if "\0" in text:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._path, self._make = path, make
        self._rest: deque[str] = deque(text.split("/"))
        self._links = 0
        # The link that the last name of the path is.
        self._last: tuple[str, str] | None = None
        self.folder = os.open("/" if text.startswith("/") else ".", _LOOKED_AT | os.O_DIRECTORY)

    def end(self) -> PathEnd:
        """The place it ends at."""
        name = "."
        while self._rest:
            part = self._rest.popleft()
            if part in ("", "."):
                continue
            last = not self._rest
            if part == "..":
                self._enter(part)
            elif (number := self._own_descriptor(part)) is not None:
                if last:
                    return PathEnd(self.folder, part, number)
                self._enter(part, follow=True)
            elif (target := self._link(part)) is not None:
                self._follow(part, target, last)
            elif last:
                name = part
            else:
                self._enter(part)
        if self._last is not None and is_root():
            link, target = self._last
            raise Misuse(
                f"{visible_name(self._path)}: {link} is a link to {target}, which root does not follow: "
                "name the file itself"
            )
        return PathEnd(self.folder, name)

    def _enter(self, part: str, *, follow: bool = False) -> None:
        flags = _LOOKED_AT | os.O_DIRECTORY
        if follow:
            flags &= ~os.O_NOFOLLOW
        try:
            below = os.open(part, flags, dir_fd=self.folder)
        except FileNotFoundError:
            if self._make is None:
                raise
            # Another process may be faster.
            with suppress(FileExistsError):
                os.mkdir(part, self._make, dir_fd=self.folder)
            below = os.open(part, flags, dir_fd=self.folder)
        os.close(self.folder)
        self.folder = below

    def _link(self, part: str) -> str | None:
        """Where *part* leads; None where it is no link. Misuse if it belongs to another user."""
        try:
            found = os.open(part, _LOOKED_AT, dir_fd=self.folder)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(found)
            if not stat.S_ISLNK(status.st_mode):
                return None
            target = os.readlink("", dir_fd=found)
        finally:
            os.close(found)
        if not is_trusted(status.st_uid):
            raise Misuse(
                f"{visible_name(self._path)}: {visible_name(part)} is a link of another user, to "
                f"{visible_name(target)}: name the place itself"
            )
        return target

    def _follow(self, part: str, target: str, last: bool) -> None:
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if last and self._last is None:
            self._last = visible_name(part), visible_name(target)
        self._rest.extendleft(reversed(target.split("/")))
        if target.startswith("/"):
            os.close(self.folder)
            self.folder = os.open("/", _LOOKED_AT | os.O_DIRECTORY)

    def _own_descriptor(self, part: str) -> int | None:
        """The number of the open file of this process that *part* names; None where it names none.

        What such a name stands for is no path: a pipe has none, and a file may have another by now.
        """
        if not re.fullmatch("[0-9]{1,9}", part, re.ASCII):
            return None
        here = os.readlink(f"/proc/self/fd/{self.folder}")
        return int(part) if re.fullmatch(rf"/proc/{os.getpid()}(/task/[0-9]+)?/fd", here) else None
