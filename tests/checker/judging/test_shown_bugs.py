"""Bugs that a program shows without violating a property."""

from __future__ import annotations

import msgspec
import pytest
from for_each import for_each

from pfnlab.checker.judging.judge import judged, judged_runs
from pfnlab.kernel.bugs.known_bugs import all_bugs, bugs_shown_by
from pfnlab.programs.lang.library import find_program, load_found
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.named_machines import name_machines


def result_of(name: str, *machines: str) -> RunResult:
    """A program of the library on machines, called as on the command line."""
    (found,) = judged_runs(name_machines(machines), {name: load_found(find_program(name))})
    return found


def shown(name: str, machine: str) -> list[str]:
    """The numbers of the bugs that no violation names."""
    return list(result_of(name, machine).runs[0].bugs)


@for_each(
    "name, machine, numbers",
    [
        ("copied-page-mode", "model:7.3", ["N05"]),
        ("copied-page-mode", "model:7.3,copied_keeps_mode=off", []),
        ("munmap-middle", "model:7.3", []),
        ("driver-narrowed", "model:7.3", ["P05"]),
        ("driver-narrowed", "model:6.12", []),
        ("driver-leaf-mode", "model:6.12", ["C12"]),
        ("driver-leaf-mode", "model:6.12.22", []),
    ],
)
def test_a_run_names_the_bugs_that_its_program_shows(name: str, machine: str, numbers: list[str]) -> None:
    """Those without which the model runs it differently: on 6.12.22 C12 has no effect there."""
    assert numbers == shown(name, machine)


def test_a_bug_that_a_violation_names_is_not_named_again() -> None:
    """Neither it nor its measurements: A06 has N03 and N08."""
    assert [] == shown("munmap-middle", "model:6.12.31")


def test_a_program_of_that_name_alone_shows_nothing() -> None:
    """The bug's data means the program of litmus/."""
    result = result_of("munmap-first", "model:7.3")
    called = judged(result.program, result.runs, {"model:7.3": "7.3"}, name="copied-page-mode")

    assert () == called.runs[0].bugs


@for_each(
    "machine, numbers", [("qemu:7.3.4", ("N05",)), ("qemu:7.3-mine", ()), ("qemu:/boot/vmlinuz-7.3", ())]
)
def test_a_kernel_built_here_may_have_a_fix(machine: str, numbers: tuple[str, ...]) -> None:
    """Its name can begin like a version."""
    result = result_of("copied-page-mode", "model:7.3")
    run = msgspec.structs.replace(result.runs[0], machine=machine)

    called = judged(result.program, [run], {machine: "7.3"}, name="copied-page-mode")

    assert numbers == called.runs[0].bugs


def test_the_bugs_are_in_the_result() -> None:
    """Whoever reads it as JSON sees what the text says."""
    named, nothing = (
        msgspec.json.decode(result_of(name, "model:7.3").as_json())["machines"][0]
        for name in ("copied-page-mode", "munmap-middle")
    )

    assert (["N05"], []) == (named["bugs"], nothing["bugs"])


@pytest.mark.parametrize("number", [one.number for one in all_bugs() if one.shown and one.kind.is_fault])
def test_the_quick_search_finds_the_programs_of_a_bug(number: str) -> None:
    """Whatever folder a program is in."""
    names = [row.program for one in all_bugs() if one.number == number for row in one.shown]

    assert [] == [name for name in names if number not in [one.number for one in bugs_shown_by(name)]]
