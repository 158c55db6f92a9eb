"""Resolving the paths of files to write, to an open folder and a name in it.

Anyone who may change a folder on a path can put a link there at any time. So a path is walked once, folder by
folder, and all work is done in the folder reached, wherever the path may lead by then. A link is followed
only if it belongs to this user, to root, or to the user who called sudo.
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

#: The maximum number of links in one path, as in the kernel.
_MOST_LINKS = 40

_LOOKED_AT = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class PathEnd(NamedTuple):
    """The place where a file is to be written.

    :param folder: the folder, open only for calls relative to it
    :param name: the name in it, which is not a link; ``.`` for the folder itself
    :param descriptor: the number of the descriptor if the path names an open file of this process, e.g.
        ``/dev/stdout``; else None
    """

    folder: int
    name: str
    descriptor: int | None = None

    def status(self) -> os.stat_result | None:
        """The status of the existing file, or None."""
        if self.descriptor is not None:
            return os.fstat(self.descriptor)
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None


def is_root() -> bool:
    """True if this process may write everywhere."""
    return os.geteuid() == 0


def sudo_caller() -> tuple[int, int] | None:
    """User and group of the user who called sudo; None without sudo, or if not root."""
    numbers = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if not is_root() or not all(re.fullmatch("[0-9]{1,10}", number, re.ASCII) for number in numbers):
        return None
    user, group = map(int, numbers)
    # The largest number means that it is unset.
    return (user, group) if max(user, group) < (1 << 32) - 1 else None


def is_trusted(owner: int) -> bool:
    """True for root, this user, and the caller of sudo: links they create are not traps."""
    caller = sudo_caller()
    return owner in (0, os.geteuid()) or (caller is not None and owner == caller[0])


@contextmanager
def path_end(path: Path, *, make: int | None = None) -> Iterator[PathEnd]:
    """Resolve *path*, holding its folder open in this context.

    :param make: the mode, before the umask, for missing folders to be created; None creates none
    :raises Misuse: if another user's link is in the path; or, for root, if the last name is a link
    :raises OSError: if a folder in the path is missing or inaccessible
    """
    walk = _Walk(path, make)
    try:
        yield walk.end()
    finally:
        os.close(walk.folder)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Create the folder *path* and its parents with *mode* before the umask.

    Misuse if another user's link is in the path, OSError if it cannot be created.
    """
    # Only the parents of a name can be folders.
    with path_end(path / "_", make=mode):
        pass


class _Walk:
    """A walk along a path; *folder* is its current folder, open."""

    def __init__(self, path: Path, make: int | None) -> None:
        text = os.fspath(path)
        if "\0" in text:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._path, self._make = path, make
        self._rest: deque[str] = deque(text.split("/"))
        self._links = 0
        # The link and its target, if the last name in the path is a link.
        self._last: tuple[str, str] | None = None
        self.folder = os.open("/" if text.startswith("/") else ".", _LOOKED_AT | os.O_DIRECTORY)

    def end(self) -> PathEnd:
        """The destination of the path."""
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
            # Another process may get there first.
            with suppress(FileExistsError):
                os.mkdir(part, self._make, dir_fd=self.folder)
            below = os.open(part, flags, dir_fd=self.folder)
        os.close(self.folder)
        self.folder = below

    def _link(self, part: str) -> str | None:
        """The target of the link *part*; None if it is not a link. Misuse if it belongs to another user."""
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
                f"{visible_name(self._path)}: {visible_name(part)} is a link owned by another user, to "
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
        """The number of this process's open file that *part* names; None if it names none.

        Such a name does not stand for a path: a pipe has none, and a file may have been renamed.
        """
        if not re.fullmatch("[0-9]{1,9}", part, re.ASCII):
            return None
        here = os.readlink(f"/proc/self/fd/{self.folder}")
        return int(part) if re.fullmatch(rf"/proc/{os.getpid()}(/task/[0-9]+)?/fd", here) else None
