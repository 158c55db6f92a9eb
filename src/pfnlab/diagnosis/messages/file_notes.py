"""Notes about file rows: large reservations and overlapping MTRRs."""

from collections.abc import Sequence

from pfnlab.base.units import size_text
from pfnlab.diagnosis.messages.message_event import EventRow
from pfnlab.kernel.hw.cachemode import CacheMode

#: Minimum size of GPU memory or another large aperture.
LARGE_APERTURE = 128 << 20
#: Large entries below this address are mostly registers or configuration space.
_HIGH = 4 << 30
_UNCACHED = frozenset({CacheMode.UC, CacheMode.UC_MINUS})
#: Maximum number of rows to compare with each other: a processor has about ten MTRRs.
_MOST = 64


def large_entries(rows: Sequence[EventRow]) -> list[str]:
    """Return sentences about large entries in the memtype list, each once."""
    found: dict[str, None] = {}
    for row in rows:
        if row.end is None or row.end - row.start < LARGE_APERTURE or row.start < _HIGH or row.mode is None:
            continue
        where = f"{size_text(row.end - row.start)} at {row.start:#x} in one entry"
        if row.mode is CacheMode.WC:
            found[f"{where}: write-combining, as a GPU's memory should be."] = None
        elif row.mode in _UNCACHED:
            found[f"{where}: not write-combining. Right for registers, slow for a GPU's memory."] = None
    return list(found)


def overlaps(rows: Sequence[EventRow]) -> tuple[list[str], list[str]]:
    """Return sentences about overlapping MTRRs of different types: those with a winner, and those without."""
    decided: dict[str, None] = {}
    undefined: dict[str, None] = {}
    some = [row for row in rows if row.end is not None and row.mode is not None][:_MOST]
    for at, one in enumerate(some):
        for other in some[at + 1 :]:
            start, end = max(one.start, other.start), min(one.end or 0, other.end or 0)
            if start >= end or one.mode is other.mode or one.mode is None or other.mode is None:
                continue
            where = f"{start:#x} up to {end:#x} ({size_text(end - start)})"
            winner = _winner(one.mode, other.mode)
            if winner is None:
                types = f"{one.mode.short} and {other.mode.short}"
                undefined[f"{where} has two MTRRs, {types}: the processor defines no winner."] = None
                continue
            loser = other if one.mode is winner else one
            whole = (start, end) == (loser.start, loser.end)
            lost = f"the MTRR {loser.mode.short if loser.mode else ''} of exactly this range has no effect"
            decided[f"{where} is {winner.short}{': ' + lost if whole else ''}."] = None
    return list(decided), list(undefined)


def _winner(one: CacheMode, other: CacheMode) -> CacheMode | None:
    """Return the type of a range in two MTRRs: uncached always wins, and write-through beats write-back."""
    both = {one, other}
    if CacheMode.UC in both:
        return CacheMode.UC
    return CacheMode.WT if both == {CacheMode.WT, CacheMode.WB} else None
