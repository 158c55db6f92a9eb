"""The table cells of a step: every field of an observation as lines of text."""

from collections.abc import Iterator, Sequence
from typing import Any

from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.programs.lang.ops import MAIN_TASK
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, PteSeen, Step, VmaSeen
from pfnlab.programs.runs.pte_text import RAM

#: The rows under an operation: always shown, with ``--steps`` (states), and with ``--trace`` (the events
#: inside). ``mode`` is not a field of a step; its lines come from :mod:`.mode_lines`.
ROWS = ("value", "log", "levels", "book", "mode")
STEP_ROWS = (*ROWS, "vmas", "tracked", "prots", "direct_map", "ptes", "flushes")
TRACE_ROWS = (*STEP_ROWS, "events")

#: Rows about events during a step; the others describe the state after it.
HAPPENED = frozenset({"value", "log", "flushes", "events"})

#: The content of those cells if nothing happened.
QUIET: tuple[tuple[str, ...], ...] = ((), ("?",), ("0",))

#: The mark after a book entry that is no longer mapped.
LEAKED = "LEAKED"

#: If there are fewer book entries than this, each is looked up among all VMAs.
_FEW = 4

#: The cell for an empty field, and for a field that the machine's channel cannot observe.
NOTHING = "-"
NOT_SEEN = "?"


def cell(step: Step, field: str, *, kept: Sequence[Span] = ()) -> tuple[str, ...]:
    """The lines for one field of a step; empty if a value or log is missing.

    :param kept: the ranges that a driver has reserved for itself, listed once per reservation: that many
        entries for a range do not count as leaked, even at the end
    """
    seen: Any = getattr(step, field)
    if seen is None:
        return () if field == "value" else (NOT_SEEN,)
    if not isinstance(seen, tuple):
        return (str(seen),)
    if field == "book":
        seen = _book_lines(seen, step, kept)
    lines = tuple(map(_text, seen))
    return lines if field in ("log", "events") else lines or (NOTHING,)


def is_leaked(entry: BookEntry, step: Step) -> bool:
    """True if no process maps any page of *entry*.

    After the last step there are no tasks, so no entry is mapped. Before that, only the step's VMAs
    can show it, if it has any.
    """
    if step.op == "end":
        return True
    if step.vmas is None:
        return False
    return not any(vma.offset is not None and vma.offset.meets(entry.span) for vma in step.vmas)


def _leaked(book: Sequence[BookEntry], step: Step) -> list[bool]:
    """:func:`is_leaked` for each entry."""
    if len(book) < _FEW or step.op == "end" or step.vmas is None:
        return [is_leaked(entry, step) for entry in book]
    offsets = [vma.offset for vma in step.vmas if vma.offset is not None]
    mapped = {name: SpanSet() for name in {offset.name for offset in offsets}}
    for offset in offsets:
        mapped[offset.name].add(offset.start, offset.end)
    nothing = SpanSet()
    return [
        not mapped.get(entry.span.name, nothing).within(entry.span.start, entry.span.end) for entry in book
    ]


def _book_lines(book: Sequence[BookEntry], step: Step, kept: Sequence[Span]) -> Iterator[str]:
    owned = list(kept)
    for entry, leaked in zip(book, _leaked(book, step), strict=True):
        if not leaked:
            yield str(entry)
        elif entry.span in owned:
            owned.remove(entry.span)
            yield str(entry)
        else:
            yield f"{entry}  {LEAKED}"


def _text(seen: Any) -> str:
    """A part of a field as text: a VMA, a run of entries, a book entry, or a text."""
    if isinstance(seen, VmaSeen):
        sizes = (("rss", seen.rss), ("anonymous", seen.anonymous), ("locked", seen.locked))
        return " ".join(
            [
                *(_place(seen), seen.perms, seen.file),
                *([] if seen.offset is None else [str(seen.offset)]),
                f"({seen.flags})",
                *(f"{name} {size} kB" for name, size in sizes if size),
            ]
        )
    if isinstance(seen, PteSeen):
        # Ordinary RAM has no place in the program, only a kind.
        target = RAM.name if seen.target is not None and seen.target.name == RAM.name else seen.target
        return f"{_place(seen)} {'' if target is None else f'-> {target} '}{seen.entry}"
    return str(seen)


def _place(seen: VmaSeen | PteSeen) -> str:
    """The pages; as in program text, the main task is not named."""
    return str(seen.span) if seen.task == MAIN_TASK else f"{seen.task}: {seen.span}"
