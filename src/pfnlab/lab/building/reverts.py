"""Repairs taken out of a kernel: patches of ours, found by their commit, or a patch put on in reverse.

``evidence/patches/reverts/revert-COMMIT-SERIES.patch`` restores what a kernel of that series did before the
commit. It is smaller than the commit put on in reverse, which seldom fits a source that has moved on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.lab.building.patch_file import PatchFile, read_patch

#: Where they lie: in a checkout beside ``src``, in a wheel in the package.
FOLDER = "evidence/patches/reverts"

_PACKAGE = Path(__file__).parents[2]

_NAME = re.compile(r"revert-(?P<commit>[0-9a-f]{12}|[a-z][a-z_]+)-(?P<series>\d+\.\d+)")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class Revert:
    """One patch that takes out a commit of twelve digits, or a switch's name, of the source of *series*."""

    commit: str
    series: str
    path: Path


def reverts_folder() -> Path | None:
    """The folder of the patches that come with pfnlab; None where they are not installed."""
    folders = (_PACKAGE / FOLDER, _PACKAGE.parents[1] / FOLDER)
    return next((folder for folder in folders if folder.is_dir()), None)


def known_reverts() -> list[Revert]:
    """All patches that take a commit out, by commit and series."""
    folder = reverts_folder()
    paths = sorted(folder.glob("*.patch")) if folder else []
    names = [(path, _NAME.fullmatch(path.stem)) for path in paths]
    return [Revert(name["commit"], name["series"], path) for path, name in names if name]


def read_revert(word: str, series: str) -> PatchFile:
    """The patch that *word* stands for, in the direction in which it is put on a source of *series*.

    :param word: a commit, with 7 to 40 digits, or the path of a patch, which is put on in reverse
    :raises Misuse: there is no patch for that commit and series, or no such file
    """
    path = Path(word)
    named = _COMMIT.fullmatch(word) or any(one.commit == word for one in known_reverts())
    if not named or path.is_file():
        if not path.exists() and "/" not in word and not path.suffix:
            raise Misuse(
                f"--revert {visible_name(word)}: neither a commit nor a patch: write 7 to 40 digits of "
                "the commit, as 04c35ab3bdae, or the path of a patch"
            )
        # What it makes of a kernel is not what its absence makes.
        return replace(read_patch(path), reverse=True, policy="")
    return read_patch(_revert_of(word, series).path)


def word_of_revert(word: str) -> str:
    """The name of a kernel without it: ``without-04c35ab3bdae``, or of a patch's name."""
    commits = {one.commit for one in known_reverts() if _same(one.commit, word)}
    return f"without-{commits.pop() if len(commits) == 1 else Path(word).stem}"


def _revert_of(commit: str, series: str) -> Revert:
    known = known_reverts()
    found = [one for one in known if _same(one.commit, commit)]
    several = sorted({one.commit for one in found})
    if len(several) > 1:
        raise Misuse(f"--revert {commit} begins several commits: write {' or '.join(several)}")
    fitting = next((one for one in found if one.series == series), None)
    if fitting is not None:
        return fitting
    head = f"no patch of pfnlab takes {commit} out of {series}"
    if found:
        offer = f"there is one for {_listed([one.series for one in found])}"
    elif of_series := [one.commit for one in known if one.series == series]:
        offer = f"of {series} there are {_listed(of_series)}"
    else:
        offer = f"of {series} there is none, but of {_listed(sorted({one.series for one in known}))}"
    raise Misuse(f"{head}: {offer}; a patch of your own goes in as --patch FILE, or as --revert FILE")


def _listed(words: list[str]) -> str:
    return ", ".join(words) or "nothing: they are not installed"


def _same(commit: str, word: str) -> bool:
    if not (_COMMIT.fullmatch(word) and _COMMIT.fullmatch(commit)):
        return commit == word
    return commit.startswith(word) or word.startswith(commit)
