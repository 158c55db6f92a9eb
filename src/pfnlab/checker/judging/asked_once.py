"""The properties of a state, asked after each step of what has changed since they held.

Most hold of a state where they hold of each of its mappings, reservations or counts. Where nothing else of
what they depend on has changed since they held, only those are asked that are not as they were then.
"""

from collections.abc import Callable, Iterator
from typing import Any, cast

from pfnlab.checker.judging.device_mappings import DeviceMappings
from pfnlab.checker.judging.seen_moment import SeenMoment
from pfnlab.checker.scopes.moment import Moment, StateView
from pfnlab.checker.scopes.properties import QUESTIONS, Question
from pfnlab.programs.runs.changed_part import changed_part

#: The properties that `check` asks of modelled kernels too: all but those that only a model can answer.
ASKED: tuple[Question, ...] = tuple(
    question
    for question in QUESTIONS
    if question.kind == "always"
    and question.name not in ("exact", "no_stale", "fork_whole", "walks_pages", "walks_all")
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


def events_broken(moment: SeenMoment) -> list[Question]:
    """The properties of what the last operation did that do not hold."""
    asked = (question for question in ASKED if question.name in ASKED_OF_EVENTS)
    return [question for question in asked if _breaks(question, moment)]


def _breaks(question: Question, moment: Moment) -> bool:
    # The judges of these ask any moment, not that of a model alone.
    return question.judge(cast(StateView, moment)) is False


class AskedOnce:
    """The properties that held when they were asked last, with what they depended on.

    :param mappings: the mappings of the step looked at last; it looks at every step that is asked about
    """

    def __init__(self, mappings: DeviceMappings) -> None:
        self._mappings = mappings
        self._held: dict[str, Any] = {}

    def broken(self, moment: SeenMoment) -> Iterator[Question]:
        """The properties that do not hold at *moment*."""
        for question in ASKED:
            name = question.name
            part = self._part(name, moment)
            if part is not None and _breaks(question, part):
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
