"""The expectations of the programs in litmus/, on every version whose rules differ from those of another."""

import dataclasses
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
import pytest
from for_each import for_each
from litmus_files import FILES, litmus_file, program_of

from pfnlab.kernel.policies.known_kernels import known_versions
from pfnlab.kernel.policies.profiles import profile_of
from pfnlab.kernel.policies.releases import RELEASES, is_series, version_key
from pfnlab.kernel.policies.switches import SWITCHES
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import expectation_failures

#: The programs that speak of versions, and not of series alone.
OF_VERSIONS = [
    path for path in FILES.values() if not all(is_series(expect.first) for expect in program_of(path).expects)
]


def borders() -> Iterator[str]:
    """Every release of a stable series that took a change over, and the one before it."""
    for switch in SWITCHES:
        for backport in (*switch.stable, *switch.ended_stable):
            series, _, point = backport.point.rpartition(".")
            if series in RELEASES:
                yield backport.point
                yield f"{series}.{int(point) - 1}"


@cache
def versions_by_rules() -> dict[object, list[str]]:
    """The known versions, the releases and the borders, those with the same rules together."""
    together: dict[object, list[str]] = {}
    for version in sorted({*known_versions(), *RELEASES, *borders()}, key=version_key):
        rules = dataclasses.replace(profile_of(version), version="", series="")
        together.setdefault(rules, []).append(version)
    return together


def unmet(path: Path) -> list[str]:
    """The versions on which the program leaves something else than it says."""
    program, failing = program_of(path), []
    for versions in versions_by_rules().values():
        (run,) = ModelMachine(versions[0]).run([program])
        failing += [version for version in versions if expectation_failures(program, run, version)]
    return failing


def test_there_are_versions() -> None:
    """Every known version is asked, and stable series have more rules than their first releases."""
    asked = [version for versions in versions_by_rules().values() for version in versions]

    assert set(known_versions()) < set(asked)
    assert len(versions_by_rules()) > len(RELEASES)


@for_each("path", OF_VERSIONS[::4], ids=lambda path: path.stem)
def test_a_program_that_names_versions_is_right_on_all(path: Path) -> None:
    """Its lines are right on both sides of each release that they name; one program of four."""
    assert unmet(path) == []


@pytest.mark.target("long")
@for_each("path", list(FILES.values()), ids=lambda path: path.stem)
def test_every_program_is_right_on_every_version(path: Path) -> None:
    """A program is as expected wherever the model knows the rules."""
    assert unmet(path) == []


def test_a_line_too_few_is_noticed() -> None:
    """Without its lines for versions, the first program is wrong where a stable series lost the flag."""
    program = program_of(litmus_file("munmap-middle"))
    of_series = tuple(expect for expect in program.expects if is_series(expect.first))
    run = ModelMachine("6.12.23").run_one(program)

    assert expectation_failures(program, run, "6.12.23") == []
    assert expectation_failures(msgspec.structs.replace(program, expects=of_series), run, "6.12.23") != []
