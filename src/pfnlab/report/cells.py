"""The cells of a step in the table: every field of an observation as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfnlab.programs.lang.ops import MAIN_TASK
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, PteSeen, Step, VmaSeen

#: The rows under an operation: always, with ``--steps`` (states) and with ``--trace`` (the events inside).
ROWS = ("value", "log", "book")
STEP_ROWS = ("value", "log", "book", "vmas", "tracked", "prots", "direct_map", "ptes", "flushes")
TRACE_ROWS = (*STEP_ROWS, "events")

#: Rows about events in a step; the other rows are about the state after it.
HAPPENED = frozenset({"value", "log", "flushes", "events"})

#: The cells of those rows when nothing happened.
QUIET: tuple[tuple[str, ...], ...] = ((), ("?",), ("0",))

#: The mark behind a book entry that nobody has any more.
LEAKED = "LEAKED"

#: The cell for nothing, and for a field that the machine's channel cannot see.
NOTHING = "-"
NOT_SEEN = "?"


def cell(step: Step, field: str, *, driver_keeps: bool = False, kept: Sequence[Span] = ()) -> tuple[str, ...]:
    """The lines of one field of one step; empty for a value or a log that is not there.

    :param driver_keeps: a driver may keep entries of its own, so none is called leaked before the end
    :param kept: the ranges that a driver has reserved for itself, one for each time: so many entries of a
        range are not leaked, also at the end
    """
    match field:
        case "result":
            return (step.result,)
        case "value":
            return () if step.value is None else (str(step.value),)
        case "log":
            return step.log
        case "book":
            if step.book is None:
                return (NOT_SEEN,)
            if driver_keeps and step.op != "end":
                return _lines(tuple(map(str, step.book)))
            return _lines(tuple(_book_lines(step.book, step, kept)))
        case "vmas":
            return _vma_lines(step.vmas)
        case "ptes":
            return _pte_lines(step.ptes)
        case "flushes":
            return (NOT_SEEN,) if step.flushes is None else (str(step.flushes),)
        case "events":
            return (NOT_SEEN,) if step.events is None else step.events
        case "tracked":
            return _lines(step.tracked)
        case "prots":
            return _lines(step.prots)
        case "direct_map":
            return _lines(step.direct_map)
        case "levels":
            return _lines(step.levels)
    raise AssertionError(f"no cell for {field}")


def is_leaked(entry: BookEntry, step: Step) -> bool:
    """True where no process maps any page of *entry* any more.

    After the last step no task is left, so no entry has any; before it, only the VMAs of the
    step, if it has them, can show it.
    """
    if step.op == "end":
        return True
    if step.vmas is None:
        return False
    return not any(vma.offset is not None and vma.offset.meets(entry.span) for vma in step.vmas)


def _book_lines(book: Sequence[BookEntry], step: Step, kept: Sequence[Span]) -> Iterator[str]:
    owned = list(kept)
    for entry in book:
        if not is_leaked(entry, step):
            yield str(entry)
        elif entry.span in owned:
            owned.remove(entry.span)
            yield str(entry)
        else:
            yield f"{entry}  {LEAKED}"


def _lines(texts: tuple[str, ...] | None) -> tuple[str, ...]:
    return (NOT_SEEN,) if texts is None else texts or (NOTHING,)


def _vma_lines(vmas: tuple[VmaSeen, ...] | None) -> tuple[str, ...]:
    if vmas is None:
        return (NOT_SEEN,)
    return tuple(_vma_line(vma) for vma in vmas) or (NOTHING,)


def _pte_lines(ptes: tuple[PteSeen, ...] | None) -> tuple[str, ...]:
    if ptes is None:
        return (NOT_SEEN,)
    return tuple(_pte_line(pte) for pte in ptes) or (NOTHING,)


def _vma_line(vma: VmaSeen) -> str:
    parts = [_place(vma.task, str(vma.span)), vma.perms, vma.file]
    if vma.offset is not None:
        parts.append(str(vma.offset))
    parts.append(f"({vma.flags})")
    parts += [
        f"{name} {size} kB"
        for name, size in (("rss", vma.rss), ("anonymous", vma.anonymous), ("locked", vma.locked))
        if size
    ]
    return " ".join(parts)


def _pte_line(pte: PteSeen) -> str:
    target = "" if pte.target is None else f"{_target(pte)} "
    return f"{_place(pte.task, str(pte.span))} {target}{pte.entry}"


# Ordinary RAM has no place in the program, only its kind.
def _target(pte: PteSeen) -> str:
    assert pte.target is not None
    return "-> ram" if pte.target.name == "ram" else f"-> {pte.target}"


# The main task is not named, as in a program's text.
def _place(task: str, span: str) -> str:
    return span if task == MAIN_TASK else f"{task}: {span}"
