"""Scopes: what a file says, and what is wrong with one that says it wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.checker.scopes.domain import KernelModel
from pfnlab.checker.scopes.scope import Scope, load_scope, read_scope, scope_names
from pfnlab.checker.search.explore import explore
from pfnlab.programs.model.model_machine import ModelMachine

GOOD = """
devices = ["bar: pci, 3 pages"]
tasks = 2
areas = 1
depth = 2
operations = ["new = mmap bar wc shared rw"]
"""


def steps(operations: list[str], done: int) -> list[str]:
    """The operations a state offers, *done* first ones of them having been taken one after the other."""
    lines = ", ".join(f'"{line}"' for line in operations)
    text = f'devices = ["bar: pci, 4 pages"]\ntasks = 2\nareas = 2\ndepth = 3\noperations = [{lines}]'
    scope = read_scope(text, "tiny")
    assert isinstance(scope, Scope)
    model = KernelModel(ModelMachine("7.2"), scope)
    state = next(iter(model.initial()))
    for _ in range(done):
        state = next(after for _, after in model.successors(state))
    return [str(step) for step, _ in model.successors(state)]


@for_each("name", scope_names())
def test_named_scopes_can_be_read(name: str) -> None:
    """Every scope in the package is one, and says what it is."""
    assert load_scope(name).says.endswith(".")


def test_a_file_is_a_scope(tmp_path: Path) -> None:
    """A scope may be a user's own file."""
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)

    assert "mine" == load_scope(str(path)).name


def test_programs_of_a_scope_have_its_setting() -> None:
    """Kernels that obey it have leaves in the scope of leaves."""
    scope = load_scope("leaves")

    assert isinstance(scope, Scope)
    assert "always" == scope.program("", "", ()).thp


def test_places_are_filled_in() -> None:
    """Parts of a mapping become its pages."""
    operations = ["munmap <whole>", "munmap <first>", "munmap <middle>", "munmap <last>", "munmap <half>"]
    offered = steps(["new = mmap bar[0:4] wc shared rw", *operations], 1)

    assert [
        "b = mmap bar[0:4] wc shared rw",
        *("munmap a[0:4]", "munmap a[0]", "munmap a[1:3]", "munmap a[3]", "munmap a[0:2]"),
    ] == offered


def test_moves_are_filled_in() -> None:
    """A mapping is shrunk by a page or moved to an area that is free."""
    how = ["mremap <whole> shrink", "mremap <whole> move", "mremap <whole> dontunmap"]
    offered = steps(["new = mmap bar[0:4] wc shared rw", *how], 1)

    assert [
        "b = mmap bar[0:4] wc shared rw",
        "mremap a[0:4] 3 pages",
        "b = mremap a[0:4] 4 pages maymove fixed",
        "b = mremap a[0:4] 4 pages maymove fixed dontunmap",
    ] == offered


def test_the_last_task_never_ends() -> None:
    """One task is always left to go on."""
    assert ["p1 = fork"] == steps(["child = fork", "exit"], 0)
    assert ["exit", "p1: exit"] == steps(["child = fork", "exit"], 1)


@for_each(
    ("old", "new", "said"),
    [
        ("tasks = 2\n", "", "write the missing key `tasks`"),
        ("tasks", "taskz", "did you mean `tasks`"),
        ("new = mmap", "a = mmap", "write `new = mmap ...`"),
        ("new = mmap bar wc shared rw", "munmap <frist>", "did you mean `first`"),
        ("new = mmap bar wc shared rw", "munmap", "munmap"),
        ("new = mmap bar wc shared rw", "clear_refs soft_dirty", "a state has no soft-dirty bits"),
        ("new = mmap bar wc shared rw", "process_madvise <first> cold main", "names no task"),
        ("bar: pci", "bar: pcie", "pcie"),
        ("depth = 2", "depth =", "not TOML"),
        ("depth = 2", "depth = 2\nthp = 'alwys'", "did you mean `always`"),
        ("depth = 2", "depth = 0", "depth: write a whole number >= 1"),
        ("areas = 1", "areas = -1", "areas: write a whole number >= 1"),
        ("tasks = 2", "tasks = true", "tasks: write a whole number, not true or false"),
        ("tasks = 2", "tasks = '2'", "tasks: write a whole number, not text"),
        ('"new = mmap bar wc shared rw"', "", "operations: write a list of length >= 1"),
        ('"new = mmap bar wc shared rw"', "5", "operations 1: write text, not a whole number"),
        ('["bar: pci, 3 pages"]', '"bar"', "devices: write a list, not text"),
    ],
)
def test_mistakes_are_said(old: str, new: str, said: str) -> None:
    """A malformed scope is refused with what to write."""
    with pytest.raises(Misuse, match=said):
        read_scope(GOOD.replace(old, new), "mine")


@for_each(
    ("old", "new", "said"),
    [
        (
            "new = mmap bar wc shared rw",
            "mmapp <first>",
            "`mmapp <first>`: unknown operation `mmapp`: did you mean `mmap`?",
        ),
        (
            "bar: pci",
            "bar: pcie",
            "`device bar: pcie, 3 pages`: unknown kind of device `pcie`: did you mean `pci`?",
        ),
        (
            '"new = mmap bar wc shared rw"',
            '"munmap <first>\\nlook"',
            "`munmap <first>�look` is more than one line: write each by itself",
        ),
        (
            "tasks",
            '"a\\nb"',
            "there is no key `a b`: write one of says, devices, tasks, areas, depth, thp, halves, operations",
        ),
        (
            "depth = 2",
            'depth = 2\nthp = "always\\nlook"',
            "`thp always look`: `look` is too much after the setting: "
            "delete it, or write `#` before a comment",
        ),
    ],
)
def test_a_mistake_is_one_line(old: str, new: str, said: str) -> None:
    """It has the line of the scope, and no place in a program that nobody wrote."""
    with pytest.raises(Misuse) as refused:
        read_scope(GOOD.replace(old, new), "mine")

    assert f"scope mine: {said}" == str(refused.value)


RACES = (
    'devices = ["bar: pci, 3 pages"]\n[[races]]\nsetup = ["a = mmap bar wc shared rw"]\nbeside = ["munmap a"]'
)


@for_each(
    ("text", "said"),
    [
        (RACES, "beside: write a list of length >= 2"),
        (RACES.replace('["munmap a"]', "5"), "beside: write a list, not a whole number"),
        (RACES.replace("setup", "setop"), "there is no key `setop`: did you mean `setup`"),
        ("races = 5", "races: write a list, not a whole number"),
        ("races = [5]", "write a table, not a whole number"),
        ("races = []", "races: write a list of length >= 1"),
    ],
)
def test_mistakes_in_races_are_said(text: str, said: str) -> None:
    """A malformed race is refused with what to write."""
    with pytest.raises(Misuse, match=said):
        read_scope(text, "mine")


@for_each("deep", ["says = " + "[" * 50_000, "says = " + "{a = " * 50_000])
def test_a_scope_nested_without_end_is_refused(deep: str) -> None:
    """However deep, it is a mistake in the file, and no defect."""
    with pytest.raises(Misuse, match="mine: this is nested too deeply"):
        read_scope(deep, "scope", "mine")


def test_an_unknown_name_is_refused() -> None:
    """A scope that is not there is refused with the nearest name."""
    with pytest.raises(Misuse, match="did you mean `standard`"):
        load_scope("standart")


def test_a_half_has_so_many_pages() -> None:
    """A mapping that has fewer than twice as many is cut no more."""
    text = """
devices = ["bar: pci, 4 pages"]
tasks = 1
areas = 1
operations = ["new = mmap bar[0:4] wc shared rw", "munmap <half>"]
"""
    states = {}
    for fewest in (1, 2, 3):
        halving = read_scope(f"halves = {fewest}\n{text}", "tiny")
        assert isinstance(halving, Scope)
        states[fewest] = explore(KernelModel(ModelMachine("7.2"), halving)).states

    assert {1: 4, 2: 3, 3: 2} == states
