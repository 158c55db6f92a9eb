"""Patches that are proposed for the kernel are mails of git, and say below the message what pfnlab needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pfnlab.lab.building.patch_file import read_patch
from pfnlab.programs.model.model_machine import ModelMachine

FOLDER = Path(__file__).parents[3] / "evidence" / "patches" / "upstream" / "fixes"
PATHS = sorted(FOLDER.glob("*.patch"))
each_patch = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def parts(path: Path) -> tuple[str, str]:
    """The message, and the notes below it that `git am` leaves out."""
    message, notes = path.read_text(encoding="utf-8").split("\ndiff --git ")[0].split("\n---\n")
    return message, notes


def test_both_are_there() -> None:
    """One for each finding."""
    assert ["fix-N05", "fix-N06"] == [path.stem for path in PATHS]


@each_patch
def test_the_message_is_a_mail(path: Path) -> None:
    """A subject with its subsystem, nobody's name, and lines that fit a mail."""
    message, _ = parts(path)
    lines = message.splitlines()

    assert re.match(r"From 0{40} Mon Sep 17 00:00:00 2001$", lines[0])
    assert re.search(r"^Subject: \[PATCH\] mm: ", message, re.MULTILINE)
    assert "Signed-off-by: pfnlab <pfnlab@localhost>" == lines[-1]
    assert not [line for line in lines if len(line) > 75 and not line.startswith("Fixes: ")]


@each_patch
def test_the_message_speaks_of_the_kernel_alone(path: Path) -> None:
    """Which policy it is of which model is in the notes."""
    message, notes = parts(path)

    assert not re.search(r"^(Policy|Base|SPDX)", message, re.MULTILINE)
    assert ["Policy", "Base", "SPDX-License-Identifier"] == [
        line.split(":")[0] for line in notes.split("\n\n")[0].splitlines()
    ]


@each_patch
def test_it_stands_on_7_3(path: Path) -> None:
    """The package, the licence, and files of the memory core alone."""
    patch = read_patch(path)

    assert ("linux-source-7.3", "GPL-2.0-only") == (patch.base_package, patch.license)
    assert patch.base_version
    assert all(file.startswith("mm/") for file in patch.files)


@each_patch
def test_the_model_has_its_policy(path: Path) -> None:
    """A machine can be named after it."""
    assert ModelMachine(f"7.3,{read_patch(path).policy}")


@each_patch
def test_the_page_names_it(path: Path) -> None:
    """With the finding, beside the table of what was compared."""
    page = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert page.count(f"[{path.stem}]({path.name})") == 2
