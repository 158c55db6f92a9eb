"""Walker results in the guest agent's replies, converted to observations (``guest/PROTOCOL.md``)."""

from collections.abc import Sequence

from pfnlab.base.units import PAGE_SHIFT
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import ProcessVmReadv, Status, Walk
from pfnlab.programs.model import walking
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.texts import ascending, moved_text

#: Letters in move_pages results that do not stand for a node.
_STATUSES = {"e": "EFAULT", "n": "ENOENT"}

#: The bits of PAGEMAP_WORDS in a pagemap entry, relative to bit 55, where the agent's digits begin.
_PAGEMAP_BITS = (8, 7, 6, 3, 2, 1, 0)


def read_walk(call: Walk | Status | ProcessVmReadv, words: Sequence[str], places: Places) -> int | str | None:
    """The value of *call*, from the *words* after the result in a reply; ValueError if they are invalid."""
    if isinstance(call, Status):
        locked, pinned = words
        return f"VmLck={locked} VmPin={int(pinned)}"
    if call.bytes is not None:
        content = b"".join(map(_run, words[1:]))
        return moved_text(
            int(words[0], 16), None if isinstance(call, Walk) and call.value is not None else content
        )
    if isinstance(call, ProcessVmReadv):
        raise ValueError(words)
    if call.walker == "move_pages":
        return " ".join(_STATUSES.get(letter) or f"node{int(letter)}" for letter in words[0])
    if call.walker == "pagemap":
        digits = words[0]
        return " ".join(_page(int(digits[at : at + 3], 16)) for at in range(0, len(digits), 3))
    if call.walker == "pagemap_scan":
        return "; ".join(_regions(words, call.span))
    if call.walker == "numa_maps":
        return "; ".join(_numa_lines(words, places))
    if call.walker == "smaps":
        return "; ".join(_smaps_lines(words, places))
    if call.walker == "smaps_rollup":
        rss, anonymous = map(int, words)
        return walking.rollup_text(rss, anonymous)
    return int(words[0])


def _run(word: str) -> bytes:
    """Decode bytes that the agent encoded: repeated ones as ``0*10``, ascending ones as ``7+8``."""
    sign = "*" if "*" in word else "+"
    first, count = (int(number, 16) for number in word.split(sign))
    return bytes([first] * count) if sign == "*" else ascending(first, count)


def _page(bits: int) -> str:
    word_bits = zip(walking.PAGEMAP_WORDS, _PAGEMAP_BITS, strict=True)
    return walking.pagemap_text([word for word, bit in word_bits if bits >> bit & 1])


def _regions(words: Sequence[str], span: Span) -> list[str]:
    """Convert triples of first page, end page and categories; pages are relative to the start of *span*."""
    numbers = list(map(int, words))
    regions: list[str] = []
    for start, end, bits in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
        names = [word for word, bit in walking.CATEGORIES.items() if bits & bit]
        if sum(walking.CATEGORIES[word] for word in names) != bits:
            raise ValueError(bits)
        regions.append(walking.region_text(Span(span.name, span.start + start, span.start + end), names))
    return regions


def _numa_lines(words: Sequence[str], places: Places) -> list[str]:
    """Convert lines that each begin with an address, which becomes a page in an area."""
    lines: list[str] = []
    for word in words:
        if "=" in word:
            lines[-1] += f" {word}"
            continue
        page = int(word, 16) >> PAGE_SHIFT
        span = places.area_span(page, page + 1)
        if span is None:
            raise ValueError(word)
        lines.append(f"{span.name}[{span.start}]")
    return lines


def _smaps_lines(words: Sequence[str], places: Places) -> list[str]:
    """Convert pairs of a VMA's addresses and its Rss; the addresses become pages in an area."""
    lines: list[str] = []
    for addresses, rss in zip(words[::2], words[1::2], strict=True):
        start, end = (int(address, 16) >> PAGE_SHIFT for address in addresses.split("-"))
        span = places.area_span(start, end)
        if span is None:
            raise ValueError(addresses)
        lines.append(walking.smap_text(span, int(rss)))
    return lines
