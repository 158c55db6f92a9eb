"""Programs by name: what a word means, and that what means nothing says what to write instead."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse, ProgramError
from pfnlab.programs.lang import library, library_list
from pfnlab.programs.lang.library import (
    ALL,
    STDIN,
    find_program,
    in_library,
    library_paths,
    library_programs,
    load_found,
    long_name,
    program_paths,
)
from pfnlab.programs.lang.library_list import chosen_entries, library_entries, library_folder
from pfnlab.programs.lang.load import load_program


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library in which two programs have one stem."""
    folder = tmp_path / "twins"
    for name in ("fork/one.pfn", "exit/one.pfn", "exit/other.pfn"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    monkeypatch.setattr(library, "library_folder", lambda: folder)
    return folder


def test_a_stem_is_a_name() -> None:
    """The file is found wherever one is."""
    assert library_folder() / "unmapping" / "munmap-middle.pfn" == find_program("munmap-middle")


def test_a_stem_with_its_folder_is_a_name() -> None:
    """Also where the stem alone would do."""
    assert find_program("munmap-middle") == find_program("unmapping/munmap-middle")


def test_a_stem_of_two_programs_names_both(twins: Path) -> None:
    """The error says what to write; that then is found."""
    with pytest.raises(Misuse, match="one is several programs, exit/one, fork/one: name one of them"):
        find_program("one")

    assert twins / "fork" / "one.pfn" == find_program("fork/one")


def test_an_unknown_name_has_close_ones() -> None:
    """In one line."""
    with pytest.raises(Misuse, match=r"no program 'munmap-midle'.*did you mean munmap-middle.*") as refused:
        find_program("munmap-midle")

    assert "\n" not in str(refused.value)


def test_every_program_has_a_name_of_its_own() -> None:
    """And is found by it."""
    assert list(library_paths()) == [find_program(path.stem) for path in library_paths()]
    assert list(library_paths()) == [find_program(long_name(path)) for path in library_paths()]


def test_a_name_that_is_too_long_is_no_traceback() -> None:
    """The file system refuses to look for it."""
    with pytest.raises(Misuse, match="File name too long"):
        load_found(*program_paths(["x" * 70_000]))


def test_a_file_wins_over_a_name(here: Path) -> None:
    """Whatever is in it."""
    (here / "munmap-middle").write_text("")

    assert [Path("munmap-middle")] == program_paths(["munmap-middle"])


def test_a_folder_is_all_programs_below_it(here: Path) -> None:
    """Sorted, and nothing else that lies there."""
    for name in ("own/b.pfn", "own/deep/a.pfn", "own/b.expected.json"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("")

    assert [Path("own/b.pfn"), Path("own/deep/a.pfn")] == program_paths(["own"])


def test_a_folder_without_programs_is_refused(here: Path) -> None:
    """A typing error must not pass for success."""
    with pytest.raises(Misuse, match="holds no program"):
        program_paths(["."])


def test_a_pattern_is_of_files(here: Path) -> None:
    """The shell may have left it alone."""
    for name in ("munmap-a.pfn", "munmap-b.pfn", "other.pfn"):
        (here / name).write_text("")

    assert [Path("munmap-a.pfn"), Path("munmap-b.pfn")] == program_paths(["munmap-*.pfn"])


@pytest.mark.usefixtures("here")
def test_a_pattern_is_of_names_where_no_file_matches() -> None:
    """With folder and without."""
    names = [path.stem for path in program_paths(["munmap-m*", "unmapping/munmap-t*"])]

    found = {"munmap-many-tables", "munmap-middle", "munmap-middle-last", "munmap-twice"}
    assert found | {"munmap-two-gibibytes"} == set(names)


@pytest.mark.parametrize("pattern", ["*", "m*", "[a-z]*"])
def test_a_pattern_without_an_ending_is_of_programs(here: Path, pattern: str) -> None:
    """A page or a golden that lies beside them is none."""
    for name in ("mine.pfn", "mine.expected.json", "makefile", "m.md"):
        (here / name).write_text("")

    assert [Path("mine.pfn")] == program_paths([pattern])


def test_a_pattern_that_says_the_ending_is_taken_at_its_word(here: Path) -> None:
    """Programs have a form of JSON, and may be called anything."""
    for name in ("one.json", "two.json", "three.pfn"):
        (here / name).write_text("")

    assert [Path("one.json"), Path("two.json")] == program_paths(["*.json"])


def test_all_programs_have_a_word(here: Path) -> None:
    """Wherever one is, whatever lies there, and where only names are taken too."""
    (here / ALL).write_text("")

    assert list(library_paths()) == program_paths([ALL]) == library_programs([ALL])


@pytest.mark.usefixtures("here")
def test_all_programs_are_not_written_over() -> None:
    """Where files are written, the word is a file's name like any other."""
    assert [Path(ALL)] == program_paths([ALL], names=False)


@pytest.mark.usefixtures("here")
def test_a_pattern_of_nothing_is_refused() -> None:
    """The error names where all names are."""
    with pytest.raises(Misuse, match=r"matches no program.*pfnlab litmus list"):
        program_paths(["nothing-*"])


@pytest.mark.usefixtures("here")
def test_a_folder_of_the_library_is_all_its_programs() -> None:
    """Where there is no such folder here."""
    expected = sorted((library_folder() / "fork").glob("*.pfn"))

    assert expected == program_paths(["fork"]) == program_paths(["litmus/fork/"])


@pytest.mark.usefixtures("here")
def test_a_path_of_the_pages_is_a_name() -> None:
    """They show programs as in a checkout, which may not be there."""
    assert [find_program("munmap-middle")] == program_paths(["litmus/unmapping/munmap-middle.pfn"])


@pytest.mark.usefixtures("here")
@for_each("word", ["munmap-middle.pfn", "./munmap-middle", "/nowhere/x", "a\0b"])
def test_a_path_is_no_name(word: str) -> None:
    """A file that is missing is said to be missing; nothing else runs in its place."""
    with pytest.raises(ProgramError):
        load_found(program_paths([word])[0])


def test_standard_input_is_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """In any form that a file may have."""
    path = find_program("munmap-middle")
    monkeypatch.setattr("sys.stdin", io.StringIO(path.read_text()))

    assert load_program(path) == load_found(*program_paths(["-"]))


def test_standard_input_is_read_once() -> None:
    """It holds one program."""
    with pytest.raises(Misuse, match="give - once"):
        program_paths(["-", "-"])


def test_a_file_may_be_called_as_standard_input_is(here: Path) -> None:
    """With its folder it is no longer that."""
    (here / "-").write_text("")

    assert [here / "-"] == program_paths(["./-"]) != [STDIN]


def test_what_is_in_the_library_is_told_apart(here: Path) -> None:
    """A file of the user's own is not."""
    assert (True, False) == (in_library(find_program("munmap-middle")), in_library(here / "x.pfn"))


def test_every_program_is_an_entry() -> None:
    """Once."""
    assert sorted(library_paths()) == sorted(entry.path for entry in library_entries())


def test_entries_are_chosen_by_a_word() -> None:
    """In the name, the text and the row of the README, in upper and lower case."""
    assert "munmap-middle" in [entry.name for entry in chosen_entries("MUNMAP-middle")]
    assert all("mremap" in entry.path.read_text() for entry in chosen_entries("= mremap "))
    assert [] == chosen_entries("no such word anywhere")


@for_each("section", ["Unmapping", "unmapping", "UNMAP"])
def test_entries_are_chosen_by_section(section: str) -> None:
    """By heading, folder, or a part of the heading."""
    assert "munmap-whole" in [entry.name for entry in chosen_entries(section=section)]
    assert "fork-child-first" not in [entry.name for entry in chosen_entries(section=section)]


def test_an_unknown_section_names_all() -> None:
    """The error is what one looks for."""
    with pytest.raises(Misuse, match="no section 'nowhere': they are Unmapping, Flushes"):
        chosen_entries(section="nowhere")


def test_without_programs_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation that lost them is misuse in one line."""
    monkeypatch.setattr(library_list, "_PACKAGE", tmp_path / "src" / "pfnlab")

    with pytest.raises(Misuse, match="not installed"):
        library_folder()
