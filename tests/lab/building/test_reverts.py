"""Commits that are taken out: the patch that is found for a word, and one line where there is none."""

from pathlib import Path

import pytest
from for_each import for_each
from toy_tree import PATCH

from pfnlab.base.errors import Misuse
from pfnlab.lab.building import patch_file
from pfnlab.lab.building.patch_file import known_reverts, read_revert, word_of_revert

ONE, OTHER = "04c35ab3bdae", "04c35ab3bdff"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three patches of two commits that begin alike, one of a switch, and a file that is none."""
    home = tmp_path / "reverts"
    home.mkdir()
    for name in (f"{ONE}-6.1", f"{ONE}-7.2", f"{OTHER}-6.1", "huge_pfnmap-6.12"):
        (home / f"revert-{name}.patch").write_text(PATCH)
    (home / "another.patch").write_text(PATCH)
    monkeypatch.setattr(patch_file, "reverts_folder", lambda: home)
    return home


def refusal(word: str, series: str) -> str:
    with pytest.raises(Misuse) as refused:
        read_revert(word, series)
    return str(refused.value)


def test_a_patch_is_known_by_its_name() -> None:
    """Commit and series stand in it; a file with another name is none."""
    assert [(ONE, "6.1"), (ONE, "7.2"), (OTHER, "6.1"), ("huge_pfnmap", "6.12")] == [
        (one.commit, one.series) for one in known_reverts()
    ]


@for_each("word", [ONE, ONE + "0" * 28, ONE[:10]])
def test_a_commit_is_found_however_it_is_abbreviated(word: str, folder: Path) -> None:
    """Of the series asked for, put on as it is; ten digits are enough where nothing else begins so."""
    (folder / f"revert-{OTHER}-6.1.patch").unlink(missing_ok=True)

    patch = read_revert(word, "6.1")

    assert ("revert-04c35ab3bdae-6.1.patch", False) == (patch.path.name, patch.reverse)


def test_a_switch_stands_for_a_commit_that_nobody_knows() -> None:
    """Its name is the word."""
    assert "revert-huge_pfnmap-6.12.patch" == read_revert("huge_pfnmap", "6.12").path.name


def test_a_file_is_put_on_in_reverse(tmp_path: Path) -> None:
    """And what it makes of a kernel is not what its absence makes."""
    (tmp_path / "mine.patch").write_text(PATCH)

    patch = read_revert(str(tmp_path / "mine.patch"), "6.1")

    assert (True, "") == (patch.reverse, patch.policy)


@for_each(
    ("word", "series", "says"),
    [
        (ONE, "6.12", "removes 04c35ab3bdae from 6.12: there is one for 6.1, 7.2;"),
        ("1234567", "7.2", "removes 1234567 from 7.2: for 7.2 there are 04c35ab3bdae;"),
        ("1234567", "6.16", "removes 1234567 from 6.16: no patch for 6.16, but for 6.1, 6.12, 7.2;"),
        ("04c35ab", "6.1", "matches several commits: write 04c35ab3bdae or 04c35ab3bdff"),
        ("A01", "6.1", "neither a commit nor a patch: write 7 to 40 digits of the commit"),
        ("no/such.patch", "6.1", "no/such.patch: no such file"),
    ],
)
def test_what_cannot_be_taken_out_is_one_line(word: str, series: str, says: str) -> None:
    """With those there are, or what to write instead."""
    line = refusal(word, series)

    assert says in line
    assert "\n" not in line


def test_without_patches_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are not installed."""
    monkeypatch.setattr(patch_file, "reverts_folder", lambda: None)

    assert "none: they are not installed" in refusal(ONE, "6.1")


@for_each(
    ("word", "name"),
    [
        (f"{OTHER}00", "without-04c35ab3bdff"),
        ("04c35ab", "without-04c35ab"),
        ("huge_pfnmap", "without-huge_pfnmap"),
        ("a/mine.patch", "without-mine"),
    ],
)
def test_a_kernel_is_called_by_what_it_lacks(word: str, name: str) -> None:
    """The commit with twelve digits, or the stem of a file."""
    assert name == word_of_revert(word)


def test_those_that_come_with_pfnlab_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a checkout they lie beside the package."""
    monkeypatch.undo()

    assert ("04c35ab3bdae", "6.1") in {(one.commit, one.series) for one in known_reverts()}
