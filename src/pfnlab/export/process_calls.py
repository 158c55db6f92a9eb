"""Calls in an strace log that concern other processes, resource limits, or the page map."""

import re

from pfnlab.base.units import PAGE_SIZE
from pfnlab.export.file_calls import PIDFD, TracedFile, TracedTask, says
from pfnlab.export.following import pages_in
from pfnlab.export.memory_calls import MemoryCalls, named
from pfnlab.export.printed_values import PAGEMAP_SCAN, descriptor, number
from pfnlab.export.strace_lines import LoggedCall
from pfnlab.export.windows import KnownBar
from pfnlab.programs.lang import process_ops
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import MAX_BYTES_MOVED, ByteRange, ProcessVmReadv, Walk

#: Descriptors that refer to the process itself: PIDFD_SELF_THREAD and PIDFD_SELF_THREAD_GROUP.
_SELF = (-10000, -10001)

_PAGEMAP = re.compile(r"/proc/(self|thread-self|[0-9]+)/pagemap")
#: The PAGEMAP_SCAN request, in the forms in which strace prints it.
_SCAN = ("PAGEMAP_SCAN", "_IOC(_IOC_READ|_IOC_WRITE, 0x66, 0x10, 0x60)", f"{PAGEMAP_SCAN:#x}")

#: A program's limits by their names in C.
_LIMITED = {f"RLIMIT_{word.upper()}": word for word in process_ops.LIMITS}
_NO_LIMIT = ("RLIM_INFINITY", "RLIM64_INFINITY", f"{(1 << 64) - 1}", f"{(1 << 64) - 1:#x}")


class ProcessCalls(MemoryCalls):
    """Reads calls on files, memory and processes; see :class:`FileCalls`."""

    def __init__(self, known: dict[str, dict[int, KnownBar]]) -> None:
        super().__init__(known)
        self._other_ioctl = self.calls["ioctl"]
        self.calls |= {
            "process_vm_readv": self._other_memory,
            "process_vm_writev": self._other_memory,
            "pidfd_open": self._pidfd_open,
            "process_madvise": self._process_madvise,
            "process_mrelease": self._process_mrelease,
            "setrlimit": self._setrlimit,
            "prlimit64": self._prlimit,
            "ioctl": self._scan,
        }

    def pidfd(self, task: TracedTask, fd: int, pid: int) -> None:
        """Set *task*'s descriptor *fd* to the process *pid*."""
        task.descriptors.set(fd, TracedFile(PIDFD, process=pid), cloexec=True)

    def _pidfd_open(self, task: TracedTask, call: LoggedCall) -> bool:
        """Handle pidfd_open, which counts as device memory if any use of the descriptor does."""
        named = descriptor(call.arguments[0]) if call.arguments else None
        if named is not None and call.value is not None and call.value >= 0:
            self.pidfd(task, call.value, named[0])
        return False

    def _process(self, task: TracedTask, text: str) -> TracedTask | None:
        """The process that a pidfd refers to; None if the log does not show it."""
        found = descriptor(text)
        if found is None:
            return None
        fd, path = found
        if fd in _SELF:
            return task.process
        known = self.file(task, text)
        pid = number(path.removeprefix("pid:")) if path.startswith("pid:") else None
        if pid is None and known is not None:
            pid = known[1].process
        whose = None if pid is None else self.tasks.get(pid)
        return None if whose is None else whose.process

    def _process_madvise(self, task: TracedTask, call: LoggedCall) -> bool:
        """Handle the ranges one after another, up to the one that failed."""
        if len(call.arguments) < 5:
            return False
        whose = self._process(task, call.arguments[0])
        ranges = ranges_of(call.arguments[1])
        if whose is None or whose.ended or not any(_within(whose, *each) for each in ranges):
            return False
        word, flags = call.arguments[3], call.arguments[4]
        advice = named(process_ops.ADVICE_WORD, word)
        if (
            advice not in process_ops.ADVICE
            or flags != "0"
            or call.errno in ("EBADF", "EPERM", "ESRCH", "EFAULT")
        ):
            failed = f", which failed with {call.errno}" if call.errno else ""
            return self.unsaid(f"process_madvise with {word} and {flags}{failed}")
        if "..." in call.arguments[1]:
            self.unsaid("process_madvise of ranges that strace has cut")
        left = max(call.value or 0, 0)
        for start, length in ranges:
            first, end = start // PAGE_SIZE, pages_in(start + length)
            self.follower.ranged(
                task.task,
                whose.space,
                first,
                end,
                lambda span: process_ops.ProcessMadvise(span, advice, whose.task),
                says(call, "one range of several" if len(ranges) > 1 else ""),
            )
            if left < length:
                break
            left -= length
        return True

    def _process_mrelease(self, task: TracedTask, call: LoggedCall) -> bool:
        """Handle the call for a process that lives or has ended; how far a dying one has got is unknown."""
        whose = self._process(task, call.arguments[0]) if call.arguments else None
        if whose is None or not (whose.ended_with_memory if whose.ended else whose.space.pieces):
            return False
        fits = call.errno == ("ESRCH" if whose.ended else "EINVAL") and call.arguments[1:] == ("0",)
        if whose.borrowed or not fits:
            return self.unsaid("process_mrelease of a process that dies: a program holds a processor for it")
        self.follower.add(task.task, process_ops.ProcessMrelease(whose.task), says(call))
        return True

    def _setrlimit(self, task: TracedTask, call: LoggedCall) -> bool:
        return len(call.arguments) > 1 and self._limit(task, task, call, *call.arguments[:2])

    def _prlimit(self, task: TracedTask, call: LoggedCall) -> bool:
        """Attribute the call to the process that is limited, not the one that sets the limit."""
        named = descriptor(call.arguments[0]) if len(call.arguments) > 2 else None
        if named is None:
            return False
        whose = self.tasks.get(named[0]) if named[0] else task
        return whose is not None and self._limit(task, whose, call, *call.arguments[1:3])

    def _limit(
        self, task: TracedTask, whose: TracedTask, call: LoggedCall, resource: str, limits: str
    ) -> bool:
        soft = limits.partition("rlim_cur=")[2].partition(",")[0]
        if resource not in _LIMITED or not soft or whose.process.ended or whose.borrowed:
            return False
        if call.errno:
            return self.unsaid(f"{call.name} of {resource}, which failed with {call.errno}")
        if soft not in _NO_LIMIT:
            return self.unsaid(
                f"{call.name} of {resource} to a number of bytes: a program gives the limit in pages above "
                "current use, which a log does not show"
            )
        other = "" if whose.process is task.process else f"by {task.task}"
        limit = process_ops.Setrlimit(_LIMITED[resource], None)
        self.follower.add(whose.task, limit, says(call, other), copied=False)
        return True

    def _scan(self, task: TracedTask, call: LoggedCall) -> bool:
        """PAGEMAP_SCAN, whose range strace does not print; all other ioctls are on files."""
        found = self.file(task, call.arguments[0]) if len(call.arguments) > 1 else None
        named = _PAGEMAP.fullmatch(found[1].path) if found is not None else None
        if named is None or not call.arguments[1].startswith(_SCAN):
            return self._other_ioctl(task, call)
        whose = self.tasks.get(int(named[1])) if named[1].isdigit() else task
        if whose is None or not whose.space.pieces:
            return False
        return self.unsaid("PAGEMAP_SCAN, of which strace does not print the range")

    def _other_memory(self, task: TracedTask, call: LoggedCall) -> bool:
        """Attribute process_vm_readv and process_vm_writev to the task that owns the memory, if tracked."""
        whose = self.tasks.get(number(call.arguments[0])) if call.arguments else None
        if whose is None or len(call.arguments) < 4:
            return False
        met = False
        for start, length in ranges_of(call.arguments[3]):
            found = whose.space.within(start // PAGE_SIZE, start // PAGE_SIZE + 1)
            if not found:
                continue
            met = True
            if length > MAX_BYTES_MOVED:
                self.unsaid(f"{call.name} of more than {MAX_BYTES_MOVED} bytes")
                continue
            moved = ByteRange(start % PAGE_SIZE, length)
            page = Span(found[0].area, found[0].at, found[0].at + 1)
            other = "" if whose is task else f"by {task.task}"
            if call.name == "process_vm_readv":
                self.follower.add(whose.task, ProcessVmReadv(page, moved), says(call, other))
            else:
                written = ", ".join(filter(None, (other, "other bytes")))
                self.follower.add(whose.task, Walk("process_vm_writev", page, 0, moved), says(call, written))
        return met


def ranges_of(text: str) -> list[tuple[int, int]]:
    """The ranges in an iovec array, each with its first address and its length in
    bytes, leaving out empty ones.
    """
    found = []
    for part in text.strip("[]").split("}"):
        start, length = (
            number(part.partition(word)[2].partition(",")[0]) for word in ("iov_base=", "iov_len=")
        )
        if start is not None and length:
            found.append((start, length))
    return found


def _within(whose: TracedTask, start: int, length: int) -> bool:
    """True if a range contains any of a process's tracked pages."""
    return bool(whose.space.within(start // PAGE_SIZE, pages_in(start + length)))
