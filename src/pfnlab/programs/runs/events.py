"""The steps inside one operation, in one form for models and kernels: ``clear a[3]``, ``flush a[3:5]``.

Each word stands for one kernel function, or for several that replaced each other over time (the
lab has the table of symbols). Events with no argument, like ``gather``, are ones that a tracer
cannot assign to a VMA either.

The core order is what a tracer sees, reduced to these words. It keeps splits, clearing, tracking, flushes,
entering and leaving the file's reverse map, and freeing. The rest (locks, inlined wrappers, re-linking inside
a split) varies between builds and does not matter for the order.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Literal, TypeVar

from pfnlab.base.trace import Event
from pfnlab.programs.runs.observation import PHYSICAL
from pfnlab.programs.runs.places import Places

Argument = Literal["none", "area", "area range", "device"]

#: Every event: the word that observations use, and the kind of its argument.
EVENTS: dict[str, tuple[str, Argument]] = {
    "split": ("split", "area"),
    "dup": ("dup", "area"),
    "remap": ("remap", "area"),
    "track": ("track", "area"),
    "track_pfn": ("track", "device"),
    "track_copy": ("track_copy", "area"),
    "track_clear": ("track_clear", "area"),
    "untrack": ("untrack", "area"),
    "untrack_copy": ("untrack_copy", "area"),
    "untrack_pfn": ("untrack", "device"),
    "ctx_release": ("ctx_release", "none"),
    "memtype_reserve": ("reserve", "device"),
    "memtype_erase": ("erase", "device"),
    "memtype_kernel_map_sync": ("map_sync", "device"),
    "link": ("link", "area"),
    "unlink": ("unlink", "area"),
    "gather": ("gather", "none"),
    "gather_full": ("gather_full", "none"),
    "clear": ("clear", "area"),
    "flush": ("flush", "area range"),
    "flush_all": ("flush all", "none"),
    "free_pgtables": ("free_pgtables", "none"),
    "finish": ("finish", "none"),
    "free": ("free", "area"),
    "copy_vma": ("copy_vma", "area"),
    "move_tables": ("move_tables", "none"),
    "copy_range": ("copy_range", "area"),
    "change_prot": ("change_prot", "area"),
    "fault": ("fault", "area"),
    "wp_fault": ("wp_fault", "area"),
    "pte_clear_flush": ("pte_clear_flush", "area"),
    "exec_begin": ("exec_begin", "none"),
    "exec_done": ("exec_done", "none"),
}


#: The page frame at 1 MiB. From here on, memory reserved in the book is never RAM in the direct map, so
#: `map_sync` returns at once for it and is not reported.
_LOW_END = 0x100


def without_own_tables(texts: Iterable[str | None]) -> tuple[str, ...]:
    """Remove the freeing of page tables by an address space in which the program maps nothing."""
    words, cleared = [], True
    for text in texts:
        if text is None or (text == "free_pgtables" and not cleared):
            continue
        cleared = text != "gather_full" and (cleared or text == "finish" or text.startswith("clear "))
        words.append(text)
    return tuple(words)


def event_text(event: Event, places: Places) -> str | None:
    """The text of one event, with its argument in pages of the program's areas and devices.

    The result is None for an event at an address outside the areas, and for a flush that overlaps no area,
    since a tracer cannot tell it from flushes of the process's own memory. It is also None for a call to
    update the direct map that finds nothing there (S2.8.1).
    """
    word, argument = EVENTS[event.name]
    if argument == "none":
        # In a tracer, some events have an address that is not part of the text.
        own = event.start and places.area_span(event.start, event.start + 1) is None
        return None if own else word
    if event.name == "memtype_kernel_map_sync" and event.start >= _LOW_END:
        return None
    if argument == "device":
        span = places.device_span(event.start, event.start + 1)
        # A driver maps RAM at an address that differs between machines.
        if span.name == PHYSICAL:
            return f"{word} {PHYSICAL}"
        return f"{word} {span.name}[{span.start}]"
    if argument == "area range":
        place = places.flushed_span(event.start, event.end)
        return f"{word} {place}" if place else None
    place = places.area_span(event.start, event.start + 1)
    return f"{word} {place.name}[{place.start}]" if place else None


def is_flush(text: str) -> bool:
    """True if an event's text is a single TLB flush."""
    return text.startswith("flush ")


T = TypeVar("T")

#: The tracer's names where they differ from the words used here.
_OTHER_WORDS = {"free_now": "free", "rmap_add": "link", "rmap_del": "unlink"}

#: Words for which there is no single tracer name: the one for `clear` varies, and a whole flush
#: is a flush everywhere.
_OWN_WORDS = {"link", "unlink", "clear", "flush all"}

_WORDS = _OTHER_WORDS | {word: word for word, _ in EVENTS.values() if word not in _OWN_WORDS}

#: Events between a split and the end of its re-linking; a tracker may reserve the parts before VMAs change.
_IN_SPLIT = (
    *("dup", "anon_clone", "vma_adjust", "rmap_add", "rmap_del", "flush"),
    *("track", "track_clear", "untrack", "reserve", "erase", "map_sync"),
)

#: Events that never happen between the gather and the finish of a file that zaps the new part of a split.
_NOT_IN_SPLIT = ("rmap_add", "rmap_del", "free_pgtables", "change_prot")


def _zaps(events: Sequence[tuple[str, T]]) -> bool:
    """True if the gather at the start of *events* finishes before anything else happens."""
    names = [name for name, _ in events]
    inside = names[: names.index("finish")] if "finish" in names else names
    return not any(name in _NOT_IN_SPLIT for name in inside)


def core_order(events: Sequence[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """The core order of *events*, which have the tracer's names and details, in the words used here."""
    # From 7.1 on, the two functions that clear a VMA are a single one, with the name of the outer one.
    clear = "zap_range" if any(name == "zap_range" for name, _ in events) else "zap_vma"
    splitting = zapping = False
    # Checked once for each run of changes to reverse maps, when the first VMA leaves one.
    relinking: bool | None = None
    for at, (name, rest) in enumerate(events):
        zapping = (zapping and name != "finish") or (splitting and name == "gather" and _zaps(events[at:]))
        splitting = name == "split" or (splitting and (zapping or name in (*_IN_SPLIT, "finish")))
        if name not in ("rmap_add", "rmap_del"):
            relinking = None
        elif name == "rmap_del" and relinking is None:
            # VMAs merge: some leave a reverse map, and one enters it again before anything else happens.
            names = (events[later][0] for later in range(at, len(events)))
            relinking = "rmap_add" in takewhile(("rmap_add", "rmap_del").__contains__, names)
        if name in ("rmap_add", "rmap_del") and (splitting or relinking):
            continue
        word = "clear" if name == clear else _WORDS.get(name)
        if word is not None:
            yield word, rest
