"""Programs by path, text and machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from litmus_files import litmus_file

import pfnlab as pl
from pfnlab.programs.lang.load import load_program

TEXT = "pfnlab program 1\ndevice  bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n"


def test_a_program_comes_from_its_path() -> None:
    """Given as a path or as text."""
    path = litmus_file("munmap-middle")

    assert load_program(path) == pl.load(path) == pl.load(str(path))


def test_a_program_comes_by_its_name() -> None:
    """As the verbs find it."""
    named = pl.load("munmap-middle")

    assert load_program(litmus_file("munmap-middle")) == named == pl.load("unmapping/munmap-middle")


def test_more_than_one_line_is_text() -> None:
    """The program prints as it was written."""
    assert TEXT == str(pl.load(TEXT))


def test_a_saved_program_is_loaded_again(tmp_path: Path) -> None:
    """Also one that was done on a machine."""
    m = pl.machine("model:7.2", device="bar: pci, 4 pages")
    m.mmap("bar", "wc")

    pl.save(m, tmp_path / "mine.pfn")

    assert m.program == pl.load(tmp_path / "mine.pfn")
    assert TEXT == (tmp_path / "mine.pfn").read_text(encoding="utf-8")


def test_what_cannot_be_written_is_misuse(tmp_path: Path) -> None:
    """With the path."""
    with pytest.raises(pl.Misuse, match=r"none/mine\.pfn cannot be written"):
        pl.save(TEXT, tmp_path / "none" / "mine.pfn")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("no-such-name", "there is no program 'no-such-name'"),
        ("nowhere.pfn", "nowhere.pfn"),
        ("fork", "fork is [0-9]+ programs: name one of them"),
        ("pfnlab program 1\nlook\n", "no device yet"),
    ],
)
def test_what_is_no_program_is_misuse(given: str, says: str) -> None:
    """With what to give instead."""
    with pytest.raises(pl.Misuse, match=says):
        pl.load(given)


def test_an_unfinished_machine_is_no_program() -> None:
    """Nothing was done, or a processor still stands still."""
    m = pl.machine("model:7.2")
    with pytest.raises(pl.Misuse, match="no operation"):
        pl.run(m)
    a = m.mmap("bar[0:4]", "wc")
    m.hold("unmap_vmas").munmap(a)
    with pytest.raises(pl.Misuse, match="write `release` as the last operation"):
        pl.run(m)
