"""Commits of a git tree between two, without building any."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pfnlab.errors import Misuse
from pfnlab.lab.building.tree_commits import TreeCommits

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder."""
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of eight commits in a row."""
    folder = tmp_path / "linux"
    folder.mkdir()
    git(folder, "init", "-q")
    for number in range(8):
        (folder / "Makefile").write_text(f"{number}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", f"change {number}")
        git(folder, "tag", f"v{number}")
    return folder


def test_the_commits_between(tree: Path) -> None:
    """All but the older end, the newest last."""
    commits = TreeCommits(tree)
    found = commits.by_halves(commits.named("v7"), [commits.named("v0")])

    assert {commits.title(one) for one in found} == {f"change {number}" for number in range(1, 8)}
    assert commits.title(found[-1]) == "change 7"
    assert commits.title(found[0]) in ("change 3", "change 4")


def test_the_order_of_two_commits(tree: Path) -> None:
    """The older comes before the newer."""
    commits = TreeCommits(tree)
    old, new = commits.named("v1"), commits.named("v5")

    assert (commits.comes_before(old, new), commits.comes_before(new, old)) == (True, False)


def test_a_name_that_is_no_commit(tree: Path) -> None:
    """One line says what to write."""
    with pytest.raises(Misuse, match="the tree has no commit 'v9': write a tag, a branch or the digits"):
        TreeCommits(tree).named("v9")


def test_a_folder_without_commits(tmp_path: Path) -> None:
    """It is no git tree."""
    with pytest.raises(Misuse, match="is no git tree: give one with commits"):
        TreeCommits(tmp_path)
