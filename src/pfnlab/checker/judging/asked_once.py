"""The properties of a state, asked after each step of what has changed since they held.

Most hold of a state where they hold of each of its mappings, reservations or counts. Where nothing else of
what they depend on has changed since they held, only those are asked that are not as they were then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pfnlab.checker.judging.device_mappings import DeviceMappings
from pfnlab.checker.judging.seen_moment import SeenMoment
from pfnlab.checker.scopes.moment import Moment
from pfnlab.checker.scopes.properties import (
    claimed_free,
    claimed_unmapped,
    counters,
    direct_map,
    direct_map_back,
    freed_once,
    memory_off,
    no_leak,
    no_loss,
    no_warning,
    one_mode,
    removed_unmapped,
)
from pfnlab.programs.runs.changed_part import changed_part


class Asked(NamedTuple):
    """A property that is asked of an observed kernel after every step."""

    name: str
    asks: str
    judge: Callable[[Moment], bool | None]


def _asked(judge: Callable[[Moment], bool | None]) -> Asked:
    return Asked(judge.__name__, " ".join((judge.__doc__ or "").split()).rstrip("."), judge)


#: The properties of a state that `check` asks of modelled kernels too.
ASKED: tuple[Asked, ...] = tuple(
    map(
        _asked,
        (
            no_leak,
            no_loss,
            freed_once,
            one_mode,
            direct_map,
            direct_map_back,
            memory_off,
            removed_unmapped,
            claimed_unmapped,
            claimed_free,
            no_warning,
            counters,
        ),
    )
)

#: Those of what the last operation did, which are asked also where nobody has looked at the state.
ASKED_OF_EVENTS = ("freed_once", "no_warning")

#: Properties that hold where they hold of each mapping, with what else they depend on.
_OF_MAPPINGS: dict[str, Callable[[SeenMoment], object]] = {
    "no_loss": lambda moment: moment.reservations,
    "direct_map": lambda moment: moment.step.direct_map,
    "memory_off": lambda moment: moment.switched_off,
    "removed_unmapped": lambda moment: moment.removed,
    "claimed_unmapped": lambda moment: moment.claims,
}

#: Properties that hold where they hold of each of something else, with these.
_OF_OTHERS: dict[str, Callable[[SeenMoment], object]] = {
    "no_leak": lambda moment: moment.reservations,
    "counters": lambda moment: moment.step.tracked or (),
}

_DEPENDS = {**_OF_MAPPINGS, **_OF_OTHERS}


def events_broken(moment: SeenMoment) -> list[Asked]:
    """The properties of what the last operation did that do not hold."""
    asked = (question for question in ASKED if question.name in ASKED_OF_EVENTS)
    return [question for question in asked if question.judge(moment) is False]


class AskedOnce:
    """The properties that held when they were asked last, with what they depended on.

    :param mappings: the mappings of the step looked at last; it looks at every step that is asked about
    """

    def __init__(self, mappings: DeviceMappings) -> None:
        self._mappings = mappings
        self._held: dict[str, Any] = {}

    def broken(self, moment: SeenMoment) -> Iterator[Asked]:
        """The properties that do not hold at *moment*."""
        for question in ASKED:
            name = question.name
            part = self._part(name, moment)
            if part is not None and question.judge(part) is False:
                self._held.pop(name, None)
                yield question
            elif name in _DEPENDS:
                self._held[name] = _DEPENDS[name](moment)

    def _part(self, name: str, moment: SeenMoment) -> SeenMoment | None:
        """The part of *moment* that may break a property; None where nothing can."""
        if name == "one_mode":
            return moment if len(self._mappings.modes) > 1 or moment.remembered else None
        if name == "direct_map_back":
            return moment if moment.step.direct_map else None
        if name not in self._held:
            return moment
        if name in _OF_MAPPINGS:
            same = self._held[name] == _OF_MAPPINGS[name](moment)
            return moment.of_mappings(self._mappings.new) if same else moment
        if name == "no_leak":
            had = set(self._held[name])
            gone = [mapping.frames for mapping in self._mappings.gone]
            asked = [
                pfns
                for pfns in moment.reservations
                if pfns not in had or any(pfns.overlaps(frames) for frames in gone)
            ]
            return moment.of_reservations(asked) if asked else None
        if name == "counters":
            tracked = moment.step.tracked or ()
            part = changed_part(self._held[name], tracked)
            return moment.of_tracked(tracked[part.start : part.end])
        return moment
