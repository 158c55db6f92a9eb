"""The core order: the events of a tracer, reduced to the words of :mod:`pfnlab.programs.runs.events`.

Kept are splits, clearing, tracking, flushes, entering and leaving the file's reverse map, freeing. The
rest (locks, inlined wrappers, re-linking inside a split) differs between builds without saying anything
about the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from pfnlab.programs.runs.events import EVENTS

T = TypeVar("T")

#: The tracer's names that are not our words.
_OTHER_WORDS = {"free_now": "free", "rmap_add": "link", "rmap_del": "unlink"}

#: Our words without a name of the tracer: that of `clear` depends, a whole flush is a flush everywhere.
_OWN_WORDS = {"link", "unlink", "clear", "flush all"}

_WORDS = _OTHER_WORDS | {word: word for word, _ in EVENTS.values() if word not in _OWN_WORDS}

#: Events between a split and the end of its re-linking.
_IN_SPLIT = ("dup", "anon_clone", "vma_adjust", "rmap_add", "rmap_del", "flush")

#: Events that never happen between the gather and the finish of a file that zaps the new part of a split.
_NOT_IN_SPLIT = ("rmap_add", "rmap_del", "free_pgtables", "change_prot")


def _zaps(events: Sequence[tuple[str, T]]) -> bool:
    """True where the gather that *events* begin with is over before anything else happens."""
    names = [name for name, _ in events]
    inside = names[: names.index("finish")] if "finish" in names else names
    return not any(name in _NOT_IN_SPLIT for name in inside)


def core_order(events: Sequence[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """The core order of *events*, each the tracer's name with its detail, in our words."""
    # From 7.1 on the two functions that clear a VMA are one, under the outer one's name.
    clear = "zap_range" if any(name == "zap_range" for name, _ in events) else "zap_vma"
    splitting = zapping = False
    for at, (name, rest) in enumerate(events):
        zapping = (zapping and name != "finish") or (splitting and name == "gather" and _zaps(events[at:]))
        splitting = name == "split" or (splitting and (zapping or name in (*_IN_SPLIT, "finish")))
        if splitting and name in ("rmap_add", "rmap_del"):
            continue
        word = "clear" if name == clear else _WORDS.get(name)
        if word is not None:
            yield word, rest
