"""Pages that drivers have claimed but other users still have reserved, and the reasons."""

from collections.abc import Callable, Sequence
from functools import cached_property

from pfnlab.checker.judging.history import History
from pfnlab.checker.judging.observed_spaces import PlaceIndex, entries_in
from pfnlab.checker.scopes.state_judges import REVOKED
from pfnlab.programs.lang.device_ops import MOVED_BAR
from pfnlab.programs.lang.ops import Mmap, Op, RemapFilePages
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import PteSeen, Step

#: More pages than any device has.
_ALL_PAGES = 1 << 52

#: The files of a PCI device, as programs name them.
_PCI_FILES = ("wc", "uc", "proc-wc", "proc-uc")


class ClaimedPages:
    """Claimed pages that are still reserved, other than those mapped by drivers.

    :param ops: the program's operations, up to the last of *steps*
    :param steps: the steps in a run, up to the one in question
    :ivar maps_behind: whether the last step mapped pages despite a claim elsewhere in the BAR (S9.2.6)
    """

    def __init__(self, ops: Sequence[Op], steps: Sequence[Step]) -> None:
        self._history, self._step = History(), steps[-1]
        self._mapped_behind: list[Span] = []
        self.maps_behind = False
        for number, (op, step) in enumerate(zip(ops, steps, strict=False)):
            mapped = self._not_stopped(op, step)
            self._mapped_behind += mapped
            self.maps_behind = bool(mapped) and step is self._step
            self._history.follow(op, step, steps[number - 1 : number + 1] if number else ())

    def _not_stopped(self, op: Op, step: Step) -> list[Span]:
        # The pages that a PCI file maps although other pages in the BAR are claimed.
        history, call = self._history, op.call
        stops = history.bound or not history.claims or any(claim.start == 0 for claim in history.claims)
        if stops or step.result != "ok" or not isinstance(call, Mmap | RemapFilePages):
            return []
        if call.via not in _PCI_FILES:
            return []
        name = MOVED_BAR if history.moved else call.source.name
        return [Span(name, call.source.start, call.source.end)]

    @property
    def mapped_behind(self) -> bool:
        """True if all of these pages are reserved by mappings that were allowed despite a claim elsewhere in
        the BAR.
        """
        return self._all(lambda span: any(mapped.contains(span) for mapped in self._mapped_behind))

    @property
    def kept(self) -> bool:
        """True if all of these pages are kept reserved by VMAs that show none of them, as far as observed."""
        tracked = self._step.tracked_ranges
        kept = [one.place for one in tracked if isinstance(one.place, Span) and one.users]
        shown = [
            entry.target
            for vma in self._step.vmas or ()
            if vma.file in REVOKED
            for entry in entries_in(vma, self._ptes)
            if entry.entry.maps and entry.target is not None and self._is_claimed(entry.target)
        ]
        return self._all(
            lambda span: (
                not any(target.meets(span) for target in shown)
                and (self._step.tracked is None or span in kept)
            )
        )

    @cached_property
    def _ptes(self) -> PlaceIndex[PteSeen]:
        return PlaceIndex(self._step.ptes or ())

    def _all(self, explains: Callable[[Span], bool]) -> bool:
        return bool(self._left) and all(map(explains, self._left))

    def _is_claimed(self, span: Span) -> bool:
        return any(span.meets(claim) for claim in self._claims)

    @cached_property
    def _claims(self) -> list[Span]:
        history = self._history
        whole = [MOVED_BAR if history.moved else device for device in (*history.bound, *history.opened)]
        return [*history.claims, *(Span(device, 0, _ALL_PAGES) for device in whole)]

    @cached_property
    def _left(self) -> list[Span]:
        spans = [entry.span for entry in self._step.book or ()]
        for span in self._history.kept:
            if span in spans:
                spans.remove(span)
        drivers = [vma.offset for vma in self._step.vmas or () if vma.file not in REVOKED]
        return [
            span
            for span in spans
            if self._is_claimed(span)
            and not any(isinstance(offset, Span) and span.meets(offset) for offset in drivers)
        ]
