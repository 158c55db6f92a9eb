"""Programs out of files: all of a folder, each by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.load import program_files


def test_folders_in_a_folder_count(tmp_path: Path) -> None:
    """Programs are sorted by name, whichever folder they are in; other files are none."""
    (tmp_path / "z").mkdir()
    files = [tmp_path / "z" / "a.pfn", tmp_path / "b.pfn", tmp_path / "z" / "c.pfn"]
    for file in (*files, tmp_path / "README.md"):
        file.touch()

    assert files == list(program_files(tmp_path).values())


def test_two_programs_of_one_name_are_refused(tmp_path: Path) -> None:
    """Nobody could say which of the two is meant."""
    (tmp_path / "z").mkdir()
    for file in (tmp_path / "a.pfn", tmp_path / "z" / "a.pfn"):
        file.touch()

    with pytest.raises(
        ProgramError, match=r"a\.pfn: there is another program of that name, .*a\.pfn: rename one"
    ):
        program_files(tmp_path)
