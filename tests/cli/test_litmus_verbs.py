"""``pfnlab litmus``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import Ask

from pfnlab.programs.lang.library import find_program, library_paths
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.problems import format_text


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_program_is_listed(ask: Ask) -> None:
    """Name and question, under the headings of the README."""
    answer = ask("litmus", "list")

    listed = [line.split()[0] for line in answer.out.splitlines() if line.startswith("  ")]
    assert sorted(path.stem for path in library_paths()) == sorted(listed)
    assert answer.out.startswith("Unmapping\n  munmap-whole")
    assert answer.out == ask("litmus").out


def test_a_list_may_be_of_one_section_and_one_word(ask: Ask) -> None:
    """Both hold then."""
    out = ask("litmus", "list", "--section", "Unmapping", "--grep", "middle").out

    assert "munmap-middle" in out
    assert "munmap-whole" not in out


def test_a_list_of_nothing_is_misuse(ask: Ask) -> None:
    """One line says where to look."""
    answer = ask("litmus", "list", "--grep", "no such word")

    assert (2, "") == (answer.code, answer.out)


def test_the_list_has_a_json_form(ask: Ask) -> None:
    """One object; a word that nothing has is an empty list there."""
    programs = json.loads(ask("litmus", "list", "--section", "Unmapping", "--json").out)["programs"]

    assert {"name", "folder", "section", "question", "says"} == set(programs[0])
    assert ("munmap-whole", "unmapping") == (programs[0]["name"], programs[0]["folder"])
    assert [] == json.loads(ask("litmus", "list", "--grep", "no such word", "--json").out)["programs"]


def test_a_program_is_shown(ask: Ask) -> None:
    """Its text, as it is."""
    assert find_program("munmap-middle").read_text() == ask("litmus", "show", "munmap-middle").out


def test_a_program_is_copied(ask: Ask, here: Path) -> None:
    """Into a folder that is made."""
    answer = ask("litmus", "copy", "munmap-middle", "munmap-m*", "--to", "own")

    assert 0 == answer.code
    assert 3 == len(list((here / "own").iterdir()))
    assert load_program(here / "own" / "munmap-middle.pfn") == load_program(find_program("munmap-middle"))


def test_a_copy_overwrites_nothing(ask: Ask, here: Path) -> None:
    """And then copies nothing at all; unless it is told to."""
    mine = here / "munmap-middle.pfn"
    mine.write_text("mine")
    names = ("litmus", "copy", "munmap-whole", "munmap-middle")

    refused = ask(*names)

    assert (2, "mine", [mine]) == (refused.code, mine.read_text(), list(here.iterdir()))
    assert (0, False) == (ask(*names, "--force").code, mine.read_text() == "mine")


def test_a_file_of_the_users_own_is_not_of_the_library(ask: Ask, here: Path) -> None:
    """Show and copy take names."""
    (here / "mine.pfn").write_text("")

    assert [2, 2] == [ask("litmus", verb, "mine.pfn").code for verb in ("show", "copy")]


def test_the_template_runs_as_it_is(ask: Ask, here: Path) -> None:
    """And is as fmt would write it."""
    written = ask("litmus", "new", "mine.pfn")

    assert 0 == written.code
    assert [0, 0] == [ask("run", "mine.pfn", "--on", f"model:{it}").code for it in ("6.1", "7.3")]
    text = (here / "mine.pfn").read_text()
    assert text == format_text(text, "mine.pfn")
    assert text == ask("litmus", "new").out


def test_the_template_overwrites_nothing(ask: Ask, here: Path) -> None:
    """Unless it is told to."""
    (here / "mine.pfn").write_text("mine")

    assert (2, "mine") == (ask("litmus", "new", "mine.pfn").code, (here / "mine.pfn").read_text())
    assert 0 == ask("litmus", "new", "mine.pfn", "--force").code
