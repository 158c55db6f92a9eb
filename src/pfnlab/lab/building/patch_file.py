"""A patch to kernel source: its header, and the files that its diff changes.

Patches in this project (``evidence/patches/``) have a title, a few sentences and trailers above the diff: the
policy that the patch implements, and the source package it applies to. Other patches can be read too, e.g. a
mail of git or a mailbox with a series; fields they lack are empty.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import check_regular
from pfnlab.base.inert import visible_name
from pfnlab.lab.building.diffs import patches_in, series_of_package, title_of
from pfnlab.lab.building.mails import MOST_PATCHES


@dataclass(frozen=True)
class PatchFile:
    """The patch, or the series of patches, in one file; fields that it lacks are empty.

    :ivar titles: the first line, or the subject of each mail that has a diff
    :ivar policy: the policy that it implements, written as in a machine name (``flush=end_vma``)
    :ivar base_package: the source package it applies to (``linux-source-7.2``)
    :ivar base_version: the version of that package (``7.2.13-1``)
    :ivar license: its SPDX identifier
    :ivar files: the files it changes, creates or removes, relative to the top of the tree, each listed once,
        in patch order
    :ivar added: the number of lines it adds; *removed*: the number it removes
    :ivar diffs: what git applies, one after the other: for each mail its diffs, and nothing else
    :ivar reverse: whether it is to be applied in reverse
    """

    path: Path
    titles: tuple[str, ...]
    policy: str
    base_package: str
    base_version: str
    license: str
    files: tuple[str, ...]
    added: int
    removed: int
    diffs: tuple[bytes, ...]
    reverse: bool = False

    @property
    def base_series(self) -> str:
        """The series of its base package, or ""."""
        return series_of_package(self.base_package)


def read_patch(path: Path) -> PatchFile:
    """Read the patch in the file *path*.

    :raises Misuse: if the file cannot be read, has no unified diff, has a hunk whose length is wrong, or
        would change a file outside the tree
    """
    # The file is read several times.
    check_regular(path, "patch", MOST_PATCHES)
    titles, said, files = list[str](), list[tuple[str, str]](), dict[str, None]()
    texts, added, removed = list[bytes](), 0, 0
    for mail, diffs in patches_in(path):
        text = bytearray()
        for diff in diffs:
            files |= dict.fromkeys(diff.changed)
            text += diff.text()
            for hunk in diff.hunks:
                added += sum(line.startswith(b"+") for line in hunk.lines)
                removed += sum(line.startswith(b"-") for line in hunk.lines)
        if diffs.faults:
            raise Misuse(diffs.faults[0])
        if diffs.has_diff:
            titles.append(mail.title if mail.subject is not None else title_of(diffs.message))
            texts.append(bytes(text))
        said += diffs.trailers
    # The last line of a name counts, but every mail of a series may implement a policy.
    fields = dict(said)
    package, _, version = fields.get("Base", "").partition(" ")
    return PatchFile(
        path,
        tuple(filter(None, titles)),
        ",".join(dict.fromkeys(value for word, value in said if word == "Policy")),
        package,
        version.strip(),
        fields.get("SPDX-License-Identifier", ""),
        tuple(files),
        added,
        removed,
        tuple(texts),
    )


#: The folder of patches that each remove a commit: next to ``src`` in a checkout, inside the package in a
#: wheel. Each patch restores the earlier behavior in its series. It is smaller than the reversed commit,
#: which seldom applies to newer source.
FOLDER = "evidence/patches/reverts"

_PACKAGE = Path(__file__).parents[2]

_NAME = re.compile(r"revert-(?P<commit>[0-9a-f]{12}|[a-z][a-z_]+)-(?P<series>\d+\.\d+)")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class Revert:
    """A patch that removes a commit (12 digits, or the name of a switch) from the *series* source."""

    commit: str
    series: str
    path: Path


def reverts_folder() -> Path | None:
    """The folder of the patches that come with pfnlab; None if they are not installed."""
    folders = (_PACKAGE / FOLDER, _PACKAGE.parents[1] / FOLDER)
    return next((folder for folder in folders if folder.is_dir()), None)


def known_reverts() -> list[Revert]:
    """All patches that remove a commit, by commit and series."""
    folder = reverts_folder()
    paths = sorted(folder.glob("*.patch")) if folder else []
    names = [(path, _NAME.fullmatch(path.stem)) for path in paths]
    return [Revert(name["commit"], name["series"], path) for path, name in names if name]


def read_revert(word: str, series: str) -> PatchFile:
    """The patch that *word* names, in the direction in which it applies to *series* source.

    :param word: a commit, with 7 to 40 digits, or the path of a patch, which is applied in reverse
    :raises Misuse: if there is no patch for that commit and series, or no such file
    """
    path = Path(word)
    named = _COMMIT.fullmatch(word) or any(one.commit == word for one in known_reverts())
    if not named or path.is_file():
        if not path.exists() and "/" not in word and not path.suffix:
            raise Misuse(
                f"--revert {visible_name(word)}: neither a commit nor a patch: write 7 to 40 digits of "
                "the commit, e.g. 04c35ab3bdae, or the path of a patch"
            )
        # The policy does not describe the reversed patch.
        return replace(read_patch(path), reverse=True, policy="")
    return read_patch(_revert_of(word, series).path)


def word_of_revert(word: str) -> str:
    """The name of a kernel without that commit: ``without-04c35ab3bdae``, or one based on the patch name."""
    commits = {one.commit for one in known_reverts() if _same(one.commit, word)}
    return f"without-{commits.pop() if len(commits) == 1 else Path(word).stem}"


def _revert_of(commit: str, series: str) -> Revert:
    known = known_reverts()
    found = [one for one in known if _same(one.commit, commit)]
    several = sorted({one.commit for one in found})
    if len(several) > 1:
        raise Misuse(f"--revert {commit} matches several commits: write {' or '.join(several)}")
    fitting = next((one for one in found if one.series == series), None)
    if fitting is not None:
        return fitting
    head = f"pfnlab has no patch that removes {commit} from {series}"
    if found:
        offer = f"there is one for {_listed([one.series for one in found])}"
    elif of_series := [one.commit for one in known if one.series == series]:
        offer = f"for {series} there are {_listed(of_series)}"
    else:
        offer = f"no patch for {series}, but for {_listed(sorted({one.series for one in known}))}"
    raise Misuse(f"{head}: {offer}; use your own patch with --patch FILE or --revert FILE")


def _listed(words: list[str]) -> str:
    return ", ".join(words) or "none: they are not installed"


def _same(commit: str, word: str) -> bool:
    if not (_COMMIT.fullmatch(word) and _COMMIT.fullmatch(commit)):
        return commit == word
    return commit.startswith(word) or word.startswith(commit)
