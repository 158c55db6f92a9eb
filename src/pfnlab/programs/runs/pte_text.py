"""Page-table entries in the form of observations: raw bits to words, and equal neighbours to runs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import PteSeen
from pfnlab.programs.runs.texts import TableEntry
from pfnlab.units import PAGE_SHIFT, PHYSICAL_MASK

#: The target of an entry that maps ordinary RAM, whichever page it is.
RAM = Span("ram", 0, 0)

#: The modes of the eight PAT slots on a CPU with full PAT.
FULL_PAT = ("WB", "WC", "UC-", "UC", "WB", "WP", "UC-", "WT")

_PRESENT, _RW, _USER, _PWT, _PCD = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4
_ACCESSED, _DIRTY, _PAT, _PROTNONE, _SPECIAL, _PAT_LARGE = 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 12

#: The bits that words are made of; that of large leaves is a bit of the frame of small ones.
_BITS = _PRESENT | _RW | _USER | _PWT | _PCD | _ACCESSED | _DIRTY | _PAT | _PROTNONE | _SPECIAL | _PAT_LARGE

#: How many address bits one table level resolves.
_LEVEL_BITS = 9


def entry_text(raw: int, level: int) -> str:
    """
    The words of a raw entry, in the order of :class:`PteSeen`.

    :param raw: the entry as it stands in the table; 0 is no entry
    :param level: 1 is the 4K level, 2 and 3 are 2M and 1G leaves
    :return: ``L1 WC P RW US SPECIAL A D``, ``none@L1``, or ``swap@L1`` for an entry that is neither present
        nor PROT_NONE (swap entries, guard markers)
    """
    return _text(raw & _BITS if raw else None, level)


@lru_cache(maxsize=4096)
def _text(bits: int | None, level: int) -> str:
    # The frame is not among the bits, so there are few of them.
    if bits is None:
        return str(TableEntry(level, "", absent="none"))
    if not bits & (_PRESENT | _PROTNONE):
        return str(TableEntry(level, "", absent="swap"))
    flags = ["P" if bits & _PRESENT else "!P", "RW" if bits & _RW else "RO"]
    flags += [
        word
        for bit, word in ((_USER, "US"), (_SPECIAL, "SPECIAL"), (_ACCESSED, "A"), (_DIRTY, "D"))
        if bits & bit
    ]
    return str(TableEntry(level, cache_mode(bits, level), tuple(flags)))


def cache_mode(raw: int, level: int) -> str:
    """The cache mode a leaf selects; above the 4K level the PAT bit is bit 12 (bit 7 says leaf)."""
    pat = raw & (_PAT if level == 1 else _PAT_LARGE)
    return FULL_PAT[4 * bool(pat) + 2 * bool(raw & _PCD) + bool(raw & _PWT)]


def entry_pfn(raw: int, level: int) -> int:
    """The page frame a leaf maps first; an entry that is not present holds it inverted."""
    shift = PAGE_SHIFT + _LEVEL_BITS * (level - 1)
    mask = PHYSICAL_MASK >> shift << shift
    phys = raw & mask if raw & _PRESENT else ~raw & mask
    return phys >> PAGE_SHIFT


def is_special(raw: int) -> bool:
    """True where an entry is marked special: the page behind it must not be taken for an ordinary one."""
    return bool(raw & _SPECIAL)


def merge_ptes(ptes: Iterable[PteSeen]) -> tuple[PteSeen, ...]:
    """
    The same entries as maximal runs, the one form two machines are compared in.

    Pages of one task and area are put in ascending order; tasks and areas keep the order in which
    they first appear.
    """
    order: dict[tuple[str, str], int] = {}
    entries = list(ptes)
    for entry in entries:
        order.setdefault((entry.task, entry.span.name), len(order))
    entries.sort(key=lambda entry: (order[entry.task, entry.span.name], entry.span.start))
    runs: list[PteSeen] = []
    for _, group in groupby(entries, key=lambda entry: (entry.task, entry.span.name)):
        first = len(runs)
        for entry in group:
            if len(runs) > first and _continues(runs[-1], entry):
                runs[-1] = _joined(runs[-1], entry)
            else:
                runs.append(entry)
    return tuple(runs)


def _continues(run: PteSeen, entry: PteSeen) -> bool:
    # Whether entry is the next page(s) of the run: adjacent, same words, target following on.
    if run.entry != entry.entry or run.span.end != entry.span.start:
        return False
    if run.target is None or entry.target is None or run.target == RAM or entry.target == RAM:
        return run.target == entry.target
    return run.target.name == entry.target.name and run.target.end == entry.target.start


def _joined(run: PteSeen, entry: PteSeen) -> PteSeen:
    # The run with entry appended.
    span = Span(run.span.name, run.span.start, entry.span.end)
    target = run.target
    if target is not None and entry.target is not None and target != RAM:
        target = Span(target.name, target.start, entry.target.end)
    return PteSeen(run.task, span, target, run.entry)
