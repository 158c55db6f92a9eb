"""The commits of a git tree between two, each built from a clone: the tree itself is only read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.lab.building.build import build
from pfnlab.lab.building.built import BuiltKernel
from pfnlab.lab.images.cache import cache_root, make_cache_folder, trusted
from pfnlab.lab.images.tools import run

_GIT_LIMIT = 1800.0
_GIT = "install git"
_SHA = re.compile(r"[0-9a-f]{40}")


class TreeCommits:
    """A clone of a tree, which shares its objects, at one commit after the other.

    :param tree: the folder of a git tree
    :raises Misuse: it is none
    """

    def __init__(self, tree: Path) -> None:
        self._tree = tree.absolute()
        self._git(
            self._tree, "rev-parse", "--git-dir", trouble=f"{tree} is no git tree: give one with commits"
        )
        name = hashlib.sha256(str(self._tree).encode()).hexdigest()[:16]
        self.folder = cache_root() / "bisect" / f"{name}.tree" / (self._tree.name or "tree")

    def named(self, text: str) -> str:
        """The full name of a commit.

        :raises Misuse: the tree has none of that name
        """
        trouble = f"the tree has no commit {text!r}: write a tag, a branch or the digits of a commit"
        return self._git(self._tree, "rev-parse", "--verify", f"{text}^{{commit}}", trouble=trouble).strip()

    def comes_before(self, first: str, second: str) -> bool:
        """True where *first* is an ancestor of *second*."""
        answer = run(
            ["git", "-C", str(self._tree), "merge-base", "--is-ancestor", first, second],
            limit=_GIT_LIMIT,
            remedy=_GIT,
        )
        return answer.returncode == 0

    def by_halves(self, newest: str, without: Sequence[str]) -> list[str]:
        """The commits that *newest* has and none of *without* has, the one that halves them best first.

        *newest* itself is the last.
        """
        excluded = [f"^{commit}" for commit in without]
        trouble = f"git does not list the commits between {', '.join(without)} and {newest}"
        found = self._git(self._tree, "rev-list", "--bisect-all", newest, *excluded, trouble=trouble)
        commits = [line.split()[0] for line in found.splitlines() if _SHA.match(line)]
        return [*(commit for commit in commits if commit != newest), newest]

    def title(self, commit: str) -> str:
        """The first line of a commit's message."""
        return self._git(
            self._tree, "log", "-1", "--format=%s", commit, trouble=f"no commit {commit}"
        ).strip()

    def build(
        self,
        commit: str,
        configuration: Sequence[str],
        jobs: int | None,
        series: str | None,
        say: Callable[[str], None],
    ) -> BuiltKernel:
        """The kernel of a commit.

        :raises Undecided: it does not build or come up
        """
        self._check_out(commit, say)
        return build(
            str(self.folder),
            (),
            configuration,
            name=f"bisect-{commit[:12]}",
            jobs=jobs,
            series=series,
            say=say,
        )

    def _check_out(self, commit: str, say: Callable[[str], None]) -> None:
        if not (trusted(self.folder) / ".git").exists():
            say(f"cloning {self._tree.name}, which shares its objects")
            make_cache_folder(self.folder.parent)
            ends = str(self._tree), str(self.folder)
            trouble = "the tree cannot be cloned"
            self._git(self._tree, "clone", "-q", "--shared", "--no-checkout", *ends, trouble=trouble)
        self._git(self.folder, "fetch", "-q", "origin", trouble="the tree cannot be fetched from")
        trouble = f"commit {commit[:12]} cannot be checked out"
        self._git(self.folder, "checkout", "-q", "--detach", "--force", commit, trouble=trouble)

    def _git(self, folder: Path, *arguments: str, trouble: str) -> str:
        answer = run(["git", "-C", str(folder), *arguments], limit=_GIT_LIMIT, remedy=_GIT)
        if answer.returncode:
            last = (answer.stderr.strip().splitlines() or ["git says nothing"])[-1]
            raise Misuse(f"{trouble} ({last})")
        return answer.stdout
