"""Alarms: a kernel's reports of its own faults.

The text comes from a console or a kernel log. An alarm is one report in it: the line that starts
it, its other lines, and its call trace. Several reports of one event, e.g. an oops and the
resulting panic, are one alarm.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from pfnlab.base.result import ALWAYS, Text

#: The kind of a plain WARN, which is not an alarm on its own because rules explain some WARNs.
WARN = "WARN"

#: Kinds of reports that something took too long. A held processor makes others wait, so these mean nothing in
#: a program that holds one.
STALLS = frozenset({"RCU stall", "hung task", "lockup"})

#: The largest number of lines stored from an alarm's log.
MOST_LINES = 160

# The largest distance between a report's lines and its head, not counting the call trace.
_PREAMBLE = 40
_BEFORE = 8
_STAMP = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")
_ADDRESS = re.compile(r"\b(?:0x[0-9a-f]+|(?=[0-9a-f]*\d)[0-9a-f]{8,16})\b")
_OFFSET = re.compile(r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?")
_SUFFIX = re.compile(r"\.(?:isra|constprop|part|cold|llvm)\b(?:\.\d+)?")
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
_PLACE = re.compile(r"(?<![\w./-])(?:/[\w./-]*/)?([\w.-][\w./-]*\.[ch]):\d+")
_TASK = re.compile(r"(?<=[ \[])[^\s\[/:]+[/:]\d+(?:/(?:0x)?[0-9a-f]+)?\b")
_TAINT = re.compile(r" \((?:Not t|T)ainted\b.*?\)")
_CUT = "[ cut here ]"
_END_TRACE = "---[ end trace"
_RIP = re.compile(r"^RIP: 0010:([A-Za-z_][\w.]*)\+0x")
_CALL = re.compile(r"^ +([A-Za-z_][\w.]*)\+0x")
_USER_RIP = re.compile(r"^RIP: 0033:")
_SECOND = re.compile(r"Fatal exception|panic_on_\w+|kasan\.fault|Aiee, killing interrupt handler")
_OOPS = re.compile(r"^(?:Oops: )?(?P<title>[\w -]+?)(?:,.*|: [\w -]+)?: [0-9a-f]{4} \[#\d+\]")

# Patterns for lines that start a report, with the kind of alarm unless the line names it;
# the first match counts.
_HEADS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("BUG", re.compile(r"^(?P<title>kernel BUG at \S+:\d+)!")),
    ("", re.compile(r"^(?P<title>BUG: (?P<kind>KASAN|KFENCE|KMSAN|KCSAN): .+)")),
    ("UBSAN", re.compile(r"^(?P<title>UBSAN: .+)")),
    ("oops", re.compile(r"^(?P<title>BUG: kernel NULL pointer dereference)")),
    ("oops", re.compile(r"^(?P<title>BUG: unable to handle (?:kernel )?[a-zA-Z ]+?)(?: for | at |:|$)")),
    ("oops", re.compile(r"^(?:traps: )?(?P<title>PANIC: double fault)")),
    ("oops", _OOPS),
    ("lockup", re.compile(r"^(?:watchdog: )?(?P<title>BUG: (?:soft|workqueue) lockup)")),
    ("lockup", re.compile(r"(?P<title>Watchdog detected hard LOCKUP)")),
    ("", re.compile(r"^(?P<title>BUG: (?P<kind>Bad page (?:state|map|cache)))")),
    ("bad rss-counter", re.compile(r"^(?P<title>BUG: Bad rss-counter state)(?:.*?(?P<more> type:\w+))?")),
    ("", re.compile(r"^\S+\.[ch]:\d+: (?P<title>(?P<kind>bad (?:pgd|p4d|pud|pmd|pte)))\b")),
    ("BUG", re.compile(r"^(?P<title>BUG: .+|BUG [\w-]+ .*\): .+)")),
    (
        "lockdep",
        re.compile(
            r"^(?P<title>WARNING: (?:possible|inconsistent|bad unlock|held lock|lock held|suspicious RCU"
            r"|Nested lock|\S+ lock order).*)"
        ),
    ),
    ("RCU stall", re.compile(r"^(?:rcu: )?(?P<title>INFO: .*stall(?:s|ed)?\b)")),
    ("hung task", re.compile(r"^(?P<title>INFO: task \S+:\d+ blocked for more than)")),
    ("panic", re.compile(r"^(?P<title>Kernel panic - not syncing: .*)")),
)
_WARN_FUNCTION = re.compile(r"\.[ch]:\d+(?: at)? ([A-Za-z_][\w.]*)\+0x")
_OF_ONE_LINE = re.compile(r"bad (?:pgd|p4d|pud|pmd|pte|rss-counter)")
_SANITIZERS = ("KASAN", "KFENCE", "KMSAN", "KCSAN")


class Alarm(msgspec.Struct, frozen=True):
    """A problem that the kernel reported about itself.

    :param kind: its kind, as listed in docs/alarms.md
    :param title: the kernel's own title, without addresses and numbers
    :param step: the index of the operation during which it appeared, from 0; null if it came
        before the first operation
    :param op: that operation
    :param log: the kernel's output, with the call trace
    """

    #: :data:`WARN`, one of :data:`STALLS`, or a kind in the list of patterns above.
    kind: Text
    #: One line, with the function that the report came from.
    title: Text
    step: Annotated[int | None, ALWAYS, Meta(extra_json_schema={"minimum": 0})] = None
    #: Empty if unknown.
    op: Annotated[str, ALWAYS] = ""
    #: Without timestamps.
    log: Annotated[tuple[str, ...], ALWAYS] = ()


def when(alarm: Alarm) -> str:
    """The time of an alarm in words: ``in step 2, munmap a``."""
    return f"in step {alarm.step + 1}, {alarm.op}" if alarm.step is not None else "before the first step"


def warning_line(alarm: Alarm) -> str | None:
    """The line that observations have for *alarm*, which is a WARN."""
    return next((line for line in map(warning, alarm.log) if line is not None), None)


class _Report(msgspec.Struct):
    # A report that has started: the positions of its first line and its head.
    kind: str
    title: str
    start: int
    head: int


def alarms_in(lines: Iterable[str]) -> tuple[Alarm, ...]:
    """The alarms in *lines* from a console or kernel log, with or without timestamps, in order.

    Their operations are unknown.
    """
    texts = [_STAMP.sub("", line.rstrip()) for line in lines]
    found: list[_Report] = []
    for at, text in enumerate(texts):
        head = _head(text)
        if head is not None and not (found and _goes_on(found[-1], texts[found[-1].head + 1 : at], *head)):
            found.append(_Report(*head, _start(texts, at, found[-1].head if found else -1), at))
    ends = [*(following.start for following in found[1:]), len(texts)]
    return tuple(_alarm(report, texts, end) for report, end in zip(found, ends, strict=False))


def first_alarm(alarms: Iterable[Alarm]) -> Alarm | None:
    """The first of *alarms* that is an alarm on its own, i.e. not a WARN.

    A stall is chosen only if there is no other alarm: after an oops, tasks wait for locks that it never
    released, and a panic may be the response to a stall.
    """
    found = [alarm for alarm in alarms if alarm.kind != WARN]
    causes = (alarm for alarm in found if alarm.kind not in STALLS and alarm.kind != "panic")
    return next(causes, found[0] if found else None)


def _head(text: str) -> tuple[str, str] | None:
    # The kind and title given by a line that starts a report.
    place = warning(text)
    if place is not None:
        function = _WARN_FUNCTION.search(text)
        kind = "refcount" if place.endswith("lib/refcount.c") else WARN
        return kind, place + (f" in {_SUFFIX.sub('', function[1])}" if function else "")
    for kind, pattern in _HEADS:
        match = pattern.search(text)
        if match is not None:
            groups = match.groupdict()
            kind = (groups.get("kind") or kind).replace("Bad", "bad")
            return kind, _plain(match["title"] + (groups.get("more") or ""))
    return None


def _goes_on(last: _Report, between: Sequence[str], kind: str, title: str) -> bool:
    # True if a head continues the report before it: the oops of a BUG, or the panic after an oops.
    if kind == "panic":
        return _SECOND.search(title) is not None or last.kind == "panic"
    ended = any(line.startswith(_END_TRACE) for line in between)
    return kind == "oops" and not ended and last.kind in ("BUG", "oops", *_SANITIZERS)


def _start(texts: Sequence[str], head: int, previous: int) -> int:
    # The start of a report, whose head may come after other messages.
    for at in range(head - 1, max(previous, head - _BEFORE - 1), -1):
        if _CUT in texts[at]:
            return at
        if is_dump(texts[at]):
            break
    return head


def _alarm(report: _Report, texts: Sequence[str], end: int) -> Alarm:
    lines = texts[report.head : end]
    title = report.title
    if report.kind in ("oops", "BUG") and " in " not in title:
        function = _function(lines)
        title += f" in {function}" if function else ""
    messages = [line for line in texts[report.start : report.head] if _CUT not in line]
    if messages:
        title += f": {_plain(messages[-1])}"
    log = (*texts[report.start : report.head], *_extent(report.kind, lines))
    return Alarm(report.kind, title, log=tuple(log[:MOST_LINES]))


def _extent(kind: str, lines: Sequence[str]) -> Iterator[str]:
    # The lines that belong to a report: the first is its head, and nothing else is reported before the last.
    if _OF_ONE_LINE.fullmatch(kind):
        yield lines[0]
        return
    traced = any(line.startswith("Call Trace") for line in lines[: _PREAMBLE + MOST_LINES])
    phase = "preamble" if traced else "dump"
    yield lines[0]
    for line in lines[1:]:
        if _head(line) is not None:
            # A line about the same event: text after the end of the trace repeats it.
            yield line
            phase = phase if phase != "over" else "after"
        elif phase == "over":
            continue
        elif line.startswith(_END_TRACE) or (kind in _SANITIZERS and line.startswith("=====")):
            yield line
            phase = "over"
        elif kind in _SANITIZERS or phase == "preamble" or is_dump(line):
            yield line
        else:
            # Another message; this report's panic may still follow.
            phase = "over"
        if line.startswith("Call Trace"):
            phase = "dump"


def _function(lines: Sequence[str]) -> str | None:
    # A report's function: the one that the processor was executing, or else the innermost caller.
    for line in lines:
        rip = _RIP.match(line)
        if rip:
            return _SUFFIX.sub("", rip[1])
        if _USER_RIP.match(line) or line.startswith(_END_TRACE):
            break
    calls = (call[1] for call in map(_CALL.match, lines) if call)
    return next((_SUFFIX.sub("", name) for name in calls), None)


def _plain(text: str) -> str:
    # A title without addresses, numbers, source lines and task numbers.
    text = _PLACE.sub(r"\1", text)
    text = _TAINT.sub("", _OFFSET.sub("", text))
    text = _TASK.sub("TASK", text)
    text = _ADDRESS.sub("ADDR", text)
    text = _SUFFIX.sub("", text)
    return _NUMBER.sub("N", re.sub(r" +\[[\w.-]+\]", "", text)).strip()


_DUMP = re.compile(
    r"cut here|^---\[ end|^Modules linked in|^CPU: |^Hardware name|^Code: |^Call Trace|^Tainted|^Oops"
    r"|^\s*</?(TASK|IRQ|NMI)>|other lines\)|^irq event|irqs last |^ ?kernfs|^RIP "
    r"|^(RIP|RSP|RAX|RBX|RCX|RDX|RSI|RDI|RBP|R\d\d|FS|GS|CS|DS|ES|CR\d|DR\d|PKRU|EFLAGS|ORIG_RAX)\s*:"
    r"|^\s+\??\s*[\w.]+(\+0x[0-9a-f]+/0x[0-9a-f]+|$)"
)

_WARNING = re.compile(r"^WARNING: .*?(?<![\w./-])(?:/[\w./-]*/)?([\w.-][\w./-]*\.[ch]):\d+")


def warning(line: str) -> str | None:
    """The observed form of a WARN's head, ``WARNING: mm/memory.c:2345 at ...``; None for other lines."""
    head = _WARNING.match(line)
    return f"WARNING at {head[1]}" if head else None


def is_dump(line: str) -> bool:
    """True if *line* is part of a register dump or call trace."""
    return _DUMP.search(line) is not None
