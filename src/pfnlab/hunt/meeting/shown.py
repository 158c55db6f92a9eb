"""A difference of two kernels as results have it: its program, and what each machine saw of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from pfnlab.base.result import ALWAYS
from pfnlab.base.units import number_of
from pfnlab.hunt.meeting.explain import Explanation
from pfnlab.hunt.meeting.holding import KernelDifference
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.alarm import when
from pfnlab.programs.runs.cells import cell
from pfnlab.programs.runs.compare import Difference, alarms, differences

#: The most fields of one program that are shown.
_FIELDS = 6


class ShownDifference(msgspec.Struct, frozen=True):
    """A difference, without the runs that show it.

    :param says: the difference, a sentence
    :param shown_by: the programs that show it
    :param program: the shortest of them, as text
    :param explanations: changes of the model that explain it
    :param seen: the first fields that differ, and what machines ended with; after each field its values, a
        line for each machine
    """

    says: str
    shown_by: tuple[str, ...]
    program: str
    explanations: Annotated[tuple[Explanation, ...], ALWAYS] = ()
    seen: Annotated[tuple[Annotated[tuple[str, ...], Meta(min_length=1)], ...], ALWAYS] = ()

    @classmethod
    def of(cls, difference: KernelDifference, explanations: Iterable[Explanation]) -> ShownDifference:
        """The shown part of a difference."""
        return cls(
            *(str(difference.signature), difference.shown_by, format_program(difference.program)),
            *(tuple(explanations), tuple(_seen(difference))),
        )


def _seen(difference: KernelDifference) -> Iterator[tuple[str, ...]]:
    runs = difference.runs
    fields = differences(runs)
    yield from (_field(field, difference) for field in fields[:_FIELDS])
    for item in alarms(runs):
        yield (f"{item.machine} raised an alarm {when(item.alarm)}: {item.alarm.kind}, {item.alarm.title}",)
    if not fields and difference.signature.field:
        # A message that is printed once a boot is compared by itself.
        yield (str(difference.signature),)
    if len(fields) > _FIELDS:
        yield (f"and {number_of(len(fields) - _FIELDS, 'field')} more",)
    for run in runs:
        if run.unfinished is not None and run.alarm is None:
            yield (f"{run.machine} is {run.unfinished}",)


def _field(field: Difference, difference: KernelDifference) -> tuple[str, ...]:
    """The lines of each machine in a field; except for events, without lines that the other has too."""
    seen = {
        run.machine: cell(run.steps[field.step], field.field)
        for run in difference.runs
        if field.step < len(run.steps)
    }

    def own(machine: str) -> str:
        others = {line for name, lines in seen.items() if name != machine for line in lines}
        lines = [line for line in seen[machine] if field.field == "events" or line not in others]
        return f"{machine}: {'; '.join(lines) or '-'}"

    return (f"step {field.step + 1} {field.op}, {field.field}:", *map(own, seen))
