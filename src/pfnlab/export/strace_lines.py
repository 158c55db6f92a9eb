"""The lines of an strace log: each system call with its process, arguments and result.

This reads logs from ``strace``, ``strace -f`` and ``strace-log-merge``, with or without descriptor paths
(``-y``, ``-yy``), timestamps (``-t``, ``-tt``, ``-ttt``, ``-r``, ``-T``), command names (``-Y``), instruction
pointers (``-i``), call numbers (``-n``) and call stacks (``-k``). A call that the log interrupts for another
process (``<unfinished ...>``, ``<... mmap resumed>``) is put back together.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pfnlab.export.printed_values import arguments_in, end_of_string


class LoggedCall(NamedTuple):
    """A system call in a log.

    :param pid: the process or thread; None if the log has only one
    :param line: the line with its result, counted from 1
    :param begun: the line where it starts
    :param arguments: as printed, without the commas between them
    :param value: the number returned; None if the call never returned (``= ?``)
    :param errno: the name of the error; ``""`` on success
    :param path: the path of a descriptor that was returned (``-y``); ``""`` if not printed
    """

    pid: int | None
    line: int
    begun: int
    name: str
    arguments: tuple[str, ...]
    value: int | None
    errno: str = ""
    path: str = ""


class TracedEnd(NamedTuple):
    """The end of a process or thread.

    :param signal: the signal that killed it; ``""`` if it exited
    """

    pid: int | None
    line: int
    signal: str


class UnreadLine(NamedTuple):
    """A line that is not a system call: output from the traced program, or damage."""

    line: int
    text: str


class InjectedCall(NamedTuple):
    """A call whose result strace made up: the kernel never ran it."""

    line: int
    text: str


LogEvent = LoggedCall | TracedEnd | UnreadLine | InjectedCall

#: The acting process, printed before the call: `[pid  123] `, `[pid 123<Xorg>] `, `123  `, `123<Xorg> `.
_PID = re.compile(r"\[pid\s+(\d+)(?:<[^>]*>)?\]\s+|(\d+)(?:<[^>]*>)?\s+(?=\S)")

#: Timestamps, in the -t, -tt, -ttt and -r formats, and in date format.
_STAMP = re.compile(
    r"(?:\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d{4})?\s+|\d{1,10}\.\d{3,9}\s+|\(\+\s*\d+\.\d+\)\s+"
)
_POINTER = re.compile(r"\[[0-9a-f?]{8,16}\]\s+")
_NUMBER = re.compile(r"\[\s*\d+\]\s+")
_CALL = re.compile(r"([a-z_][a-z0-9_]*)\(")
_RESUMED = re.compile(r"<\.\.\. ([a-z_][a-z0-9_]*) resumed>\s*(.*)\Z", re.DOTALL)
_ENDED = re.compile(r"\+\+\+ (?:exited with \d+|killed by (\w+)(?: \(core dumped\))?) \+\+\+\Z")
_UNFINISHED = re.compile(r"\s*<unfinished \.\.\.>\Z")
_RESULT = re.compile(
    r"\)\s+= (?P<value>0x[0-9a-f]+|0[0-7]+|0|-?[1-9]\d*|\?)(?P<path><.*>)?(?: (?P<errno>E[A-Z0-9]+)\b)?"
    r"(?:\s+\(.*\))?(?:\s+<\d+\.\d+>)?\Z",
    re.DOTALL,
)
_INJECTED = re.compile(r"\(INJECTED\)(?:\s+<\d+\.\d+>)?\Z")
#: Lines from strace itself, and those for signals and call stacks, which do not change memory.
_NOTHING = re.compile(
    r"strace: |--- .* ---\Z|\+\+\+ superseded by |<detached \.\.\.>|<\.\.\. resuming "
    r"|\[ Process PID=\d+ runs in |> (?:\S.* )?\[0x[0-9a-f]+\]"
)
#: The names of the same calls on other architectures.
_SAME = {"old_mmap": "mmap"}

#: Errors of calls that the kernel restarts, or that a signal ended, without any effect.
RESTARTED = frozenset({"ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ERESTART_RESTARTBLOCK"})


def looks_like_strace(text: str) -> bool:
    """True if one of the first non-empty lines is a logged system call with its result."""
    lines = [line for line in text[: 1 << 16].splitlines() if line.strip()][:50]
    return any(isinstance(event, LoggedCall) for event in events_of(lines))


def events_of(lines: Iterable[str]) -> Iterator[LogEvent]:
    """The calls in a log, in the order of their results.

    A call at the end of the log that has no result is left out.
    """
    waiting: dict[int | None, tuple[int, str]] = {}
    for number, raw in enumerate(lines, 1):
        pid, text = _without_prefix(raw.rstrip("\n").removeprefix("\ufeff"))
        if not text or _NOTHING.match(text):
            continue
        ended = _ENDED.match(text)
        if ended is not None:
            yield TracedEnd(pid, number, ended[1] or "")
            continue
        begun = number
        resumed = _RESUMED.match(text)
        if resumed is not None:
            if pid not in waiting:
                yield UnreadLine(number, text)
                continue
            begun, first = waiting.pop(pid)
            text = first + resumed[2]
        elif _UNFINISHED.search(text) and _CALL.match(text):
            waiting[pid] = number, _UNFINISHED.sub("", text)
            continue
        call = _call(text, pid, number, begun)
        if call is not None and _INJECTED.search(text):
            yield InjectedCall(number, text)
        else:
            yield UnreadLine(number, text) if call is None else call


def _without_prefix(text: str) -> tuple[int | None, str]:
    """The process that a line belongs to, and the rest of the line from the call on."""
    pid: int | None = None
    rest = text.lstrip()
    while rest:
        stamp = _STAMP.match(rest) or _POINTER.match(rest) or _NUMBER.match(rest)
        who = None if stamp or pid is not None else _PID.match(rest)
        if who is not None:
            pid = int(who[1] or who[2])
        found = stamp or who
        if found is None:
            break
        rest = rest[found.end() :]
    return pid, rest.rstrip()


def _call(text: str, pid: int | None, line: int, begun: int) -> LoggedCall | None:
    head = _CALL.match(text)
    if head is None:
        return None
    split = arguments_in(text, head.end(), _behind_text)
    if split is None:
        return None
    arguments, end = split
    result = _RESULT.match(text, end)
    if result is None:
        return None
    told = result["value"]
    # A mask is printed in octal digits, e.g. 022.
    value = None if told == "?" else int(told, 8 if told[:1] == "0" and told[1:2].isdigit() else 0)
    path = (result["path"] or "")[1:-1]
    return LoggedCall(
        pid, line, begun, _SAME.get(head[1], head[1]), arguments, value, result["errno"] or "", path
    )


def _behind_text(text: str, at: int) -> int:
    """The index after a string, a descriptor's path or a comment that starts at *at*; otherwise *at*."""
    if text[at] == '"':
        return end_of_string(text, at)
    if text[at] == "<" and _is_path(text, at):
        return _end_of_path(text, at)
    if text.startswith("/*", at):
        return max(text.find("*/", at), at) + 2
    return at


def _is_path(text: str, at: int) -> bool:
    """True for a descriptor's path (``3</dev/mem>``), but not for ``21<<MAP_HUGE_SHIFT``."""
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    return (before.isdigit() or before == "D") and after not in ("<", "=", " ", "")


def _end_of_path(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        if text[at] == "<":
            depth += 1
        elif text[at] == ">" and text[at - 1] not in "-=":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return at
