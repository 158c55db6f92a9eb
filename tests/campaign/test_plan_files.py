"""The files that a campaign's file names lie beside it, and their content is part of the work."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.campaign.plan import Plan, PlanFiles
from pfnlab.campaign.plan_file import read_plan
from pfnlab.checker.scopes.scope import scope_names
from pfnlab.programs.lang.library import find_program, library_paths

MINE = """\
pfnlab program 1
device  bar: pci, 16 pages

a = mmap bar[0:4] wc shared rw
munmap a
"""
SCOPE = """\
says = "One device of four pages."
devices = ["bar: pci, 4 pages"]
tasks = 1
areas = 1
depth = 2
operations = ["new = mmap bar[0:4] wc shared rw", "munmap <whole>"]
"""

HEAD = 'form = 1\nname = "n"\n'
CATALOGUE = '[[catalogue]]\nmachines = [["model:6.1", "model:7.2"]]\n'


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder that is not the one of the command, with programs and a scope."""
    folder = tmp_path / "plans"
    for name in ("mine.pfn", "more/first.pfn", "more/deep/second.pfn"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MINE, encoding="utf-8")
    (folder / "one.toml").write_text(SCOPE, encoding="utf-8")
    return folder


def plan(folder: Path, text: str) -> Plan:
    """The plan of a file in *folder*."""
    path = folder / "c.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return read_plan(path)


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("mine.pfn", {"mine.pfn"}),
        ("./mine.pfn", {"mine.pfn"}),
        ("more", {"more/first.pfn", "more/deep/second.pfn"}),
        ("more/*.pfn", {"more/first.pfn"}),
        ("**/*.pfn", {"mine.pfn", "more/first.pfn", "more/deep/second.pfn"}),
        ("munmap-whole", {"unmapping/munmap-whole"}),
    ],
)
def test_programs_are_of_the_folder_of_the_file(beside: Path, word: str, names: set[str]) -> None:
    """Or of the library."""
    assert names == {*PlanFiles(beside).programs((word,))}


@pytest.mark.parametrize("word", ["mine.pfn", "more"])
def test_a_path_may_be_absolute(beside: Path, tmp_path: Path, word: str) -> None:
    """The program has then the path as its name, unless it lies beside the file."""
    path = beside / word
    programs = {path} if path.is_file() else {*path.rglob("*.pfn")}

    assert {str(program) for program in programs} == {*PlanFiles(tmp_path / "other").programs((str(path),))}
    assert {str(program.relative_to(beside)) for program in programs} == {
        *PlanFiles(beside).programs((str(path),))
    }


def test_without_words_the_programs_are_those_of_the_library(beside: Path) -> None:
    """Whatever lies beside the file."""
    assert len(library_paths()) == len(PlanFiles(beside).programs(()))


def test_a_program_of_the_library_has_one_name_however_it_is_named(beside: Path) -> None:
    """By its name or by its path."""
    by_path = PlanFiles(beside).programs((str(find_program("munmap-whole")),))

    assert PlanFiles(beside).programs(("munmap-whole",)) == by_path


def test_a_file_is_no_other_program_of_the_same_name(beside: Path) -> None:
    """Results of the two could not be told apart."""
    (beside / "unmapping").mkdir()
    (beside / "unmapping" / "munmap-whole").write_text(MINE, encoding="utf-8")

    with pytest.raises(Misuse, match="is both a program of pfnlab and a file: rename the file"):
        PlanFiles(beside).programs(("unmapping/munmap-whole", str(find_program("munmap-whole"))))


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("none.pfn", "no such file"),
        ("bad.pfn", "bad.pfn:1:1"),
        ("-", "a campaign does not read standard input"),
    ],
)
def test_a_program_that_is_none_is_one_line(beside: Path, word: str, says: str) -> None:
    """With the line of the campaign's file that names it."""
    (beside / "bad.pfn").write_text("nothing\n", encoding="utf-8")

    with pytest.raises(Misuse) as refused:
        plan(beside, CATALOGUE + f'programs = ["{word}"]\n')

    message = str(refused.value)
    assert says in message and "\n" not in message
    assert message.startswith(f"{beside}/c.toml: [[catalogue]] 1, programs: ") and "^" not in message


def test_a_plan_has_the_same_shards_from_wherever_it_is_read(
    beside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the folder was moved."""
    text = CATALOGUE + 'programs = ["mine.pfn"]\n[[check]]\nmachines = ["model:7.2"]\nscopes = ["one.toml"]\n'
    shards = plan(beside, text).shards(beside)
    moved = tmp_path / "moved"
    shutil.copytree(beside, moved)
    monkeypatch.chdir(moved)

    assert shards == read_plan(Path("c.toml")).shards()
    assert ["check", "catalogue"] == [shard.task for shard in shards]


@pytest.mark.parametrize(("file", "place"), [("mine.pfn", 1), ("one.toml", 0)])
def test_a_file_that_was_changed_is_other_work(beside: Path, file: str, place: int) -> None:
    """The others stay the same."""
    text = CATALOGUE + 'programs = ["mine.pfn"]\n[[check]]\nmachines = ["model:7.2"]\nscopes = ["one.toml"]\n'
    known = plan(beside, text)
    before = [shard.digest for shard in known.shards(beside)]
    (beside / file).write_text(
        MINE.replace("0:4", "0:5") if place else SCOPE.replace("depth = 2", "depth = 3")
    )

    after = [shard.digest for shard in known.shards(beside)]

    assert [place] == [number for number, key in enumerate(after) if key != before[number]]


def test_a_scope_of_pfnlab_has_no_text(beside: Path) -> None:
    """Its name is enough; that of a file is its content."""
    assert {""} == {PlanFiles(beside).scope_text(name) for name in scope_names()}
    assert SCOPE == PlanFiles(beside).scope_text("one.toml")


def test_a_folder_of_findings_has_to_exist(tmp_path: Path) -> None:
    """A name with a mistake would make every finding new."""
    with pytest.raises(Misuse, match="there is no folder"):
        PlanFiles(tmp_path).findings("missing")
