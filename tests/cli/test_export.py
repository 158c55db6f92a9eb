"""``pfnlab export`` and ``pfnlab litmus show --as``."""

from __future__ import annotations

from pathlib import Path

from asking import PROGRAM, Ask


def test_c_is_printed(ask: Ask) -> None:
    """Where no file is named."""
    answer = ask("export", "munmap-middle")

    assert answer.code == 0
    assert answer.out.startswith(
        "// SPDX-License-Identifier: GPL-2.0-or-later\n/*\n * Unmapping the middle first\n"
    )


def test_c_is_written(ask: Ask, tmp_path: Path) -> None:
    """To a file, or under its own name into a folder."""
    ask("export", "munmap-middle", "-o", tmp_path / "repro.c")
    ask("export", "munmap-middle", "-o", tmp_path)

    one, other = ((tmp_path / name).read_text() for name in ("repro.c", "munmap-middle.c"))
    assert one.partition("*/")[2] == other.partition("*/")[2]


def test_the_folder_of_a_file_must_be_there(ask: Ask, tmp_path: Path) -> None:
    """A wrong name makes none."""
    assert ask("export", "munmap-middle", "-o", tmp_path / "none" / "repro.c").code == 2
    assert not (tmp_path / "none").exists()


def test_several_files_need_a_folder(ask: Ask, tmp_path: Path) -> None:
    """Which is made."""
    assert "name a folder with -o FOLDER" in ask("export", "munmap-middle", "--format", "kselftest").err

    answer = ask("export", "munmap-middle", "--format", "kselftest", "-o", tmp_path / "munmap_middle")

    assert [str(tmp_path / "munmap_middle" / name) for name in ("munmap_middle.c", "Makefile", "config")] == (
        answer.out.split()
    )


def test_a_program_of_a_driver_has_its_module_beside_it(ask: Ask, tmp_path: Path) -> None:
    """In a folder."""
    assert "is 4 files, driver_zap_conflict.c, " in ask("export", "driver-zap-conflict").err

    answer = ask("export", "driver-zap-conflict", "-o", tmp_path / "zap")

    names = [Path(line).name for line in answer.out.split()]
    assert (4, "driver_zap_conflict.c") == (len(names), names[0])
    assert {*names} == {path.name for path in (tmp_path / "zap").iterdir()}


def test_the_machine_s_answers_are_expected(ask: Ask, tmp_path: Path) -> None:
    """Those of the model that is named."""
    program = tmp_path / "middle.pfn"
    program.write_text(PROGRAM)

    answer = ask("export", program, "--on", "model:6.1")

    assert 'check("left reserved", "bar[0:8] wc", left());' in answer.out


def test_a_program_that_needs_more_is_undecided(ask: Ask) -> None:
    """In one line, exit code 3."""
    answer = ask("export", "race-revoked-before-flush")

    assert answer.code == 3
    assert answer.err.endswith("a hold point needs a debugger: use `pfnlab run`\n")


def test_a_program_is_not_written_over(ask: Ask, tmp_path: Path) -> None:
    """The file that is read stays."""
    program = tmp_path / "middle.pfn"
    program.write_text(PROGRAM)

    assert ask("export", program, "-o", program).code == 2
    assert program.read_text() == PROGRAM


def test_a_form_that_is_none_is_refused(ask: Ask) -> None:
    """With those there are."""
    assert (
        "--format has no 'd': write one of c, kselftest, drgn"
        in ask("export", "munmap-middle", "--format", "d").err
    )
