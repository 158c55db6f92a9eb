"""The text of a syzkaller program: its calls, and the addresses in its comments.

The format is that of syzkaller's ``prog/encoding.go``: one call per line, ``r0 = openat(...)``; memory as
``&(0x7f0000000000/0x4000)=nil`` (address and size); strings in ``'...'``; and properties after the call, e.g.
``(fail_nth: 5)`` and ``(async)``. It names neither areas nor devices, so comments do::

    # bar: pci, 16 pages, from page 0 of BAR 2
    # a[0:16] is at 0x7f0000200000
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.base.units import PAGE_SIZE
from pfnlab.export.printed_values import arguments_in, end_of_string, unescaped
from pfnlab.programs.lang.areas import area_extents
from pfnlab.programs.lang.ops import END_KINDS, Device, DeviceKind, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import KINDS, page_count
from pfnlab.programs.runs.places import ISA_PFN, LOWMEM, PAST_END_PAGES, WINDOW_PAGES

#: The address of the data area in programs, and its number of pages.
DATA_START = 0x7F0000000000
DATA_PAGES = 4096


class SyzCall(NamedTuple):
    """A call in a syzkaller program.

    :param line: its line, counted from 1
    :param result: the variable that receives its result, ``r0``, or ``""``
    :param name: the name of the system call, without the variant after ``$``
    :param props: its properties, e.g. ``fail_nth: 5``
    """

    line: int
    result: str
    name: str
    arguments: tuple[str, ...]
    props: tuple[str, ...]


_HEAD = re.compile(r"(?:(r\d+) = )?([a-z_][a-z0-9_]*)(\$\w+)?\(")
_PROPS = re.compile(r"\s*(?:\(([a-z_]+(?:: \d+)?(?:, [a-z_]+(?:: \d+)?)*)\))?\s*\Z")
_POINTER = re.compile(r"&\((0x[0-9a-f]+)(?:/(0x[0-9a-f]+))?\)(?:=(.*))?\Z", re.DOTALL)
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'")


def looks_like_syz(text: str) -> bool:
    """True if the first non-empty line is a call in a syzkaller program."""
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    head = _HEAD.match(first)
    return head is not None and bool(head[1] or head[3] or re.search(r"0x|\(\)|nil|\br\d", first))


def calls_of(text: str, source: str) -> list[SyzCall]:
    """The calls in a program.

    :raises Misuse: if a line is not a call
    """
    calls = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line and not line.startswith("#"):
            calls.append(_call(line, number, source))
    return calls


def comments_of(text: str) -> list[str]:
    """The comments in a program, without the comment mark."""
    return [line.strip()[1:].strip() for line in text.splitlines() if line.strip().startswith("#")]


def address(argument: str) -> int | None:
    """The address in a pointer, or a plain number; None for anything else."""
    found = _POINTER.match(argument)
    if found is not None:
        return int(found[1], 16)
    try:
        return int(argument, 0)
    except ValueError:
        return 0 if argument == "nil" else None


def pointed_text(argument: str) -> str | None:
    """The string that a pointer refers to, up to its end; or None."""
    found = _POINTER.match(argument)
    text = _TEXT.match(found[3]) if found and found[3] else None
    return None if text is None else unescaped(text[1]).partition("\0")[0]


def pointed(argument: str) -> str:
    """The text that a pointer refers to, as written; may be empty."""
    found = _POINTER.match(argument)
    return (found[3] or "") if found is not None else ""


def members(text: str) -> tuple[str, ...]:
    """The members of a structure or an array; empty for anything else."""
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return ()
    split = arguments_in(f"{text[1:-1]})", 0, _behind_text)
    return () if split is None else split[0]


def _call(line: str, number: int, source: str) -> SyzCall:
    head = _HEAD.match(line)
    split = None if head is None else arguments_in(line, head.end(), _behind_text)
    props = None if split is None else _PROPS.match(line, split[1] + 1)
    if head is None or split is None or props is None:
        raise Misuse(f"{source}:{number}: this is not a call of a syzkaller program: {line[:60]}")
    said = tuple(filter(None, (props[1] or "").split(", ")))
    return SyzCall(number, head[1] or "", head[2], split[0], said)


def _behind_text(text: str, at: int) -> int:
    """The index after a string that starts at *at*; otherwise *at*."""
    return end_of_string(text, at) if text[at] in "'\"`" else at


#: Areas start at multiples of this number of pages, so that no two share a page table; the first such block
#: in the data area holds strings.
_ALIGN = 512

#: The pages that the fixed kinds of devices have in physical memory: RAM below 1 MiB that every PC has.
_FIXED = {"lowmem": LOWMEM.start, "isa": ISA_PFN}

_DEVICE = re.compile(
    r"([a-z][a-z0-9_]{0,11}): ([a-z]+), (\d+) pages?, from page (\d+) of (?:BAR \d|memory)\Z"
)
_AREA = re.compile(r"([a-z][a-z0-9_]{0,11})\[0:(\d+)\] is at (0x[0-9a-f]+)\Z")


class SyzPlaces(NamedTuple):
    """The addresses of all devices and areas.

    :param devices: each device with its first page, in the BAR or in physical memory
    :param areas: each area with its first address and its maximum number of pages
    """

    devices: tuple[tuple[Device, int], ...] = ()
    areas: tuple[tuple[str, int, int], ...] = ()

    def comments(self, bar: int) -> list[str]:
        """The comments that describe these addresses."""
        lines = []
        for device, first in self.devices:
            of = f"BAR {bar}" if device.kind == "pci" else "memory"
            size = page_count(device.pages)
            lines.append(f"{device.name}: {device.kind}, {size}, from page {first} of {of}")
        return lines + [f"{name}[0:{pages}] is at {start:#x}" for name, start, pages in self.areas]

    def address(self, span: Span) -> int:
        """The address of the first page of *span*, which is in an area."""
        return {name: start for name, start, _ in self.areas}[span.name] + span.start * PAGE_SIZE

    def span(self, kind: Iterable[DeviceKind], page: int, pages: int) -> Span | None:
        """The pages from *page* on, of a device of one of these kinds; None if none contains it."""
        for device, first in self.devices:
            if device.kind in kind and first <= page < first + device.pages + PAST_END_PAGES:
                return Span(device.name, page - first, page - first + pages)
        return None

    def pages_of(self, start: int, length: int) -> list[Span]:
        """The pages in areas between two addresses."""
        spans = []
        for name, first, pages in self.areas:
            low = max(0, (start - first) // PAGE_SIZE)
            high = min(pages, -(-(start + length - first) // PAGE_SIZE))
            if low < high or (length == 0 and 0 <= start - first < pages * PAGE_SIZE):
                spans.append(Span(name, low, max(low, high)))
        return spans


def places_for(program: Program, name: str) -> SyzPlaces:
    """Addresses for everything in *program*.

    :raises Undecided: if it needs more address space than a syzkaller program has, or
        memory without a fixed address
    """
    devices: list[tuple[Device, int]] = []
    page = 0
    for device in program.devices:
        if device.kind in END_KINDS:
            raise Undecided(
                f"{name}: the form syz has no place for `{device.name}`: the end of memory is the machine's"
            )
        if device.kind == "pci":
            devices.append((device, page))
            page += -(-(device.pages + PAST_END_PAGES) // WINDOW_PAGES) * WINDOW_PAGES
        else:
            devices.append((device, _FIXED[device.kind]))
    areas = []
    first = _ALIGN
    for area, pages in area_extents(program).items():
        areas.append((area, DATA_START + first * PAGE_SIZE, pages))
        first += (pages // _ALIGN + 1) * _ALIGN
    if first > DATA_PAGES:
        raise Undecided(
            f"{name}: its areas need {first} pages, and a syzkaller program has {DATA_PAGES}: map less"
        )
    return SyzPlaces(tuple(devices), tuple(areas))


def places_in(comments: Iterable[str]) -> SyzPlaces:
    """The addresses given in a syzkaller program's comments."""
    devices, areas = [], []
    for comment in comments:
        if (found := _DEVICE.match(comment)) and found[2] in KINDS:
            devices.append((Device(found[1], KINDS[found[2]], int(found[3])), int(found[4])))
        elif found := _AREA.match(comment):
            areas.append((found[1], int(found[3], 16), int(found[2])))
    return SyzPlaces(tuple(devices), tuple(areas))
