"""The cache mode that each mapping requested and the one it got, step by step."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.programs.lang.ops import Mmap, Mremap, Op
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import NO_DEVICE
from pfnlab.programs.runs.observation import PteSeen, Step
from pfnlab.programs.runs.pte_text import RAM
from pfnlab.programs.runs.texts import named_span, vma_name

#: The mode that each file requests; files not listed use the existing mode.
_FILES = {"wc": "wc", "proc-wc": "wc", "uc": "uc-", "proc-uc": "uc-", "devmem-sync": "uc-", "vfio": "uc-"}


def mode_lines(ops: Sequence[Op], steps: Sequence[Step]) -> list[tuple[str, ...]]:
    """For each step, a line for each mapping of a device with entries: ``b uc- (asked wc)``.

    A mapping without entries has no mode yet: vm_page_prot only says what was asked for.

    :param ops: the program's operations; *steps* are a machine's, one per operation and perhaps one more
    """
    requested = _RequestedModes()
    lines = []
    for number, step in enumerate(steps):
        if number < len(ops):
            requested.note(ops[number])
        lines.append(tuple(_lines(step, requested)))
    return lines


class _RequestedModes:
    """The modes that mappings requested, for each area's pages as last mapped."""

    def __init__(self) -> None:
        self._of_areas: dict[str, dict[str | None, SpanSet]] = {}

    def note(self, op: Op) -> None:
        """Record the mode that *op* requests."""
        call = op.call
        if isinstance(call, Mmap):
            mode = call.driver.mode if call.driver is not None else _FILES.get(call.via, "")
            span = call.over or Span(call.name or "", 0, call.source.pages)
            self._note(span, None if call.via in NO_DEVICE else mode)
        elif isinstance(call, Mremap) and call.name is not None:
            self._note(Span(call.name, 0, call.pages), self.at(call.span))

    def _note(self, span: Span, mode: str | None) -> None:
        modes = self._of_areas.setdefault(span.name, {})
        for pages in modes.values():
            pages.discard(span.start, span.end)
        modes.setdefault(mode, SpanSet()).add(span.start, span.end)

    def at(self, span: Span) -> str | None:
        """The mode requested at the first page of *span*; None if no device was mapped there."""
        modes = self._of_areas.get(span.name, {})
        return next((mode for mode, pages in modes.items() if span.start in pages), None)


def _lines(step: Step, requested: _RequestedModes) -> Iterator[str]:
    entries = _by_place(step.ptes or ())
    for line in step.prots or ():
        place, _, _ = line.rpartition(" ")
        named = named_span(place)
        wish = None if named is None else requested.at(named[1])
        if named is None or wish is None:
            continue
        inside = entries.get((named[0], named[1].name), ())
        got = list(dict.fromkeys(_modes(inside, named[1])))
        if not got:
            continue
        odd = wish not in ("", "asis") and got != [wish]
        yield f"{vma_name(*named)} {', '.join(got)}{f' (asked {wish})' if odd else ''}"


def _by_place(ptes: Sequence[PteSeen]) -> dict[tuple[str, str], list[PteSeen]]:
    """The present device entries by task and area, in page order."""
    found: dict[tuple[str, str], list[PteSeen]] = {}
    for seen in ptes:
        if seen.target not in (None, RAM) and seen.table_entry.is_present:
            found.setdefault((seen.task, seen.area), []).append(seen)
    return found


def _modes(entries: Sequence[PteSeen], span: Span) -> Iterator[str]:
    for seen in entries[bisect_right(entries, span.start, key=_end) :]:
        if seen.start >= span.end:
            return
        yield seen.table_entry.mode.lower()


def _end(seen: PteSeen) -> int:
    return seen.end


def without_pages(lines: Iterable[str]) -> set[str]:
    """*lines* by area, so that splits make no difference."""
    return {line.partition("[")[0] + line.partition("]")[2] for line in lines}
