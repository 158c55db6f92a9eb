"""Patterns and folders that users name: what they mean, and that a search ends."""

from __future__ import annotations

import glob
import subprocess
from pathlib import Path

import pytest

from pfnlab.base import wildcards
from pfnlab.base.errors import Misuse
from pfnlab.base.wildcards import searching

FILES = ("x.pfn", "a/y.pfn", "a/b/z.pfn", "a/b/c/z.txt", ".h/w.pfn", "a/.v.pfn", "[d]/u.pfn")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with folders, without links."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def matched(pattern: str, folder: Path) -> list[str]:
    """What a pattern matches, from *folder*."""
    with searching(pattern) as search:
        return [str(path.relative_to(folder)) for path in search.matching(pattern, folder)]


@pytest.mark.parametrize(
    "pattern",
    [
        *("*.pfn", "**/*.pfn", "**", "**/**", "a/**", "*/*.pfn", "*/b/*", ".h/*", ".*", "a/.*", "[[]d]/*"),
        *("**/b/**", "**/b/**/*.txt", "a/b/", "*/", "none*", "a/none", "a//b/*", "./a/*", "?", "**/z.*"),
    ],
)
def test_a_pattern_means_what_it_means_to_python(pattern: str, tree: Path) -> None:
    """Where there are no links."""
    known = {Path(name) for name in glob.glob(pattern, root_dir=tree, recursive=True)}

    assert known == {Path(name) for name in matched(pattern, tree)} - ({Path()} - known)


def test_a_pattern_of_a_whole_path(tree: Path) -> None:
    """From the root."""
    assert ["a/b/z.pfn", "a/y.pfn", "x.pfn"] == sorted(
        name for name in matched(f"{tree}/**/*.pfn", tree) if not name.startswith("[")
    )


def test_a_pattern_follows_no_link_to_all_below(tree: Path) -> None:
    """It may lead to where it lies."""
    (tree / "a" / "loop").symlink_to(tree)

    assert [] == [name for name in matched("**/**", tree) if "loop" in name]


def test_a_pattern_follows_a_link_that_it_names(tree: Path) -> None:
    """One name of it, one link."""
    (tree / "loop").symlink_to(tree)

    assert ["loop/x.pfn"] == matched("loo*/x.pfn", tree)


def test_each_file_is_found_once(tree: Path) -> None:
    """Also where a folder and one in it are asked for."""
    with searching("") as search:
        found = [path for folder in (tree, tree / "a") for path in search.below(folder, ".pfn")]

    assert sorted(tree / name for name in FILES if name.endswith(".pfn")) == found


def test_a_folder_follows_no_link_to_another(tree: Path) -> None:
    """But links to files are files."""
    (tree / "loop").symlink_to(tree)
    (tree / "link.pfn").symlink_to("x.pfn")
    with searching("") as search:
        found = search.below(tree, ".pfn")

    assert tree / "link.pfn" in found
    assert not [path for path in found if "loop" in path.parts]


@pytest.mark.parametrize("pattern", ["**", "**/x.pfn", "*", "*/*/*/*"])
def test_a_search_ends_at_so_many_names(pattern: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the bound, and what to name instead."""
    monkeypatch.setattr(wildcards, "MOST_NAMES", 3)

    with pytest.raises(Misuse) as refused:
        matched(pattern, tree)

    assert f"{pattern}: more than 3 files and folders to search: name a smaller folder" == str(refused.value)


def test_a_search_ends_after_so_long(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few names there were."""
    monkeypatch.setattr(wildcards, "MOST_SECONDS", -1.0)
    for number in range(100):
        (tree / f"{number}").touch()

    with pytest.raises(Misuse, match=r"\*\*: gave up after -1 s and 100 files and folders: name a smaller"):
        matched("**", tree)


def test_a_folder_that_is_deep_is_no_matter(tmp_path: Path) -> None:
    """Deeper than functions may call each other, and than a path may be long."""
    folder = tmp_path
    for _ in range(1500):
        folder /= "d"
        folder.mkdir()
    (folder / "x.pfn").touch()

    found = matched("**/*.pfn", tmp_path)
    # What takes old folders of tests away calls itself for each level, and would leave these and others.
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)

    assert 1501 == len(Path(found[0]).parts)


def test_a_pattern_of_many_parts(tree: Path) -> None:
    """No more than the text of it."""
    assert [] == matched("*/" * 2000 + "x", tree)
