"""The known violations of a hunt, counted by the row that explains them and by the operation that breaks it.

Where a row explains a new kind of operation, the first program that showed it is kept: a reader decides
whether the reason is right there too.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pfnlab.base.result import Count
from pfnlab.hunt.fuzz.call_kinds import kind_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.model.model_machine import END
from pfnlab.programs.runs.violation import Violation


class KnownShape(msgspec.Struct):
    """A known violation in one kind of operation.

    :param programs: the number of programs with it
    :param step: of the first program, from 0
    :param says: what was seen there
    :param program: the first program, as text
    """

    programs: Count
    step: Count
    says: str
    program: str


class KnownRow(msgspec.Struct):
    """A known violation.

    :param programs: the number of programs with it
    :param shapes: by the kind of operation that broke the property
    """

    programs: Count = 0
    shapes: dict[str, KnownShape] = msgspec.field(default_factory=dict)


def note_known(rows: dict[str, KnownRow], program: Program, broken: Iterable[Violation]) -> None:
    """Count the known violations of one program in *rows*, which have property and reason as their names.

    :param broken: known or not, on any machine
    """
    counted: set[tuple[str, str]] = set()
    for violation in broken:
        if not violation.known:
            continue
        name = f"{violation.name}: {violation.known}"
        kind = kind_of(program.ops[violation.step].call) if violation.step < len(program.ops) else END
        row = rows.setdefault(name, KnownRow())
        if (name, "") not in counted:
            row.programs += 1
        if kind not in row.shapes:
            row.shapes[kind] = KnownShape(0, violation.step, violation.says, format_program(program))
        if (name, kind) not in counted:
            row.shapes[kind].programs += 1
        counted |= {(name, ""), (name, kind)}
