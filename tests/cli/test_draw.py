"""``pfnlab draw``: pictures from the command line."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from asking import Ask


def test_a_story_is_printed(ask: Ask, program: Path) -> None:
    """On the newest model, all steps."""
    answer = ask("draw", program)

    assert 0 == answer.code
    assert 4 == answer.out.count("data-step=")


def test_a_picture_is_written(ask: Ask, program: Path, tmp_path: Path) -> None:
    """And nothing is printed."""
    answer = ask("draw", program, "--on", "model:6.1", "--step", 2, "-o", tmp_path / "s.svg")

    assert (0, "") == (answer.code, answer.out)
    assert "svg" in ElementTree.parse(tmp_path / "s.svg").getroot().tag


@pytest.mark.parametrize(
    ("words", "shows"),
    [
        (("--step", 2), 'data-part="vma:main:a:8"'),
        (("--step", 2, "--on", "model:6.12", "--on", "model:7.2"), 'data-machine="model:7.2"'),
        (("--race",), "Time runs down"),
        (("--narrow",), 'width="400"'),
        (("--theme", "dark"), 'class="pfn-picture dark"'),
        (("--all",), 'data-step="4"'),
        (("--all", "--on", "model:6.12", "--on", "model:7.2"), 'data-step="1"'),
    ],
)
def test_a_form_is_chosen(ask: Ask, program: Path, words: tuple[str | int, ...], shows: str) -> None:
    """One state, machines side by side, lanes, a narrow picture, a theme."""
    assert shows in ask("draw", program, *words).out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--step", 0), "1 to 4"),
        (("--step", 5), "1 to 4"),
        (("--theme", "pink"), "--theme has no 'pink': write one of auto, light, dark"),
        (("--all", "--step", 1), "--step excludes --all: drop --all"),
        (("--race", "--step", 1), "--step excludes --race: drop --race"),
        (("-o", "x.bmp"), "write -o x.svg"),
    ],
)
def test_misuse_is_said_in_a_line(ask: Ask, program: Path, words: tuple[str | int, ...], says: str) -> None:
    """With what to write instead."""
    answer = ask("draw", program, *words)

    assert (2, True, 1) == (answer.code, says in answer.err, answer.err.count("\n"))


def test_a_folder_is_refused(ask: Ask, program: Path) -> None:
    """One picture is of one program."""
    other = program.with_name("other.pfn")
    other.write_text(program.read_text())

    assert "is 2 programs: name one" in ask("draw", program.parent).err
