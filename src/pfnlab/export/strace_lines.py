"""The lines of an strace log: each system call with its process, arguments and result, and their values.

This reads logs from ``strace``, ``strace -f`` and ``strace-log-merge``, with or without descriptor paths
(``-y``, ``-yy``), timestamps (``-t``, ``-tt``, ``-ttt``, ``-r``, ``-T``), command names (``-Y``), instruction
pointers (``-i``), call numbers (``-n``) and call stacks (``-k``). A call that the log interrupts for another
process (``<unfinished ...>``, ``<... mmap resumed>``) is put back together.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import NamedTuple


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

    @property
    def got(self) -> int | None:
        """The number returned; None if the call failed, or never returned."""
        return None if self.value is None or self.value < 0 else self.value

    def says(self, more: str = "") -> str:
        """The comment for its operation: its lines in the log, and its error."""
        place = f"line {self.line}" if self.begun == self.line else f"lines {self.begun} and {self.line}"
        return ": ".join(filter(None, (place, ", ".join(filter(None, (self.errno, more))))))


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
    split = _arguments_in(text, head.end())
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


def _arguments_in(text: str, start: int) -> tuple[tuple[str, ...], int] | None:
    """The arguments from *start* on, and the index of the closing bracket; or None."""
    found: list[str] = []
    open_: list[str] = []
    begin = at = start
    while at < len(text):
        behind = _behind_text(text, at)
        if behind > at:
            at = behind
            continue
        letter = text[at]
        if letter in _CLOSING:
            open_.append(_CLOSING[letter])
        elif open_ and letter == open_[-1]:
            open_.pop()
        elif letter in ",)" and not open_:
            found.append(text[begin:at].strip())
            begin = at + 1
            if letter == ")":
                return tuple(word for word in found if word or len(found) > 1), at
        at += 1
    return None


def _end_of_string(text: str, at: int) -> int:
    """The index after the string that starts at *at* with the quote there."""
    quote = text[at]
    at += 1
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _behind_text(text: str, at: int) -> int:
    """The index after a string, a descriptor's path or a comment that starts at *at*; otherwise *at*."""
    if text[at] == '"':
        return _end_of_string(text, at)
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


_DESCRIPTOR = re.compile(r"(-?\d+|AT_FDCWD|0xffffff9c)(?:<(.*)>)?\Z", re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?\Z', re.DOTALL)
_ESCAPED = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}

#: The start of a path that is relative to the working directory.
AT_FDCWD = -100

#: mmap(2) bits on x86.
PROT = {"PROT_NONE": 0, "PROT_READ": 1, "PROT_WRITE": 2, "PROT_EXEC": 4}
MAP = {
    **{"MAP_SHARED": 0x01, "MAP_PRIVATE": 0x02, "MAP_SHARED_VALIDATE": 0x03, "MAP_FIXED": 0x10},
    **{"MAP_ANONYMOUS": 0x20, "MAP_32BIT": 0x40, "MAP_GROWSDOWN": 0x100, "MAP_DENYWRITE": 0x800},
    **{"MAP_EXECUTABLE": 0x1000, "MAP_LOCKED": 0x2000, "MAP_NORESERVE": 0x4000},
    **{"MAP_POPULATE": 0x8000, "MAP_NONBLOCK": 0x10000, "MAP_STACK": 0x20000, "MAP_HUGETLB": 0x40000},
    **{"MAP_SYNC": 0x80000, "MAP_FIXED_NOREPLACE": 0x100000},
}
MREMAP = {"MREMAP_MAYMOVE": 1, "MREMAP_FIXED": 2, "MREMAP_DONTUNMAP": 4}
OPEN = {
    **{"O_RDONLY": 0, "O_WRONLY": 1, "O_RDWR": 2, "O_SYNC": 0o4010000, "O_DSYNC": 0o10000},
    "O_CLOEXEC": 0o2000000,
}
MLOCKALL = {"MCL_CURRENT": 1, "MCL_FUTURE": 2, "MCL_ONFAULT": 4}
MSYNC = {"MS_ASYNC": 1, "MS_INVALIDATE": 2, "MS_SYNC": 4}
CLONE = {
    **{"CLONE_VM": 0x100, "CLONE_FILES": 0x400, "CLONE_PIDFD": 0x1000, "CLONE_VFORK": 0x4000},
    "CLONE_THREAD": 0x10000,
}


def number(text: str) -> int | None:
    """A number or address, where ``NULL`` is 0; None if it is not a number."""
    word = _COMMENT.sub("", text).strip()
    if word == "NULL":
        return 0
    if re.fullmatch(r"0[0-7]+", word):
        return int(word, 8)
    try:
        return int(word, 0)
    except ValueError:
        # A product, such as a size in pages printed by strace: 4*4096.
        factors = [part.strip() for part in word.split("*")]
        is_product = len(factors) > 1 and all(part.isdigit() for part in factors)
        return prod(map(int, factors)) if is_product else None


def bits(text: str, names: Mapping[str, int]) -> tuple[int, tuple[str, ...]]:
    """Flags as a number, and the words that are not in *names*."""
    value = 0
    unknown = []
    for part in _COMMENT.sub("", text).split("|"):
        word = part.strip()
        if word in names:
            value |= names[word]
        elif (found := number(word)) is not None:
            value |= found
        elif word:
            unknown.append(word)
    return value, tuple(unknown)


def descriptor(text: str) -> tuple[int, str] | None:
    """A descriptor and its path (``""`` if not printed); None if it is not a descriptor."""
    found = _DESCRIPTOR.match(text.strip())
    if found is None:
        return None
    word = found[1]
    value = int(word) if word.lstrip("-").isdigit() else AT_FDCWD
    return value, unescaped(found[2] or "").removesuffix(" (deleted)").partition("<")[0]


def string(text: str) -> tuple[str, bool] | None:
    """A string, and whether it was printed in full; None if it is not a string."""
    found = _STRING.match(text.strip())
    return None if found is None else (unescaped(found[1]), found[2] is None)


def unescaped(text: str) -> str:
    """*text* with C escapes resolved."""
    return _ESCAPED.sub(_letter, text)


def _letter(found: re.Match[str]) -> str:
    word = found[1]
    if word[0] == "x" and len(word) == 3:
        return chr(int(word[1:], 16))
    if word.isdigit():
        return chr(int(word, 8) & 0xFF)
    return _LETTERS.get(word, word)


def prot_letters(value: int) -> str:
    """The program language's word for a protection."""
    return "".join(letter for bit, letter in ((1, "r"), (2, "w"), (4, "x")) if value & bit) or "none"
