"""Converting an strace log: what its processes do with device memory, line by line.

A mapping of a device file is tracked through all calls that affect it. Other calls are counted and left out.
"""

import re
from collections import Counter

from pfnlab.base.errors import Misuse
from pfnlab.export.file_calls import Descriptors, TracedTask, says
from pfnlab.export.memory_calls import LEAST
from pfnlab.export.printed_values import CLONE, bits, string
from pfnlab.export.process_calls import ProcessCalls
from pfnlab.export.recovered import RecoveredProgram
from pfnlab.export.strace_lines import (
    RESTARTED,
    InjectedCall,
    LogEvent,
    LoggedCall,
    TracedEnd,
    UnreadLine,
    events_of,
)
from pfnlab.export.windows import KnownBar
from pfnlab.programs.lang.ops import Call, Exec, Exit, Fork, Kill, Thread

_FORKS = ("fork", "vfork", "clone", "clone3")

#: The argument in which clone returns the child's pidfd: clone uses it for the child's number too.
_CHILD_PIDFD = {"clone": re.compile(r"parent_tid=\[(\d+)"), "clone3": re.compile(r"pidfd=\[(\d+)")}


def from_strace(text: str, source: str, known: dict[str, dict[int, KnownBar]]) -> RecoveredProgram:
    """Convert a log to a program.

    :param known: BARs by device, where their sizes are known; the key ``""`` stands for the only device
    :raises Misuse: if *text* is not an strace log
    """
    lines = text.splitlines()
    events = list(events_of(lines))
    if not any(isinstance(event, LoggedCall) for event in events):
        raise Misuse(
            f"{source}: no line is a system call as strace prints it: make it with strace -f -y -o FILE"
        )
    trace = _Trace(known, _root_pid(events))
    for event in sorted(events, key=_place):
        trace.event(event)
    return trace.recovered(len(lines), source)


def _place(event: LogEvent) -> int:
    """The line at which a call takes effect: a child may act before its parent's fork returns, and freed
    addresses can be reused before munmap returns.
    """
    if isinstance(event, LoggedCall) and event.name in (*_FORKS, "munmap"):
        return event.begun
    return event.line


def _root_pid(events: list[LogEvent]) -> int | None:
    """The first process in the log, if its first lines have no number."""
    children = {event.value for event in events if isinstance(event, LoggedCall) and event.name in _FORKS}
    pids = (
        event.pid
        for event in events
        if not isinstance(event, UnreadLine | InjectedCall) and event.pid is not None
    )
    return next((pid for pid in pids if pid not in children), None)


class _Trace(ProcessCalls):
    # The state of all processes while reading a log.

    def __init__(self, known: dict[str, dict[int, KnownBar]], root_pid: int | None) -> None:
        super().__init__(known)
        self._dropped: Counter[str] = Counter()
        self._unread = self._injected = 0
        self._root_pid = root_pid
        self._commands: dict[str, str] = {}
        self.calls |= {
            "execve": self._exec,
            "execveat": self._exec,
            "exit": self._exit,
            "exit_group": self._exit,
        }
        self.calls |= dict.fromkeys(_FORKS, self._fork)

    def event(self, event: LogEvent) -> None:
        """Apply one event from the log."""
        if isinstance(event, UnreadLine):
            self._unread += 1
            return
        if isinstance(event, InjectedCall):
            self._injected += 1
            return
        task = self._task(event.pid, event.line)
        if isinstance(event, TracedEnd):
            self._ended(task, event)
        elif event.errno in RESTARTED or task.process.ended:
            self._dropped[event.name] += 1
        else:
            act = self.calls.get(event.name)
            whole = len(event.arguments) >= LEAST.get(event.name, 0)
            if act is None or not whole or not act(task, event):
                self._dropped[event.name] += 1

    def recovered(self, lines: int, source: str) -> RecoveredProgram:
        """The program recovered so far."""
        unsaid = Counter(self.follower.unsaid)
        if self._injected:
            unsaid["calls with a result that strace injected: the kernel did not run them"] = self._injected
        if self._unread:
            unsaid["lines that are not a system call: output of the traced program, or damage"] = self._unread
        return RecoveredProgram(
            source=source,
            lines=lines,
            commands=self._commands,
            steps=tuple(self.follower.steps),
            areas=self.follower.areas(),
            windows=self.windows,
            unsaid=unsaid,
            dropped=self._dropped,
        )

    def _task(self, pid: int | None, line: int) -> TracedTask:
        if pid is None:
            # A prefix is printed only while there are several processes.
            alive = [pid for pid, task in self.tasks.items() if not task.ended and not task.process.ended]
            pid = alive[0] if len(alive) == 1 else self._root_pid
        if pid not in self.tasks:
            name = f"pid {pid}"
            if self.tasks:
                self.unsaid("processes whose beginning is not in the log: each is treated as unrelated")
                first = next(iter(self.tasks.values()))
                self.follower.add(first.process.task, Fork(name), f"line {line}: first seen", copied=False)
            self.tasks[pid] = TracedTask(name, self.follower.space(), Descriptors())
        return self.tasks[pid]

    # Processes

    def _fork(self, task: TracedTask, call: LoggedCall) -> bool:
        if call.value is None or call.value <= 0:
            return False
        flags = CLONE["CLONE_VM"] | CLONE["CLONE_VFORK"] if call.name == "vfork" else 0
        for word in call.arguments:
            if "flags=" in word:
                flags = bits(word.partition("flags=")[2].partition(",")[0].rstrip("}"), CLONE)[0]
        name = f"pid {call.value}"
        files = task.descriptors if flags & CLONE["CLONE_FILES"] else task.descriptors.copy()
        if flags & CLONE["CLONE_THREAD"]:
            child = TracedTask(name, task.space, files, task.folder, task.process)
            self.follower.add(task.task, Thread(name), says(call), copied=False)
        elif flags & CLONE["CLONE_VM"]:
            child = TracedTask(task.task, task.space, files, task.folder, borrowed=True)
        else:
            child = TracedTask(name, self.follower.space(tuple(task.space.pieces)), files, task.folder)
            self.follower.add(task.task, Fork(name), says(call), copied=bool(task.space.pieces))
        self.tasks[call.value] = child
        if flags & CLONE["CLONE_PIDFD"] and call.name in _CHILD_PIDFD:
            for found in _CHILD_PIDFD[call.name].finditer(", ".join(call.arguments)):
                self.pidfd(task, int(found[1]), call.value)
        return True

    def _exec(self, task: TracedTask, call: LoggedCall) -> bool:
        if call.errno or call.value is None:
            return False
        named = string(call.arguments[0]) if call.arguments else None
        if task.borrowed:
            pid = next(pid for pid, other in self.tasks.items() if other is task)
            self.follower.add(task.task, Fork(f"pid {pid}"), says(call, "vfork before it"), copied=False)
            task.task, task.borrowed = f"pid {pid}", False
            # The program's fork copies mappings that vfork shares.
            always = bool(task.space.pieces)
            self.follower.add(task.task, Exec(), says(call), copied=False, always=always)
        elif self._has_threads(task):
            self.unsaid("execve in a process with threads: said as its exit")
            self._end(task.process, Exit(), says(call, "execve"))
        else:
            self.follower.add(task.task, Exec(), says(call), copied=bool(task.space.pieces))
        if named:
            self._commands[task.task] = named[0]
        task.space = self.follower.space()
        task.descriptors = task.descriptors.copy()
        task.descriptors.exec()
        return True

    def _exit(self, task: TracedTask, call: LoggedCall) -> bool:
        if call.name == "exit" and (task.leader is not None or self._has_threads(task)):
            self.unsaid("exit of a thread: a thread of a program ends with its process")
            task.ended = task.leader is not None
        else:
            self._end(task.process, Exit(), says(call))
        return True

    def _ended(self, task: TracedTask, event: TracedEnd) -> None:
        if task.ended or task.process.ended:
            task.ended = True
        elif event.signal:
            self._end(task.process, Kill(), f"line {event.line}: {event.signal}")
        else:
            task.ended = True

    def _has_threads(self, task: TracedTask) -> bool:
        others = (other for other in self.tasks.values() if other is not task)
        return any(other.process is task.process and not other.ended for other in others)

    def _end(self, task: TracedTask, call: Call, comment: str) -> None:
        if not task.borrowed and not task.ended:
            task.ended_with_memory = bool(task.space.pieces)
            self.follower.add(task.task, call, comment, copied=task.ended_with_memory)
            task.space.pieces.clear()
        task.ended = True
