"""The processes of a log of strace: which address space, descriptors and working folder each has."""

from __future__ import annotations

import os.path
from dataclasses import dataclass, field

from pfnlab.export.following import AddressSpace
from pfnlab.export.windows import DeviceFile

#: The path of every pidfd.
PIDFD = "anon_inode:[pidfd]"


@dataclass
class TracedFile:
    """An open file description.

    :param path: its path, as far as it is known
    :param flags: those of open(2), 0 where it was opened before the log
    :param file: the device memory behind it, None where it is another file
    :param combining: whether PCIIOC_WRITE_COMBINE was asked for
    :param process: the process of a pidfd, by its number
    """

    path: str
    flags: int = 0
    file: DeviceFile | None = None
    combining: bool = False
    process: int | None = None


@dataclass
class Descriptors:
    """The descriptors of a process, and those that exec closes."""

    files: dict[int, TracedFile] = field(default_factory=dict)
    closed_by_exec: set[int] = field(default_factory=set)

    def copy(self) -> Descriptors:
        """The same for a child."""
        return Descriptors(dict(self.files), set(self.closed_by_exec))

    def set(self, number: int, file: TracedFile, *, cloexec: bool) -> None:
        """Descriptor *number* is *file* from now on."""
        self.files[number] = file
        (self.closed_by_exec.add if cloexec else self.closed_by_exec.discard)(number)

    def exec(self) -> None:
        """Close what exec closes."""
        for number in self.closed_by_exec:
            self.files.pop(number, None)
        self.closed_by_exec.clear()


@dataclass
class TracedTask:
    """A process or thread of the log.

    :param task: its name in the steps; that of its parent while it borrows the parent's address space
    :param leader: the first thread of its process
    :param borrowed: a child of vfork that has not called exec
    :param ended_with_memory: whether it had device memory when it ended
    """

    task: str
    space: AddressSpace
    descriptors: Descriptors
    folder: str = "/"
    leader: TracedTask | None = None
    borrowed: bool = False
    ended: bool = False
    ended_with_memory: bool = False

    @property
    def process(self) -> TracedTask:
        """The first thread of its process."""
        return self.leader or self

    def path(self, path: str, folder: str | None = None) -> str:
        """An absolute path for *path*, without `.` and `..`.

        :param folder: what it is relative to; None for the working folder
        """
        base = self.folder if folder is None else folder
        return os.path.normpath(os.path.join(base, path)) if path else base
