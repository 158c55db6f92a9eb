"""Commits of a git tree between two, without building any."""

from __future__ import annotations

from pathlib import Path

import pytest
from git_trees import commits_in_a_row

from pfnlab.base.errors import Misuse
from pfnlab.lab.building.tree_commits import TreeCommits


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of eight commits in a row."""
    return commits_in_a_row(tmp_path / "linux", [f"{number}" for number in range(8)])


def test_the_commits_between(tree: Path) -> None:
    """All but the older end, the newest last."""
    commits = TreeCommits(tree)
    found = commits.by_halves(commits.named("v7"), [commits.named("v0")])

    assert {commits.title(one) for one in found} == {f"{number}" for number in range(1, 8)}
    assert commits.title(found[-1]) == "7"
    assert commits.title(found[0]) in ("3", "4")


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
    with pytest.raises(Misuse, match="is not a git tree: give one with commits"):
        TreeCommits(tmp_path)
