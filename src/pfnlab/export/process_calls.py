"""Calls in an strace log that concern processes: their beginning and end, other processes, and limits."""

import re
from functools import partial

from pfnlab.base.units import PAGE_SIZE
from pfnlab.export.file_calls import (
    PIDFD,
    Descriptors,
    TracedCall,
    TracedFile,
    TracedProcesses,
    TracedTask,
    readers,
)
from pfnlab.export.following import pages_in
from pfnlab.export.memory_calls import named
from pfnlab.export.strace_lines import CLONE, LoggedCall, TracedEnd, bits, descriptor, number, string
from pfnlab.programs.lang import process_ops
from pfnlab.programs.lang.ops import Call, Exec, Exit, Fork, Kill, Thread
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import MAX_BYTES_MOVED, ByteRange, ProcessVmReadv, Walk

#: The calls that start a process or thread.
FORKS = ("fork", "vfork", "clone", "clone3")

#: The argument in which clone returns the child's pidfd: clone uses it for the child's number too.
_CHILD_PIDFD = {"clone": re.compile(r"parent_tid=\[(\d+)"), "clone3": re.compile(r"pidfd=\[(\d+)")}

#: Descriptors that refer to the process itself: PIDFD_SELF_THREAD and PIDFD_SELF_THREAD_GROUP.
_SELF = (-10000, -10001)

#: A program's limits by their names in C.
_LIMITED = {f"RLIMIT_{word.upper()}": word for word in process_ops.LIMITS}
#: How a process is counted that the log shows only from its middle on.
_UNRELATED = "processes whose beginning is not in the log: each is treated as unrelated"
_NO_LIMIT = ("RLIM_INFINITY", "RLIM64_INFINITY", f"{(1 << 64) - 1}", f"{(1 << 64) - 1:#x}")


def _fork(now: TracedCall) -> bool:
    if not now.call.got:
        return False
    flags = CLONE["CLONE_VM"] | CLONE["CLONE_VFORK"] if now.call.name == "vfork" else 0
    for word in now.call.arguments:
        if "flags=" in word:
            flags = bits(word.partition("flags=")[2].partition(",")[0].rstrip("}"), CLONE)[0]
    name = f"pid {now.call.got}"
    files = now.task.descriptors if flags & CLONE["CLONE_FILES"] else now.task.descriptors.copy()
    if flags & CLONE["CLONE_THREAD"]:
        child = TracedTask(name, now.task.space, files, now.task.folder, now.task.process)
        now.said(Thread(name), weak=True)
    elif flags & CLONE["CLONE_VM"]:
        child = TracedTask(now.task.task, now.task.space, files, now.task.folder, borrowed=True)
    else:
        child = TracedTask(
            name, now.trace.follower.space(tuple(now.task.space.pieces)), files, now.task.folder
        )
        now.said(Fork(name), weak=not now.task.space.pieces)
    now.trace.tasks[now.call.got] = child
    if flags & CLONE["CLONE_PIDFD"] and now.call.name in _CHILD_PIDFD:
        for found in _CHILD_PIDFD[now.call.name].finditer(", ".join(now.call.arguments)):
            _set_pidfd(now.task, int(found[1]), now.call.got)
    return True


def _exec(now: TracedCall) -> bool:
    if now.call.errno or now.call.value is None:
        return False
    program = string(now.call.arguments[0]) if now.call.arguments else None
    if now.task.borrowed:
        pid = next(pid for pid, other in now.trace.tasks.items() if other is now.task)
        now.said(Fork(f"pid {pid}"), "vfork before it", weak=True)
        now.task.task, now.task.borrowed = f"pid {pid}", False
        # The program's fork copies mappings that vfork shares.
        always = bool(now.task.space.pieces)
        now.trace.follower.add(now.task.task, Exec(), now.call.says(), copied=False, always=always)
    elif _has_threads(now.trace, now.task):
        now.unsaid("execve in a process with threads: said as its exit")
        _end(now.trace, now.task.process, Exit(), now.call.says("execve"))
    else:
        now.said(Exec(), weak=not now.task.space.pieces)
    if program:
        now.trace.commands[now.task.task] = program[0]
    now.task.space = now.trace.follower.space()
    now.task.descriptors = now.task.descriptors.copy()
    now.task.descriptors.exec()
    return True


def _exit(now: TracedCall) -> bool:
    if now.call.name == "exit" and (now.task.leader is not None or _has_threads(now.trace, now.task)):
        now.unsaid("exit of a thread: a thread of a program ends with its process")
        now.task.ended = now.task.leader is not None
    else:
        _end(now.trace, now.task.process, Exit(), now.call.says())
    return True


def _has_threads(trace: TracedProcesses, task: TracedTask) -> bool:
    others = (other for other in trace.tasks.values() if other is not task)
    return any(other.process is task.process and not other.ended for other in others)


def _end(trace: TracedProcesses, task: TracedTask, call: Call, comment: str) -> None:
    """End the process whose first thread is *task*."""
    if not task.borrowed and not task.ended:
        task.ended_with_memory = bool(task.space.pieces)
        trace.follower.add(task.task, call, comment, copied=task.ended_with_memory)
        task.space.pieces.clear()
    task.ended = True


def _set_pidfd(task: TracedTask, fd: int, pid: int) -> None:
    """Set *task*'s descriptor *fd* to the process *pid*."""
    task.descriptors.set(fd, TracedFile(PIDFD, process=pid), cloexec=True)


def _pidfd_open(now: TracedCall, whose: tuple[int, str]) -> bool:
    """Handle pidfd_open, which counts as device memory if any use of the descriptor does."""
    if now.call.got is not None:
        _set_pidfd(now.task, now.call.got, whose[0])
    return False


def _process(now: TracedCall, text: str) -> TracedTask | None:
    """The process that a pidfd refers to; None if the log does not show it."""
    fd, path = descriptor(text) or (0, "")
    if fd in _SELF:
        return now.task.process
    known = now.task.file(text)
    pid = number(path.removeprefix("pid:")) if path.startswith("pid:") else None
    if pid is None and known is not None:
        pid = known.process
    whose = None if pid is None else now.trace.tasks.get(pid)
    return None if whose is None else whose.process


def _process_madvise(now: TracedCall, pidfd: str, vector: str, _: str, word: str, flags: str) -> bool:
    """Handle the ranges one after another, up to the one that failed."""
    whose, ranges = _process(now, pidfd), ranges_of(vector)
    if whose is None or whose.ended:
        return False
    if not any(whose.space.within(start // PAGE_SIZE, pages_in(start + length)) for start, length in ranges):
        return False
    advice = named(process_ops.ADVICE_WORD, word)
    refused = now.call.errno in ("EBADF", "EPERM", "ESRCH", "EFAULT")
    if advice not in process_ops.ADVICE or flags != "0" or refused:
        failed = f", which failed with {now.call.errno}" if now.call.errno else ""
        return now.unsaid(f"process_madvise with {word} and {flags}{failed}")
    if "..." in vector:
        now.unsaid("process_madvise of ranges that strace has cut")
    left = max(now.call.value or 0, 0)
    who = now.acting(whose, "one range of several" * (len(ranges) > 1))
    make = partial(process_ops.ProcessMadvise, advice=advice, target=whose.task)
    for start, length in ranges:
        now.trace.follower.on_bytes(who, start, length, make)
        if left < length:
            break
        left -= length
    return True


def _process_mrelease(now: TracedCall, pidfd: str) -> bool:
    """Handle the call for a process that lives or has ended; how far a dying one has got is unknown."""
    whose = _process(now, pidfd)
    if whose is None or not (whose.ended_with_memory if whose.ended else whose.space.pieces):
        return False
    fits = now.call.errno == ("ESRCH" if whose.ended else "EINVAL") and now.call.arguments[1:] == ("0",)
    if whose.borrowed or not fits:
        return now.unsaid("process_mrelease of a process that dies: a program holds a processor for it")
    return now.said(process_ops.ProcessMrelease(whose.task))


def _setrlimit(now: TracedCall, resource: str, limits: str) -> bool:
    return _prlimit(now, (0, ""), resource, limits)


def _prlimit(now: TracedCall, pid: tuple[int, str], resource: str, limits: str) -> bool:
    """Attribute the call to the process that is limited, not the one that sets the limit."""
    whose = now.trace.tasks.get(pid[0]) if pid[0] else now.task
    soft = limits.partition("rlim_cur=")[2].partition(",")[0]
    if whose is None or resource not in _LIMITED or not soft or whose.process.ended or whose.borrowed:
        return False
    if now.call.errno:
        return now.unsaid(f"{now.call.name} of {resource}, which failed with {now.call.errno}")
    if soft not in _NO_LIMIT:
        return now.unsaid(
            f"{now.call.name} of {resource} to a number of bytes: a program gives the limit in pages above "
            "current use, which a log does not show"
        )
    other = "" if whose.process is now.task.process else f"by {now.task.task}"
    return now.said(process_ops.Setrlimit(_LIMITED[resource], None), other, whose, weak=True)


def _other_memory(now: TracedCall, pid: int, own: str, _: str, vector: str) -> bool:
    """Attribute process_vm_readv and process_vm_writev to the task that owns the memory, if tracked."""
    whose = now.trace.tasks.get(pid)
    if whose is None:
        return False
    met = False
    for start, length in ranges_of(vector):
        found = whose.space.within(start // PAGE_SIZE, start // PAGE_SIZE + 1)
        if not found:
            continue
        met = True
        if length > MAX_BYTES_MOVED:
            now.unsaid(f"{now.call.name} of more than {MAX_BYTES_MOVED} bytes")
            continue
        moved = ByteRange(start % PAGE_SIZE, length)
        page = Span(found[0].area, found[0].at, found[0].at + 1)
        other = "" if whose is now.task else f"by {now.task.task}"
        if now.call.name == "process_vm_readv":
            now.said(ProcessVmReadv(page, moved), other, whose)
        else:
            written = ", ".join(filter(None, (other, "other bytes")))
            now.said(Walk("process_vm_writev", page, 0, moved), written, whose)
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


def task_of(trace: TracedProcesses, event: LoggedCall | TracedEnd, root_pid: int | None) -> TracedTask:
    """The task that an event is about; one that the log has not shown so far is added."""
    pid = event.pid
    if pid is None:
        # A prefix is printed only while there are several processes.
        alive = [pid for pid, task in trace.tasks.items() if not task.ended and not task.process.ended]
        pid = alive[0] if len(alive) == 1 else root_pid
    if pid not in trace.tasks:
        name = f"pid {pid}"
        if trace.tasks:
            trace.follower.unsaid[_UNRELATED] += 1
            first = next(iter(trace.tasks.values()))
            trace.follower.add(first.process.task, Fork(name), f"line {event.line}: first seen", copied=False)
        trace.tasks[pid] = TracedTask(name, trace.follower.space(), Descriptors())
    return trace.tasks[pid]


def ended(trace: TracedProcesses, task: TracedTask, event: TracedEnd) -> None:
    """A task ends, as the log has it."""
    if event.signal and not task.ended and not task.process.ended:
        _end(trace, task.process, Kill(), f"line {event.line}: {event.signal}")
    else:
        task.ended = True


#: The calls on processes.
PROCESS_CALLS = readers(
    [
        (" ".join(FORKS), "", _fork),
        ("execve execveat", "", _exec),
        ("exit exit_group", "", _exit),
        ("process_vm_readv process_vm_writev", "number word word word", _other_memory),
        ("pidfd_open", "descriptor", _pidfd_open),
        ("process_madvise", "word word word word word", _process_madvise),
        ("process_mrelease", "word", _process_mrelease),
        ("setrlimit", "word word", _setrlimit),
        ("prlimit64", "descriptor word word", _prlimit),
    ]
)
