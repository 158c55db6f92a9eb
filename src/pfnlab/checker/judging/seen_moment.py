"""An observed step as a moment, judged by each property whose answer may have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import cached_property
from typing import Any

import msgspec

from pfnlab.base.units import PfnRange
from pfnlab.checker.judging.device_mappings import DeviceMappings, SeenMapping
from pfnlab.checker.judging.history import History
from pfnlab.checker.judging.observed_spaces import Layout
from pfnlab.checker.scopes.moment import CountedUsers, FrameMode, facts_of
from pfnlab.checker.scopes.properties import SEEN_QUESTIONS
from pfnlab.checker.scopes.question import SeenQuestion
from pfnlab.checker.scopes.state_judges import direct_map_back, no_leak, one_mode
from pfnlab.checker.scopes.step_judges import counters
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.programs.lang.device_ops import MOVED_BAR
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.changed_part import changed_part
from pfnlab.programs.runs.observation import Step, direct_map_spans


class SeenMoment:
    """An observed step and its history.

    :param step: the step, with VMAs and page-table entries
    :param mappings: its VMAs that map a device; None if these are not tracked
    :param remembered: the frames that processors can reach by cached translations that match no entry
    """

    def __init__(
        self,
        step: Step,
        history: History,
        layout: Layout,
        mappings: DeviceMappings | None = None,
        remembered: Sequence[FrameMode] = (),
    ) -> None:
        self.step, self._history, self._layout = step, history, layout
        self._mappings, self.remembered = mappings, remembered
        self.facts = facts_of(step.log)

    def of_mappings(self, mappings: list[SeenMapping]) -> SeenMoment:
        """The same moment with only these mappings."""
        # Claims and reservations depend on all mappings.
        _ = self.claims, self.reserved
        part = copy(self)
        part.mappings = mappings
        return part

    def of_reservations(self, reservations: list[PfnRange]) -> SeenMoment:
        """The same moment with only these reservations."""
        part = copy(self)
        part.reservations = reservations
        return part

    def of_tracked(self, tracked: tuple[str, ...]) -> SeenMoment:
        """The same moment with only these tracked ranges."""
        part = copy(self)
        part.step = msgspec.structs.replace(self.step, tracked=tracked)
        return part

    #: Runs are judged only for violations, and these do not depend on the requested modes.
    asked: Sequence[FrameMode] = ()

    @cached_property
    def mappings(self) -> list[SeenMapping]:
        return [] if self._mappings is None else self._mappings.all

    @cached_property
    def reservations(self) -> list[PfnRange]:
        layout = self._layout
        spans = [entry.span for entry in self.step.book or ()]
        for span in self._history.kept:
            if span in spans:
                spans.remove(span)
        if layout.vfio is not None:
            # The driver's own mapping, which covers the whole device as long as it is open, unless a mapping
            # of another file has reserved exactly this range.
            whole = self._whole(layout.vfio)
            others = any(
                seen.kind != "vfio" and seen.frames == layout.devices[layout.vfio] for seen in self.mappings
            )
            counted = any(one.place == whole and one.refs is not None for one in self.step.tracked_ranges)
            if whole in spans and not (others or counted):
                spans.remove(whole)
        return [frames for span in spans for frames in [layout.frames(span)] if frames is not None]

    @cached_property
    def booked(self) -> list[FrameMode]:
        return [
            FrameMode(frames, CacheMode.from_short(entry.mode))
            for entry in self.step.book or ()
            for frames in [self._layout.frames(entry.span)]
            if frames is not None
        ]

    def _whole(self, device: str) -> Span:
        return Span(device, 0, self._layout.devices[device].nr)

    @cached_property
    def reserved(self) -> SpanSet:
        return SpanSet(self.reservations)

    @cached_property
    def direct_map_modes(self) -> list[FrameMode]:
        """The program's device frames that are not write-back in the direct map."""
        return [
            FrameMode(frames, CacheMode.from_short(mode))
            for span, mode in direct_map_spans(self.step.direct_map or ())
            # A page missing from the direct map is compared too, but has no mode.
            if mode != "absent"
            for frames in [self._layout.frames(span)]
            if frames is not None
        ]

    def is_ram(self, pfn: int) -> bool:
        """True if a frame is RAM and its direct-map entry was observed."""
        return self.step.direct_map is not None and self._layout.platform.phys.page_is_ram(pfn)

    def direct_map(self, pfn: int) -> CacheMode:
        modes = (one.mode for one in self.direct_map_modes if one.frames.start <= pfn < one.frames.end)
        return next(modes, CacheMode.WB)

    @cached_property
    def kept(self) -> SpanSet:
        return SpanSet(self._frames(self._history.kept))

    @cached_property
    def claims(self) -> list[PfnRange]:
        if not self._layout.platform.io_strict_devmem:
            return []
        # vfio-pci claims a device when it is first opened or mapped, and releases it with its last user.
        opened = [self._whole(name) for name in sorted(self._history.opened) if self._vfio_mapped(name)]
        bound = [self._bar(name) for name in sorted(self._history.bound)]
        return [*self._frames([*self._history.claims, *opened]), *bound]

    def _vfio_mapped(self, device: str) -> bool:
        frames = self._layout.devices[device]
        return any(seen.kind == "vfio" and seen.frames.overlaps(frames) for seen in self.mappings)

    @property
    def removed(self) -> list[PfnRange]:
        return [self._bar(name) for name in sorted(self._history.removed)]

    def _bar(self, device: str) -> PfnRange:
        """The frames of a device at the current address of its BAR."""
        return self._layout.devices[MOVED_BAR if self._history.moved else device]

    @property
    def switched_off(self) -> list[PfnRange]:
        """The ranges of devices with their memory switched off."""
        return [self._layout.devices[name] for name in sorted(self._history.off)]

    @cached_property
    def user_counts(self) -> list[CountedUsers]:
        """The user counts of tracked ranges."""
        return [
            CountedUsers(tracked.refs, len(tracked.users))
            for tracked in self.step.tracked_ranges
            if tracked.refs is not None
        ]

    def _frames(self, spans: Sequence[Span]) -> list[PfnRange]:
        return [frames for span in spans for frames in [self._layout.frames(span)] if frames is not None]


def events_broken(moment: SeenMoment) -> list[SeenQuestion]:
    """The violated properties of the last operation, which are judged even if the state was not observed."""
    return [one for one in SEEN_QUESTIONS if one.about == "step" and one.seen(moment) is False]


class JudgeCache:
    """The properties that held when last judged, with what their answers depend on.

    :param mappings: the mappings at the last observed step; it must observe every step to be judged
    """

    def __init__(self, mappings: DeviceMappings) -> None:
        self._mappings = mappings
        self._held: dict[SeenQuestion, Any] = {}

    def broken(self, moment: SeenMoment) -> Iterator[SeenQuestion]:
        """The properties that do not hold at *moment*."""
        for question in SEEN_QUESTIONS:
            part = self._part(question, moment)
            if part is not None and question.seen(part) is False:
                self._held.pop(question, None)
                yield question
            elif (depends := _PARTS.get(question, question.of_each_mapping)) is not None:
                self._held[question] = depends(moment)

    def _part(self, question: SeenQuestion, moment: SeenMoment) -> SeenMoment | None:
        """The part of *moment* that may violate a property; None if there is none."""
        if question is one_mode:
            return moment if len(self._mappings.modes) > 1 or moment.remembered else None
        if question is direct_map_back:
            return moment if moment.step.direct_map else None
        if question not in self._held:
            return moment
        if question.of_each_mapping is not None:
            same = self._held[question] == question.of_each_mapping(moment)
            return moment.of_mappings(self._mappings.new) if same else moment
        if question is no_leak:
            had = set(self._held[question])
            gone = [mapping.frames for mapping in self._mappings.gone]
            asked = [
                pfns
                for pfns in moment.reservations
                if pfns not in had or any(pfns.overlaps(frames) for frames in gone)
            ]
            return moment.of_reservations(asked) if asked else None
        tracked = moment.step.tracked or ()
        part = changed_part(self._held[question], tracked)
        return moment.of_tracked(tracked[part.start : part.end])


#: Properties that hold if they hold for every single item, which is no mapping, with what they depend on.
_PARTS: dict[SeenQuestion, Callable[[SeenMoment], object]] = {
    no_leak: lambda moment: moment.reservations,
    counters: lambda moment: moment.step.tracked or (),
}
