"""Page-table entries in the form of observations: raw bits become words, equal neighbours become runs."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

from msgspec.structs import replace

from pfnlab.kernel.hw import bits
from pfnlab.kernel.hw.pat import FULL_PAT
from pfnlab.programs.runs.observation import DeviceSpan, PteSeen
from pfnlab.programs.runs.texts import TableEntry

#: The target of an entry that maps ordinary RAM, whichever page it is.
RAM = DeviceSpan("ram", 0, 0)

#: The bits that have a word, in the order of the words.
_WORDS = {bits.PAGE_USER: "US", bits.PAGE_SPECIAL: "SPECIAL", bits.PAGE_ACCESSED: "A", bits.PAGE_DIRTY: "D"}

#: All bits that determine the words; the PAT bit of large leaves is a frame bit in small ones.
_BITS = (
    sum(_WORDS)
    | bits.PAGE_PRESENT
    | bits.PAGE_RW
    | bits.PAGE_CACHE_MASK
    | bits.PAGE_PROTNONE
    | bits.PAGE_PAT_LARGE
)


def entry_text(raw: int, level: int) -> str:
    """The words for a raw entry, in the order of :class:`PteSeen`.

    :param raw: the entry as stored in the table; 0 means absent
    :param level: 1 for the 4K level, 2 and 3 for 2M and 1G leaves
    :return: ``L1 WC P RW US SPECIAL A D``, ``none@L1``, or ``swap@L1`` for an entry that is neither present
        nor PROT_NONE (swap entries, guard markers)
    """
    return _text(raw & _BITS if raw else None, level)


@lru_cache(maxsize=4096)
def _text(raw: int | None, level: int) -> str:
    # These bits do not include the frame, so there are few combinations.
    if raw is None:
        return str(TableEntry(level, "", absent="none"))
    if not raw & (bits.PAGE_PRESENT | bits.PAGE_PROTNONE):
        return str(TableEntry(level, "", absent="swap"))
    flags = ["P" if raw & bits.PAGE_PRESENT else "!P", "RW" if raw & bits.PAGE_RW else "RO"]
    flags += [word for bit, word in _WORDS.items() if raw & bit]
    return str(TableEntry(level, cache_mode(raw, level), tuple(flags)))


def cache_mode(raw: int, level: int) -> str:
    """The cache mode that a leaf selects on a CPU with full PAT."""
    return FULL_PAT.pgprot2cachemode(raw if level == 1 else bits.pgprot_large_2_4k(raw)).short.upper()


def merge_ptes(ptes: Iterable[PteSeen]) -> tuple[PteSeen, ...]:
    """The same entries as maximal runs, which is the form in which two machines are compared.

    Pages of one task and area are sorted; tasks and areas stay in the order in which they first appear.
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
    # True if entry continues the run: adjacent pages, same words, consecutive target.
    if run.entry != entry.entry or run.end != entry.start:
        return False
    if run.target is None or entry.target is None or run.target == RAM or entry.target == RAM:
        return run.target == entry.target
    return run.target.name == entry.target.name and run.target.end == entry.target.start


def _joined(run: PteSeen, entry: PteSeen) -> PteSeen:
    # The run with entry appended.
    target = run.target
    if target is not None and entry.target is not None and target != RAM:
        target = replace(target, end=entry.target.end)
    return replace(run, end=entry.end, target=target)
