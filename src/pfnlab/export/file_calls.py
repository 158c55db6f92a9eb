"""File calls in an strace log, which link each process's descriptors to device memory.

Each process has an address space, descriptors and a working directory.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable
from dataclasses import dataclass, field

from pfnlab.base.units import PAGE_SIZE
from pfnlab.export.following import AddressSpace, Follower
from pfnlab.export.printed_values import AT_FDCWD, OPEN, bits, descriptor, number, string
from pfnlab.export.strace_lines import LoggedCall
from pfnlab.export.windows import PHYSICAL, DeviceFile, DeviceWindows, FilePlace, KnownBar, device_file
from pfnlab.programs.lang.device_ops import VfioReset

#: The path of every pidfd.
PIDFD = "anon_inode:[pidfd]"


@dataclass
class TracedFile:
    """An open file description.

    :param path: its path, if known
    :param flags: the open(2) flags, 0 if it was opened before the log starts
    :param file: the device memory that it gives access to; None for other files
    :param combining: whether PCIIOC_WRITE_COMBINE was requested
    :param process: for a pidfd: the number of its process
    """

    path: str
    flags: int = 0
    file: DeviceFile | None = None
    combining: bool = False
    process: int | None = None


@dataclass
class Descriptors:
    """A process's descriptors, and those that exec closes."""

    files: dict[int, TracedFile] = field(default_factory=dict)
    closed_by_exec: set[int] = field(default_factory=set)

    def copy(self) -> Descriptors:
        """A copy for a child."""
        return Descriptors(dict(self.files), set(self.closed_by_exec))

    def set(self, fd: int, file: TracedFile, *, cloexec: bool) -> None:
        """Set descriptor *fd* to *file*."""
        self.files[fd] = file
        (self.closed_by_exec.add if cloexec else self.closed_by_exec.discard)(fd)

    def exec(self) -> None:
        """Close whatever exec closes."""
        for fd in self.closed_by_exec:
            self.files.pop(fd, None)
        self.closed_by_exec.clear()


@dataclass
class TracedTask:
    """A process or thread in the log.

    :param task: its name in the steps; its parent's name while it borrows the parent's address space
    :param leader: the first thread in its process
    :param borrowed: True for a vfork child that has not called exec yet
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
        """The first thread in its process."""
        return self.leader or self

    def path(self, path: str, folder: str | None = None) -> str:
        """An absolute path for *path*, without `.` and `..`.

        :param folder: the folder it is relative to; None for the working directory
        """
        base = self.folder if folder is None else folder
        return os.path.normpath(os.path.join(base, path)) if path else base


#: The PCIIOC_WRITE_COMBINE request, in the forms in which strace prints it.
_COMBINE = ("PCIIOC_WRITE_COMBINE", "_IOC(_IOC_WRITE, 0x49, 0x3, 0x1043)", "0x50434903")

#: The distance in pages between a vfio device's BARs in its file.
VFIO_BAR_PAGES = (1 << 40) // PAGE_SIZE


def says(call: LoggedCall, more: str = "") -> str:
    """The comment for an operation: its lines in the log, and its error."""
    place = f"line {call.line}" if call.begun == call.line else f"lines {call.begun} and {call.line}"
    return ": ".join(filter(None, (place, ", ".join(filter(None, (call.errno, more))))))


class FileCalls:
    """Reads calls on files.

    Each method returns True if the call is about device memory; otherwise the call is counted as left out.

    :param known: BARs by device, if their sizes are known
    """

    def __init__(self, known: dict[str, dict[int, KnownBar]]) -> None:
        self.follower = Follower()
        self.windows = DeviceWindows(known)
        self.calls: dict[str, Callable[[TracedTask, LoggedCall], bool]] = {
            **dict.fromkeys(("open", "openat", "openat2"), self._open),
            **dict.fromkeys(("dup", "dup2", "dup3", "fcntl"), self._dup),
            **dict.fromkeys(("fstat", "newfstatat"), self._stat),
            **{"close": self._close, "chdir": self._chdir, "lseek": self._lseek, "ioctl": self._ioctl},
        }

    def unsaid(self, kind: str) -> bool:
        """Count a call that a program cannot express."""
        self.follower.unsaid[kind] += 1
        return True

    def file(self, task: TracedTask, text: str) -> tuple[int, TracedFile] | None:
        found = descriptor(text)
        if found is None:
            return None
        fd, path = found
        # A pidfd's process number is printed while the process lives.
        path = PIDFD if path.startswith("pid:") else path
        known = task.descriptors.files.get(fd)
        if path and (known is None or (known.path != path and known.file is None)):
            known = TracedFile(path, 0, device_file(path))
            task.descriptors.files[fd] = known
        return None if known is None else (fd, known)

    def _open(self, task: TracedTask, call: LoggedCall) -> bool:
        arguments = list(call.arguments)
        folder = None
        if call.name != "open" and arguments:
            at = descriptor(arguments.pop(0))
            if at is not None and at[0] != AT_FDCWD:
                known = task.descriptors.files.get(at[0])
                folder = at[1] or (known.path if known else "/")
            elif at is not None and at[1]:
                folder = at[1]
        named = string(arguments[0]) if arguments else None
        if named is None or len(arguments) < 2:
            return False
        path = task.path(named[0], folder)
        if not named[1]:
            return self.unsaid("paths that strace has cut: which file it is cannot be told")
        file = device_file(path)
        if call.value is None or call.value < 0:
            if file is None:
                return False
            return self.unsaid(f"open of {path} failed with {call.errno or 'no result'}")
        if file is None and call.path:
            # The target of a symbolic link.
            file = device_file(call.path)
        words = arguments[1].strip("{}").partition("flags=")[2].partition(",")[0] or arguments[1]
        flags, _ = bits(words, OPEN)
        opened = TracedFile(path, flags, file)
        task.descriptors.set(call.value, opened, cloexec=bool(flags & OPEN["O_CLOEXEC"]))
        return file is not None

    def _close(self, task: TracedTask, call: LoggedCall) -> bool:
        found = descriptor(call.arguments[0]) if call.arguments else None
        if found is None or call.errno:
            return False
        file = task.descriptors.files.pop(found[0], None)
        return file is not None and file.file is not None

    def _dup(self, task: TracedTask, call: LoggedCall) -> bool:
        words = call.arguments[1:]
        if call.name == "fcntl" and (not words or not words[0].startswith("F_DUPFD")):
            return False
        found = self.file(task, call.arguments[0]) if call.arguments else None
        if found is None or call.value is None or call.value < 0:
            return False
        cloexec = any("CLOEXEC" in word for word in words)
        task.descriptors.set(call.value, found[1], cloexec=cloexec)
        return found[1].file is not None

    def _chdir(self, task: TracedTask, call: LoggedCall) -> bool:
        named = string(call.arguments[0]) if call.arguments else None
        if named is not None and not call.errno:
            task.process.folder = task.folder = task.path(named[0])
        return False

    def _stat(self, task: TracedTask, call: LoggedCall) -> bool:
        found = self.file(task, call.arguments[0]) if call.arguments else None
        if found is None and call.name == "newfstatat" and len(call.arguments) > 1:
            return False
        if found is None or (place := self.place(found[1])) is None:
            return False
        empty = call.name == "fstat" or (len(call.arguments) > 1 and call.arguments[1] == '""')
        for part in call.arguments[-2:] if empty else ():
            size = part.partition("st_size=")[2].partition(",")[0].rstrip("}")
            if size and (value := number(size)) is not None:
                self.windows.size(place, value)
        return True

    def _lseek(self, task: TracedTask, call: LoggedCall) -> bool:
        found = self.file(task, call.arguments[0]) if call.arguments else None
        place = None if found is None else self.place(found[1])
        if place is None or call.arguments[2:] != ("SEEK_END",) or call.arguments[1] != "0" or not call.value:
            return False
        self.windows.size(place, call.value)
        return True

    @staticmethod
    def place(file: TracedFile, page: int = 0) -> FilePlace | None:
        """The device or BAR in which a file counts pages; *page* is the offset, for files with several."""
        device = file.file
        if device is None:
            return None
        if device.via == "devmem":
            return FilePlace(PHYSICAL)
        if device.via == "proc-uc":
            return FilePlace(device.device)
        if device.via == "driver":
            return FilePlace(device.device, page)
        if device.via == "vfio":
            return FilePlace(device.device, page // VFIO_BAR_PAGES)
        return FilePlace(device.device, device.bar)

    def _ioctl(self, task: TracedTask, call: LoggedCall) -> bool:
        found = self.file(task, call.arguments[0]) if call.arguments else None
        request = call.arguments[1] if len(call.arguments) > 1 else ""
        if request.startswith("VFIO_GROUP_GET_DEVICE_FD") and call.value is not None and call.value >= 0:
            named = string(call.arguments[2]) if len(call.arguments) > 2 else None
            device = named[0] if named else f"vfio device {call.value}"
            task.descriptors.set(call.value, TracedFile(device, 0, DeviceFile("vfio", device)), cloexec=True)
            return True
        if found is None or found[1].file is None:
            return False
        file, device = found[1], found[1].file.device
        if request.startswith("VFIO_DEVICE_RESET"):
            noted = self.windows.noted(device)
            if noted is None or call.errno:
                return self.unsaid(
                    "VFIO_DEVICE_RESET that failed, or of a device of which nothing was mapped"
                )
            self.follower.add(task.task, VfioReset(noted), says(call))
            return True
        if request.startswith(_COMBINE):
            file.combining = not call.errno and call.arguments[2:] not in (("0",), ("0x0",), ("NULL",))
            return True
        return self.unsaid(f"ioctl {request.partition(' ')[0]} of {file.path}")
