"""Stored pages: the device pages that a program's stores may have reached, as its run tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfnlab.base.units import PAGE_SIZE
from pfnlab.programs.lang.ops import Call, Program, Thread, Write
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import STORING_WALKERS, Walk
from pfnlab.programs.runs.observation import PteSeen, Step
from pfnlab.programs.runs.pte_text import RAM


def stored_pages(program: Program, steps: Sequence[Step]) -> dict[str, set[int]] | None:
    """The pages of each device that may hold other bytes after a run; None where the run does not tell.

    A store reaches the frame that an entry of its page shows, or one that the processor still remembers.
    So it is any frame that the page has shown in the run until then, in any task.

    :param steps: of a run to its end
    """
    # While a processor is held, entries come and go within a step; a thread has no entries of its own.
    if program.needs.held or program.needs.slot or program.needs.moved is not None:
        return None
    if any(isinstance(op.call, Thread) for op in program.ops):
        return None
    found: dict[str, set[int]] = {}
    for number, op in enumerate(program.ops):
        area, pages = _places(op.call)
        if not pages:
            continue
        step = steps[number] if number < len(steps) else None
        if step is None or step.ptes is None:
            return None
        if isinstance(op.call, Write) and step.result != "ok":
            # The store itself has failed.
            continue
        for page in pages:
            if all(target is None for target in _shown(step.ptes, area, page, op.task)):
                return None
            for earlier in steps[: number + 1]:
                for target in _shown(earlier.ptes or (), area, page):
                    if target is not None and target != RAM:
                        found.setdefault(target.name, set()).add(target.start)
    devices = {device.name for device in program.devices}
    return found if found.keys() <= devices else None


def _places(call: Call) -> tuple[str, range]:
    """The area and the pages of it that *call* stores to; no page where it does not store."""
    if isinstance(call, Write):
        return call.span.name, range(call.span.start, call.span.start + 1)
    if isinstance(call, Walk) and call.walker in STORING_WALKERS:
        first = call.span.start
        last = 0 if call.bytes is None else (call.bytes.offset + call.bytes.length - 1) // PAGE_SIZE
        return call.span.name, range(first, first + last + 1)
    return "", range(0)


def _shown(ptes: Sequence[PteSeen], area: str, page: int, task: str | None = None) -> Iterator[Span | None]:
    """The targets of the entries for a page of an area, of one task or of all; a device's as one page."""
    for pte in ptes:
        span = pte.span
        if span.name == area and span.start <= page < span.end and task in (None, pte.task):
            target = pte.target
            if target is None or target == RAM:
                yield target
            else:
                at = target.start + page - span.start
                yield Span(target.name, at, at + 1)
