"""The order of kernel calls in an operation: which functions to probe in each kernel, and trace parsing.

``order_symbols.json`` lists, for every event in recorded orders, the functions for it in each series, and
where their arguments are: ``address`` is a virtual byte, ``start`` and ``end`` a range of virtual bytes,
``byte`` a physical byte, ``pfn`` a page frame, ``mm`` the address space. In every series, vm_start is first
in ``struct vm_area_struct`` and vm_mm is at 16; in ``struct mmu_gather``, mm is first.
"""

import functools
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib import resources

import msgspec

from pfnlab.base.errors import Defect
from pfnlab.base.trace import Event
from pfnlab.base.units import PAGE_SHIFT, pages_of, phys_to_pfn
from pfnlab.programs.runs.events import EVENTS, core_order, event_text, without_own_tables
from pfnlab.programs.runs.places import Places

#: The guest sends this line if its buffer has overflowed and events were lost.
LOST = "lost"

#: The end of a range that covers the whole address space.
_TLB_FLUSH_ALL = (1 << 64) - 1

#: The model's event for a word, and the kind of argument it has.
_EVENT_NAMES = {wording: name for name, wording in EVENTS.items()}

#: Functions that have no address argument but work on a single address space.
_OF_A_SPACE = frozenset({"gather", "gather_full", "free_pgtables", "finish"})


class EventSymbol(msgspec.Struct, frozen=True, rename={"first": "from", "last": "to"}):
    """A kernel function that implements an event, from series *first* to *last* where given.

    :param arguments: the location of each kind of argument in the function, in the syntax of kprobe events
    """

    symbol: str
    first: str | None = None
    last: str | None = None
    arguments: dict[str, str] = {}

    def stands_in(self, release: str) -> bool:
        """True if it implements the event in the kernel *release*."""
        at = _version(release)
        return (not self.first or _version(self.first) <= at) and (not self.last or at <= _version(self.last))


@functools.cache
def symbols() -> dict[str, list[EventSymbol]]:
    """The functions for every event, by the name that recorded orders use for the event."""
    text = (resources.files("pfnlab.lab.vm") / "order_symbols.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, list[EventSymbol]])


def _implementations(release: str) -> Iterator[EventSymbol]:
    """The functions that implement events in the kernel *release*."""
    for functions in symbols().values():
        yield from (function for function in functions if function.stands_in(release))


def address_of(symbol: str, release: str) -> str | None:
    """The location of the virtual address that a kernel function works on, in kprobe syntax, or None."""
    candidates = (function for function in _implementations(release) if function.symbol == symbol)
    return next((function.arguments.get("address") for function in candidates), None)


def trace_request(release: str) -> str:
    """The request that prepares a guest with kernel *release* to observe orders (``guest/PROTOCOL.md``)."""
    probes = (
        " ".join(["probe", function.symbol, *function.arguments.values()])
        for function in _implementations(release)
    )
    return "\n".join(["trace", *probes, ""])


def probed(release: str) -> frozenset[str]:
    """The functions that are probed in kernel *release*."""
    return frozenset(function.symbol for function in _implementations(release))


def unobserved(release: str, uncalled: Collection[str]) -> frozenset[str]:
    """The words for events that cannot be observed in kernel *release* if it never calls *uncalled*."""
    return frozenset(
        word
        for word, functions in symbols().items()
        if (implementations := [function.symbol for function in functions if function.stands_in(release)])
        and set(implementations) <= set(uncalled)
    )


def read_order(lines: Iterable[str], places: Places) -> tuple[str, ...] | None:
    """The core order in *lines*, the ``e`` lines of one step, in the terms of observations.

    Calls for the acting task's own memory outside the program's areas are skipped. So are calls for a second
    address space of that task: the one that exec builds, or a copy that fork discards.

    :return: None if the guest lost events
    :raises ValueError: if a line is invalid
    :raises KeyError: if a line names a function that was not probed
    """
    lines = list(lines)
    if LOST in lines:
        return None
    calls = [_read(line) for line in lines]
    named_calls = [(call.event, call) for call in _program_calls(calls, places)]
    return without_own_tables(_text(word, call, places) for word, call in core_order(named_calls))


@dataclass(frozen=True)
class _Call:
    event: str
    arguments: dict[str, int]


@functools.cache
def _by_symbol() -> dict[str, tuple[str, tuple[str, ...]]]:
    return {
        function.symbol: (name, tuple(function.arguments))
        for name, functions in symbols().items()
        for function in functions
    }


def _read(line: str) -> _Call:
    symbol, *values = line.split()
    event, kinds = _by_symbol()[symbol]
    numbers = [int(value, 16) for value in values]
    return _Call(event, dict(zip(kinds, numbers, strict=True)))


def _program_calls(calls: list[_Call], places: Places) -> Iterator[_Call]:
    living_spaces, dying_spaces = _spaces(calls, "dup"), _spaces(calls, "gather_full")
    execs = any(call.event == "exec_begin" for call in calls)
    for call in calls:
        mm = call.arguments.get("mm")
        if call.event == "flush":
            # A flush of a whole address space counts for the parent in fork, and for the dying
            # space in exit and exec.
            counted_spaces = dying_spaces if execs else living_spaces or dying_spaces or {mm}
            if _is_whole(call) and mm not in counted_spaces:
                continue
        elif call.event in _OF_A_SPACE:
            if execs and mm not in dying_spaces:
                continue
        elif "address" in call.arguments:
            page = call.arguments["address"] >> PAGE_SHIFT
            if places.area_span(page, page + 1) is None:
                continue
        yield call


def _spaces(calls: list[_Call], event: str) -> set[int | None]:
    return {call.arguments.get("mm") for call in calls if call.event == event}


def _is_whole(call: _Call) -> bool:
    return call.arguments["end"] == _TLB_FLUSH_ALL


def _text(word: str, call: _Call, places: Places) -> str | None:
    arguments = call.arguments
    if word == "flush" and _is_whole(call):
        event = Event("flush_all")
    elif word == "flush":
        pages = arguments["start"] >> PAGE_SHIFT, pages_of(arguments["end"])
        event = Event(_EVENT_NAMES[word, "area range"], *pages)
    elif (word, "none") in _EVENT_NAMES:
        event = Event(_EVENT_NAMES[word, "none"])
    elif "address" in arguments:
        event = Event(_EVENT_NAMES[word, "area"], arguments["address"] >> PAGE_SHIFT)
    else:
        pfn = arguments["pfn"] if "pfn" in arguments else phys_to_pfn(arguments["byte"])
        event = Event(_EVENT_NAMES[word, "device"], pfn)
    return event_text(event, places)


def _version(text: str) -> tuple[int, int]:
    # From a series or a release: 6.12, 6.12.107+deb13-cloud-amd64.
    match = re.match(r"(\d+)\.(\d+)", text)
    if match is None:
        raise Defect(f"{text!r} is not a kernel release")
    return int(match[1]), int(match[2])
