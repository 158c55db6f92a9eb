"""The programs that show each change: they are programs, and show it on the model of some series."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from litmus_files import FILES
from tooling import find_shown

from pfnlab.hunt.meeting.holding import Programs
from pfnlab.kernel.policies.changes import key_of, programs_of, single_changes
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel

CHANGES = {key_of(change): change for series in CONFIRMED for change in single_changes(series)}


def shows(programs: Programs, name: str, key: str) -> Iterator[str]:
    """The series on whose model the program differs with the change."""
    look = programs.looks.get(name, LookLevel.PROC)
    for series in CONFIRMED:
        for change in single_changes(series):
            if key_of(change) == key:
                specs = series, f"{series},{change}"
                runs = [ModelMachine(spec, look).run([programs.litmus[name]])[0] for spec in specs]
                if differences(runs):
                    yield series


def test_most_changes_have_a_program() -> None:
    """The few others are about what no program of the language does."""
    assert sum(not programs_of(change) for change in CHANGES.values()) < len(CHANGES) // 5


def test_every_program_shows_its_change() -> None:
    """On at least one series the runs with the change and without differ."""
    programs = Programs.of()
    named = [(key, name) for key, change in CHANGES.items() for name in programs_of(change)]

    assert {name for _, name in named} <= set(FILES)
    assert [] == [(name, key) for key, name in named if next(shows(programs, name, key), None) is None]


def test_a_wrong_program_shows_nothing() -> None:
    """A mapping that comes and goes does not tell whether mincore walks."""
    assert next(shows(Programs.of(), "devmem", "mincore_walks"), None) is None


# Every switch on every series: minutes, also where nothing else runs.
@pytest.mark.timeout(1200)
@pytest.mark.target("long")
def test_the_file_is_current() -> None:
    """As the tool makes it."""
    tool = find_shown()

    assert tool.PATH.read_text(encoding="utf-8") == tool.found_text()
