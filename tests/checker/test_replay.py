"""Every path a search emits goes through again."""

from __future__ import annotations

from pathlib import Path

import pytest
from some_races import REVOCATIONS, races

from pfnlab.base.errors import Misuse
from pfnlab.checker.check import CheckResult, check
from pfnlab.checker.limits import Exhaustive, Walks
from pfnlab.checker.replay import ProgramReplay, Replay, check_same, path_text, read_path
from pfnlab.checker.scopes.scope import load_scope, scope_names
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.problems import program_text
from pfnlab.programs.model.model_machine import ModelMachine

#: A model that breaks something, and how far to look, for each scope.
BROKEN = {
    "small": ("6.1", Exhaustive()),
    "standard": ("6.1", Exhaustive(depth=3)),
    "lowmem": ("6.1", Exhaustive(depth=3)),
    "hole": ("6.1", Exhaustive(depth=3)),
    "vfio": ("6.1", Exhaustive(depth=3)),
    "vfio_memory": ("6.1", Exhaustive(depth=4)),
    "race": ("7.2,flush=none", Exhaustive()),
    "race_gathers": ("7.2,flush=none", Exhaustive()),
    "neighbours": ("6.1", Exhaustive(depth=3)),
    "removal": ("6.1", Exhaustive(depth=3)),
    "ends_areas": ("6.1", Exhaustive(depth=3)),
    "ends_driver": ("6.1", Exhaustive(depth=3)),
    "ends_forks": ("6.1", Exhaustive(depth=3)),
    "ends_kinds": ("6.1", Exhaustive(depth=3)),
    "ends_leaf": ("6.1", Exhaustive(depth=3)),
    "ends_leaves": ("6.12", Exhaustive(depth=3)),
    "ends_modes": ("6.1", Exhaustive(depth=3)),
    "ends_vfio": ("6.1", Exhaustive(depth=3)),
    "leaves": ("6.1", Exhaustive(depth=3)),
    "wide": ("6.1", Exhaustive(depth=2)),
}


def replayed(checked: CheckResult) -> list[str]:
    """The properties whose paths go through, and decide them where they did."""
    names = []
    for answer in checked.answers:
        if answer.replay is not None:
            recorded = read_path(answer.replay)
            again = Replay(recorded)
            check_same(again.question, list(again.on(recorded.machine)))
            names.append(answer.name)
    return names


def test_every_scope_is_looked_at() -> None:
    """None is forgotten below."""
    assert sorted(BROKEN) == scope_names()


@pytest.mark.target("long")
@pytest.mark.parametrize("scope", BROKEN)
def test_every_path_goes_through(scope: str) -> None:
    """Of properties that are broken, and of those that are reached."""
    spec, limits = BROKEN[scope]
    checked = check(ModelMachine(spec), load_scope(scope), limits=limits)

    assert [one.name for one in checked.answers if one.path not in (None, "0")] == replayed(checked) != []


@pytest.mark.parametrize("scope", ["small", "race"])
def test_so_do_those_of_random_walks(scope: str) -> None:
    """Whose programs are made shorter; the path is as it was found."""
    spec, _ = BROKEN[scope]
    checked = check(ModelMachine(spec), load_scope(scope), limits=Walks(count=40, seed=1))

    assert replayed(checked)


def test_a_scope_of_ones_own_is_found_by_its_file(tmp_path: Path) -> None:
    """With a folder whose name has a blank in it."""
    file = tmp_path / "my own" / "mine.toml"
    file.parent.mkdir()
    file.write_text(
        'devices = ["bar: pci, 2 pages"]\ntasks = 1\nareas = 1\ndepth = 3\n'
        'operations = ["new = mmap bar[0:2] wc shared rw", "munmap <first>", "munmap <last>"]\n'
    )

    checked = check(ModelMachine("6.1"), load_scope(str(file)))

    assert "exact" in replayed(checked)


def test_text_and_path_are_the_same() -> None:
    """What is written is what is read."""
    from pfnlab.checker.search.path import Path as Way

    way: Way[object] = Way(1, (3, 0), ("this", "that"))

    recorded = read_path(path_text("model:7.2", "race", "told_free", way))

    assert ("model:7.2", "race", "told_free", 1) == recorded[:4]
    assert [3, 0] == [choice for choice, _ in recorded.steps]


@pytest.mark.parametrize("way", ["²/1abc", f"{'9' * 5000}/1abc", f"0/{'9' * 5000}abc", "0/٣abc"])
def test_a_way_that_nobody_wrote_is_misuse(way: str) -> None:
    """Its numbers are of few digits, which are those of everybody."""
    with pytest.raises(Misuse, match="is not a way: write it as check printed it"):
        read_path(f"pfnlab path 1: model:6.1 small no_leak {way}")


@pytest.mark.parametrize("spec", ["6.1", "7.3"])
def test_programs_of_races_break_the_same_again(spec: str) -> None:
    """With a task that is held, with none, and with the exits that show a leak."""
    checked = check(ModelMachine(spec), races(REVOCATIONS))
    programs = [answer.program for answer in checked.answers if answer.program is not None]

    for program in programs:
        saved = ProgramReplay(load_text(program_text(program)))
        check_same(saved.question, saved.on(f"model:{spec}"))
    assert programs
