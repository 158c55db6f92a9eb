"""Converting an strace log: what its processes do with device memory, line by line.

A mapping of a device file is tracked through all calls that affect it. Other calls are counted and left out.
"""

from collections import Counter

from pfnlab.base.errors import Misuse
from pfnlab.export.file_calls import FILE_CALLS, TracedCall, TracedProcesses, read
from pfnlab.export.memory_calls import MEMORY_CALLS
from pfnlab.export.process_calls import FORKS, PROCESS_CALLS, ended, task_of
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

_CALLS = FILE_CALLS | MEMORY_CALLS | PROCESS_CALLS

_INJECTED = "calls with a result that strace injected: the kernel did not run them"
_UNREAD = "lines that are not a system call: output of the traced program, or damage"


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
    trace, root = TracedProcesses(known), _root_pid(events)
    unread = Counter[str]()
    for event in sorted(events, key=_place):
        if isinstance(event, UnreadLine | InjectedCall):
            unread[_UNREAD if isinstance(event, UnreadLine) else _INJECTED] += 1
            continue
        task = task_of(trace, event, root)
        if isinstance(event, TracedEnd):
            ended(trace, task, event)
        elif (
            event.errno in RESTARTED
            or task.process.ended
            or event.name not in _CALLS
            or not read(_CALLS[event.name], TracedCall(trace, task, event))
        ):
            trace.dropped[event.name] += 1
    # Their counts come last.
    for kind in (_INJECTED, _UNREAD):
        trace.follower.unsaid += Counter({kind: unread[kind]})
    return RecoveredProgram(source, len(lines), trace)


def _place(event: LogEvent) -> int:
    """The line at which a call takes effect: a child may act before its parent's fork returns, and freed
    addresses can be reused before munmap returns.
    """
    if isinstance(event, LoggedCall) and event.name in (*FORKS, "munmap"):
        return event.begun
    return event.line


def _root_pid(events: list[LogEvent]) -> int | None:
    """The first process in the log, if its first lines have no number."""
    children = {event.value for event in events if isinstance(event, LoggedCall) and event.name in FORKS}
    pids = (
        event.pid
        for event in events
        if not isinstance(event, UnreadLine | InjectedCall) and event.pid is not None
    )
    return next((pid for pid in pids if pid not in children), None)
