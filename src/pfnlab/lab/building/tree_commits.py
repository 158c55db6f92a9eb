"""Commits in a git tree, each built in a clone, so that the tree itself is only read."""

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
    """A clone that shares the objects of the git tree *tree* and has one commit checked out; else Misuse."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree.absolute()
        trouble = f"{tree} is not a git tree: give one with commits"
        self._git(self._tree, "rev-parse", "--git-dir", trouble=trouble)
        name = hashlib.sha256(str(self._tree).encode()).hexdigest()[:16]
        self.folder = cache_root() / "bisect" / f"{name}.tree" / (self._tree.name or "tree")

    def named(self, text: str) -> str:
        """The full hash of a commit; Misuse if the tree has no such commit."""
        trouble = f"the tree has no commit {text!r}: write a tag, a branch or the digits of a commit"
        return self._git(self._tree, "rev-parse", "--verify", f"{text}^{{commit}}", trouble=trouble).strip()

    def comes_before(self, first: str, second: str) -> bool:
        """True if *first* is an ancestor of *second*."""
        command = ["git", "-C", str(self._tree), "merge-base", "--is-ancestor", first, second]
        return run(command, limit=_GIT_LIMIT, remedy=_GIT).returncode == 0

    def by_halves(self, newest: str, without: Sequence[str]) -> list[str]:
        """Commits reachable from *newest* but not *without*, best bisection point first and *newest* last."""
        excluded = [f"^{commit}" for commit in without]
        trouble = f"git cannot list the commits between {', '.join(without)} and {newest}"
        found = self._git(self._tree, "rev-list", "--bisect-all", newest, *excluded, trouble=trouble)
        commits = [line.split()[0] for line in found.splitlines() if _SHA.match(line)]
        return [*(commit for commit in commits if commit != newest), newest]

    def title(self, commit: str) -> str:
        """The first line of a commit's message."""
        words = "log", "-1", "--format=%s", commit
        return self._git(self._tree, *words, trouble=f"no commit {commit}").strip()

    def build(
        self,
        commit: str,
        configuration: Sequence[str],
        jobs: int | None,
        series: str | None,
        say: Callable[[str], None],
    ) -> BuiltKernel:
        """Build the kernel of a commit; Undecided if it does not build or come up."""
        self._check_out(commit, say)
        name = f"bisect-{commit[:12]}"
        return build(str(self.folder), (), configuration, name=name, jobs=jobs, series=series, say=say)

    def _check_out(self, commit: str, say: Callable[[str], None]) -> None:
        if not (trusted(self.folder) / ".git").exists():
            say(f"cloning {self._tree.name}, sharing its objects")
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
            last = (answer.stderr.strip().splitlines() or ["no message from git"])[-1]
            raise Misuse(f"{trouble} ({last})")
        return answer.stdout
