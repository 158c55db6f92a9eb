"""Branches of functions, and which of them are taken."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from pfnlab.base.branches import IN, PAST, BranchWatch, branches_of

SOURCE = """
def sign(number):
    if number < 0:
        return -1
    for _ in range(number):
        pass
    match number:
        case 0:
            return 0
        case _:
            return 1


def _check(number):
    if number:
        pass


if True:
    pass
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    """The functions of SOURCE."""
    path = tmp_path / "sign.py"
    path.write_text(SOURCE)
    made = ModuleType("sign")
    made.__file__ = str(path)
    exec(compile(SOURCE, path, "exec"), made.__dict__)
    return made


def watch(module: ModuleType) -> BranchWatch:
    """One that names the file of *module* ``sign``."""
    return BranchWatch({module.__file__: "sign"}.get)


def test_branches_of_functions(module: ModuleType) -> None:
    """By line, with the ways out; checks and the module's own statements do not count."""
    branches = branches_of(str(module.__file__))

    assert [(3, (IN, PAST)), (5, (IN, PAST)), (8, (IN, PAST)), (10, (IN,))] == [
        (branch.line, branch.ways) for branch in branches
    ]


def test_ways_that_are_taken(module: ModuleType) -> None:
    """Of one call."""
    with watch(module) as watched:
        module.sign(0)

    assert {"sign:3 past", "sign:5 past", "sign:8 in"} == watched.seen


def test_an_exception_in_a_condition_takes_no_way(module: ModuleType) -> None:
    """Neither into the body nor past it."""
    with watch(module) as watched, pytest.raises(TypeError):
        module.sign("three")

    assert set() == watched.seen


def test_other_files_are_not_watched(module: ModuleType) -> None:
    """Those that have no name."""
    with BranchWatch({}.get) as watched:
        module.sign(1)

    assert set() == watched.seen


def test_a_watch_gives_back_what_traced_before(module: ModuleType) -> None:
    """A debugger or another measurement goes on."""
    before = sys.gettrace()
    with watch(module):
        assert sys.gettrace() is not None

    assert sys.gettrace() is before
