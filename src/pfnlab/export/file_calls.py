"""The state of a traced program, and its calls on files, which link descriptors to device memory.

Each process has an address space, descriptors and a working directory. A reader of system calls gets the
values of the arguments whose kinds its table lists; it returns True if the call is about device memory.
Otherwise the call is counted as left out.
"""

from __future__ import annotations

import os.path
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pfnlab.base.units import PAGE_SIZE
from pfnlab.export import strace_lines as printed
from pfnlab.export.following import ActingTask, AddressSpace, Follower, pages_in
from pfnlab.export.strace_lines import LoggedCall
from pfnlab.export.windows import PHYSICAL, DeviceFile, DeviceWindows, FilePlace, KnownBar, device_file
from pfnlab.programs.lang.device_ops import VfioReset
from pfnlab.programs.lang.ops import Call
from pfnlab.programs.lang.span import Span

#: The distance in pages between a vfio device's BARs in its file.
VFIO_BAR_PAGES = (1 << 40) // PAGE_SIZE

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

    def place(self, page: int = 0) -> FilePlace | None:
        """The device or BAR in which it counts pages; *page* is the offset, for files with several."""
        if self.file is None:
            return None
        match self.file.via:
            case "devmem":
                return FilePlace(PHYSICAL)
            case "proc-uc":
                return FilePlace(self.file.device)
            case "driver":
                return FilePlace(self.file.device, page)
            case "vfio":
                return FilePlace(self.file.device, page // VFIO_BAR_PAGES)
        return FilePlace(self.file.device, self.file.bar)


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

    def file(self, text: str) -> TracedFile | None:
        """The open file of a descriptor as strace prints it."""
        found = printed.descriptor(text)
        if found is None:
            return None
        fd, path = found
        # A pidfd's process number is printed while the process lives.
        path = PIDFD if path.startswith("pid:") else path
        known = self.descriptors.files.get(fd)
        if path and (known is None or (known.path != path and known.file is None)):
            known = self.descriptors.files[fd] = TracedFile(path, 0, device_file(path))
        return known


class TracedProcesses:
    """All traced processes, and what is known of the program so far.

    :param known: BARs by device, if their sizes are known
    :ivar tasks: the processes and threads by number; the key None stands for the only one
    :ivar commands: the program that each task executes, if known
    :ivar dropped: the number of calls that are not about device memory, by name
    """

    def __init__(self, known: dict[str, dict[int, KnownBar]]) -> None:
        self.follower = Follower()
        self.windows = DeviceWindows(known)
        self.tasks: dict[int | None, TracedTask] = {}
        self.commands: dict[str, str] = {}
        self.dropped: Counter[str] = Counter()


class TracedCall(NamedTuple):
    """A call that is being read, and the task that makes it."""

    trace: TracedProcesses
    task: TracedTask
    call: LoggedCall

    def unsaid(self, kind: str) -> bool:
        """Count a call that a program cannot express."""
        self.trace.follower.unsaid[kind] += 1
        return True

    def said(self, op: Call, more: str = "", whose: TracedTask | None = None, *, weak: bool = False) -> bool:
        """Add the operation that the call becomes.

        :param whose: the task that the program makes do it, if not the one that did
        :param weak: it matters only if the task has device memory
        """
        self.trace.follower.add((whose or self.task).task, op, self.call.says(more), copied=not weak)
        return True

    def acting(self, whose: TracedTask | None = None, more: str = "") -> ActingTask:
        """The task that makes the call, on its own memory or that of *whose*."""
        return ActingTask(self.task.task, (whose or self.task).space, self.call.says(more))

    def on_pages(self, start: int, length: int, make: Callable[[Span], Call]) -> bool:
        """Add one operation for each area in a range of bytes; True if there is any."""
        return self.trace.follower.on_bytes(self.acting(), start, length, make)

    def unsaid_of(self, start: int, length: int, kind: str) -> bool:
        """Count a call that a program cannot express, if it is about device memory."""
        met = self.task.space.within(start // PAGE_SIZE, pages_in(start + length))
        return bool(met) and self.unsaid(kind)

    def owner(self, path: str, name: str) -> TracedTask | None:
        """The process whose file *name* in ``/proc`` is at *path*."""
        found = re.fullmatch(rf"/proc/(self|thread-self|[0-9]+)/{name}", path)
        if found is None:
            return None
        return self.trace.tasks.get(int(found[1])) if found[1].isdigit() else self.task


#: Reads one kind of argument; None if it is not of that kind, and the call is left out.
KINDS: dict[str, Callable[[TracedTask, str], Any]] = {
    "number": lambda _, text: printed.number(text),
    "length": lambda _, text: printed.number(text) or None,
    "prot": lambda _, text: printed.prot_letters(printed.bits(text, printed.PROT)[0]),
    "string": lambda _, text: printed.string(text),
    "descriptor": lambda _, text: printed.descriptor(text),
    "file": TracedTask.file,
    "word": lambda _, text: text,
}


#: The kinds of a call's first arguments (a damaged line has fewer), and the function that gets their values.
CallReader = tuple[str, Callable[..., bool]]


def read(reader: CallReader, now: TracedCall) -> bool:
    """Read one call; True if it is about device memory."""
    kinds, arguments = reader[0].split(), now.call.arguments
    if len(arguments) < len(kinds):
        return False
    values = [KINDS[kind](now.task, text) for kind, text in zip(kinds, arguments, strict=False)]
    return None not in values and reader[1](now, *values)


#: The PCIIOC_WRITE_COMBINE request, in the forms in which strace prints it.
_COMBINE = ("PCIIOC_WRITE_COMBINE", "_IOC(_IOC_WRITE, 0x49, 0x3, 0x1043)", "0x50434903")

#: The PAGEMAP_SCAN request, likewise.
_SCAN = ("PAGEMAP_SCAN", "_IOC(_IOC_READ|_IOC_WRITE, 0x66, 0x10, 0x60)", "0xc0606610")


def _openat(now: TracedCall, at: str, named: tuple[str, bool], how: str) -> bool:
    found = printed.descriptor(at)
    folder = found[1] if found is not None else ""
    if found is not None and found[0] != printed.AT_FDCWD and not folder:
        known = now.task.descriptors.files.get(found[0])
        folder = known.path if known else "/"
    return _open(now, named, how, folder or None)


def _open(now: TracedCall, named: tuple[str, bool], how: str, folder: str | None = None) -> bool:
    path = now.task.path(named[0], folder)
    if not named[1]:
        return now.unsaid("paths that strace has cut: which file it is cannot be told")
    file = device_file(path)
    if now.call.got is None:
        return file is not None and now.unsaid(f"open of {path} failed with {now.call.errno or 'no result'}")
    if file is None and now.call.path:
        # The target of a symbolic link.
        file = device_file(now.call.path)
    words = how.strip("{}").partition("flags=")[2].partition(",")[0] or how
    flags, _ = printed.bits(words, printed.OPEN)
    cloexec = bool(flags & printed.OPEN["O_CLOEXEC"])
    now.task.descriptors.set(now.call.got, TracedFile(path, flags, file), cloexec=cloexec)
    return file is not None


def _close(now: TracedCall, found: tuple[int, str]) -> bool:
    file = None if now.call.errno else now.task.descriptors.files.pop(found[0], None)
    return file is not None and file.file is not None


def _dup(now: TracedCall, file: TracedFile) -> bool:
    words = now.call.arguments[1:]
    if now.call.got is None or (now.call.name == "fcntl" and not "".join(words[:1]).startswith("F_DUPFD")):
        return False
    now.task.descriptors.set(now.call.got, file, cloexec=any("CLOEXEC" in word for word in words))
    return file.file is not None


def _chdir(now: TracedCall, named: tuple[str, bool]) -> bool:
    if not now.call.errno:
        now.task.process.folder = now.task.folder = now.task.path(named[0])
    return False


def _stat(now: TracedCall, file: TracedFile) -> bool:
    place = file.place()
    own = now.call.name == "fstat" or now.call.arguments[1:2] == ('""',)
    for part in now.call.arguments[-2:] if own else ():
        size = printed.number(part.partition("st_size=")[2].partition(",")[0].rstrip("}"))
        if place is not None and size is not None:
            now.trace.windows.size(place, size)
    return place is not None


def _lseek(now: TracedCall, file: TracedFile, offset: str, whence: str) -> bool:
    place = file.place()
    if place is None or (offset, whence) != ("0", "SEEK_END") or not now.call.value:
        return False
    now.trace.windows.size(place, now.call.value)
    return True


def _ftruncate(now: TracedCall, file: TracedFile) -> bool:
    said = ", ".join(filter(None, (f"ftruncate of {file.path}", now.call.errno)))
    return file.file is not None and now.unsaid(said)


def _ioctl(now: TracedCall, fd: str, request: str) -> bool:
    rest = now.call.arguments[2:]
    if request.startswith("VFIO_GROUP_GET_DEVICE_FD") and now.call.got is not None:
        named = printed.string(rest[0]) if rest else None
        device = named[0] if named else f"vfio device {now.call.got}"
        opened = TracedFile(device, 0, DeviceFile("vfio", device))
        now.task.descriptors.set(now.call.got, opened, cloexec=True)
        return True
    file = now.task.file(fd)
    if file is None:
        return False
    if request.startswith(_SCAN) and (whose := now.owner(file.path, "pagemap")):
        why = "PAGEMAP_SCAN, of which strace does not print the range"
        return bool(whose.space.pieces) and now.unsaid(why)
    if file.file is None:
        return False
    if request.startswith("VFIO_DEVICE_RESET"):
        noted = now.trace.windows.noted(file.file.device)
        if noted is None or now.call.errno:
            return now.unsaid("VFIO_DEVICE_RESET that failed, or of a device of which nothing was mapped")
        return now.said(VfioReset(noted))
    if request.startswith(_COMBINE):
        file.combining = not now.call.errno and rest not in (("0",), ("0x0",), ("NULL",))
        return True
    return now.unsaid(f"ioctl {request.partition(' ')[0]} of {file.path}")


def readers(rows: Iterable[tuple[str, str, Callable[..., bool]]]) -> dict[str, CallReader]:
    """The readers by system call, from rows with calls, kinds and function."""
    return {name: (kinds, act) for names, kinds, act in rows for name in names.split()}


#: The calls on files.
FILE_CALLS = readers(
    [
        ("open", "string word", _open),
        ("openat openat2", "word string word", _openat),
        ("close", "descriptor", _close),
        ("dup dup2 dup3 fcntl", "file", _dup),
        ("chdir", "string", _chdir),
        ("fstat newfstatat", "file", _stat),
        ("lseek", "file word word", _lseek),
        ("ftruncate", "file", _ftruncate),
        ("ioctl", "word word", _ioctl),
    ]
)
