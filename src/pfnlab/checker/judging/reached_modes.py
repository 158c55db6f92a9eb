"""The cache modes in which a run reaches frames: by entries, and by translations that processors cache.

A model lists the translations its processors cache. On a real kernel they show only if a task reaches a page
that no longer has an entry while a processor is held.
"""

from collections.abc import Iterator, Sequence

from pfnlab.checker.judging.device_mappings import MODES
from pfnlab.checker.judging.history import History
from pfnlab.checker.judging.observed_spaces import Layout, device_page_at
from pfnlab.checker.scopes.modes import FrameReach, agree, differing
from pfnlab.checker.scopes.moment import FrameMode
from pfnlab.programs.lang.ops import Op, Read, Write
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import CachedTranslations, PteSeen, Run, Step
from pfnlab.programs.runs.pte_text import RAM


class ReachedModes:
    """The frames reached during a run, collected step by step.

    :ivar remembered: the frames that processors can still reach after the last observed step, by translations
        that match no entry
    :ivar told_free: the page that the last step reached although its owner had been told that it is free;
        otherwise empty
    """

    def __init__(self, run: Run, layout: Layout, history: History) -> None:
        self._run, self._layout, self._history = run, layout, history
        #: The entries observed since the last step without a held processor.
        self._had: list[Sequence[PteSeen]] = []
        self.remembered: list[FrameMode] = []
        #: The device pages that were removed from all mappings while a processor is held, each with the
        #: number of observations before that.
        self._revoked: list[tuple[int, Span]] = []
        self.told_free = ""

    def look(self, number: int, op: Op | None, *, held: bool, revoked: Span | None = None) -> None:
        """Observe a step; earlier steps must have been observed.

        :param held: whether a processor is held after the step; if not, only stale translations can be told
            from entries
        :param revoked: the device pages that the step removed from all mappings, if any
        """
        step = self._run.steps[number]
        tlbs = self._run.tlbs[number] if number < len(self._run.tlbs) else ()
        found = [one for seen in tlbs if held or seen.stale for one in self._reaches(seen, seen.space)]
        self.told_free = ""
        self._revoked = self._revoked if held else []
        if held and step.result == "ok" and op is not None and isinstance(op.call, Read | Write):
            process = self._history.process(op.task)
            found += self._answered(process, op.call.span)
            self.told_free = self._reached_free(process, op.call.span, step)
        if held and revoked is not None:
            self._revoked.append((len(self._had), revoked))
        self._had = [*(self._had if held else ()), step.ptes or ()]
        pages = [page for one in found for page in _single_pages(one)]
        differ = differing(self._entries(), pages) if pages else []
        self.remembered = [FrameMode(one.frames, one.mode) for one in differ]

    def agree(self) -> bool | None:
        """True if each frame reached in two ways has one mode; None if no frame is reached in two ways."""
        return agree([*((one.frames, one.mode) for one in self._entries()), *self.remembered])

    def _entries(self) -> list[FrameReach]:
        return [one for run in self._had[-1] for one in self._reaches(run, run.task)]

    def _answered(self, process: str, span: Span) -> Iterator[FrameReach]:
        """The entry through which a task reached a page, if that entry is now gone."""
        first = Span(span.name, span.start, span.start + 1)
        for ptes in reversed(self._had):
            for run in ptes:
                meets = run.task == process and run.span.meets(first)
                for one in self._reaches(run, process) if meets else ():
                    at = first.start - one.start
                    if at < one.frames.nr:
                        yield _page(one, at)
                    return

    def _reached_free(self, process: str, span: Span, step: Step) -> str:
        """The page that a task reached without an entry, if its frame was removed from all mappings since.

        The entry is gone, so the access used a translation that should no longer exist.
        """
        page = Span(span.name, span.start, span.start + 1)
        if step.ptes is None or _shown(step.ptes, process, page) is not None:
            return ""
        for at, ptes in reversed(list(enumerate(self._had))):
            target = _shown(ptes, process, page)
            if target is not None:
                told = any(number > at and freed.meets(target) for number, freed in self._revoked)
                return f"{process} reaches {target}, which was removed from all mappings" if told else ""
        return ""

    def _reaches(self, seen: PteSeen | CachedTranslations, space: str) -> Iterator[FrameReach]:
        target, entry = seen.target, seen.table_entry
        frames = self._layout.frames(target) if target is not None and target != RAM else None
        if frames is not None and entry.is_present:
            yield FrameReach(f"{space}:{seen.span.name}", seen.span.start, frames, MODES[entry.mode])


def _shown(ptes: Sequence[PteSeen], process: str, page: Span) -> Span | None:
    """The device page that a present entry maps at *page*, or None."""
    for run in ptes:
        if run.task == process and run.span.meets(page) and run.table_entry.is_present:
            target = device_page_at(run, page.start)
            return None if target is None else Span(target[0], target[1], target[1] + 1)
    return None


def _single_pages(one: FrameReach) -> Sequence[FrameReach]:
    return [_page(one, at) for at in range(one.frames.nr)]


def _page(one: FrameReach, at: int) -> FrameReach:
    frames = one.frames
    return one._replace(start=one.start + at, frames=type(frames)(frames.start + at, frames.start + at + 1))
