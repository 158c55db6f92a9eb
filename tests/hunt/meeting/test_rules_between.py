"""The rules of two versions compared: each change with the program that shows it, and nothing invented."""

from __future__ import annotations

import msgspec
import pytest
from for_each import for_each
from litmus_files import FILES, program_of

from pfnlab.base.errors import Misuse
from pfnlab.base.result import Outcome
from pfnlab.hunt.meeting.holding import Programs
from pfnlab.hunt.meeting.rules_between import RulesBetween, SeenChange, first_change, rules_between
from pfnlab.hunt.meeting.sign import USER_FIELDS
from pfnlab.kernel.policies.changes import changes_between
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences

NAMES = ("munmap-middle", "munmap-last", "devmem", "locked-dontunmap", "mincore-hole", "copied-page-counted")

FEW = Programs({name: program_of(FILES[name]) for name in NAMES})

OLD, NEW = "6.12.117", "7.3.4"


def between(first: str = OLD, second: str = NEW) -> RulesBetween:
    """The rules of two versions and a few programs, in this process."""
    return rules_between((first, second), FEW, jobs=1)


def test_every_change_is_named_once() -> None:
    """They are the changes between the profiles."""
    assert sorted(one.change for one in between().changes) == sorted(changes_between(OLD, NEW))


def test_the_shortest_program_shows_what_a_user_sees() -> None:
    """Of the tracker it is that of the end, for the list shrinks no more."""
    (tracker,) = [one for one in between().changes if one.change.startswith("tracker=")]

    assert (tracker.by_user, tracker.program, tracker.bug) == (True, "munmap-last", "D01")
    assert tracker.seen is not None and tracker.seen.field == "book"
    assert "munmap-middle" in tracker.others


def test_what_is_shown_of_a_change_is_its_effect() -> None:
    """It is the first difference between runs with it and without, on the first model or on the second."""
    for one in between().changes:
        others = [other for other in changes_between(OLD, NEW) if other != one.change]
        found = [effect(one.program, rest, one.change) for rest in ([], others) if one.program is not None]

        assert one.seen is None or one.seen in found, one.change


def effect(name: str, rest: list[str], change: str) -> SeenChange | None:
    """The first difference that a change makes in a program, those that a user sees first."""
    without, with_it = (
        ModelMachine(",".join((OLD, *changes))).run_one(FEW.litmus[name])
        for changes in (rest, [*rest, change])
    )
    return first_change((without, with_it))


def test_a_program_names_all_rules_it_needs() -> None:
    """A hole that mincore sees needs the walk of mincore, which alone suffices there."""
    rules = {one.program: one.rules for one in between().programs}

    assert "mincore_walks=on" in rules["mincore-hole"]
    assert rules["munmap-middle"] == ("tracker=track_ctx",)


def test_programs_differ_where_they_are_said_to() -> None:
    """For a user, inside the kernel, or not at all."""
    result = between()
    models = [ModelMachine(version) for version in (OLD, NEW)]
    by_user, inside = {one.program for one in result.programs}, set(result.inside)
    for name, program in FEW.litmus.items():
        runs = [model.run_one(program) for model in models]

        assert bool(differences(runs, USER_FIELDS)) == (name in by_user), name
        assert bool(differences(runs)) == (name in by_user | inside), name


def test_processes_find_the_same() -> None:
    """Whatever their number."""
    one, two = between(), rules_between((OLD, NEW), FEW, jobs=2)

    assert msgspec.structs.replace(one, made=two.made) == two


def test_equal_rules_have_no_program() -> None:
    """6.12.94 and 6.12.101 differ in commits of the area, and in no rule."""
    result = between("6.12.94", "6.12.101")

    assert (result.changes, result.programs, result.asked) == ((), (), 0)
    assert result.outcome is Outcome.AS_EXPECTED
    assert result.titles and all(title.startswith("6.12.") for title in result.titles)


def test_rules_that_differ_are_a_discovery() -> None:
    """Where a program shows them."""
    assert between().outcome is Outcome.DISCOVERY


@for_each("version", ["4.9", "6.x"])
def test_a_version_without_a_profile(version: str) -> None:
    """One line says which there are."""
    with pytest.raises(Misuse, match="there is no kernel profile"):
        between(version)
