"""A patch to kernel source: its header, and the files that its diff changes.

Patches in this project (``evidence/patches/``) have a title, a few sentences and trailers above the diff: the
policy that the patch implements, and the source package it applies to. Other patches can be read too, e.g. a
mail of git or a mailbox with a series; fields they lack are empty.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_RECORDED, check_regular
from pfnlab.base.inert import visible_name
from pfnlab.lab.building.mailed_patches import TRAILER, series_of_package
from pfnlab.lab.building.mails import MAIL_BEGINS, decoded_subject, mails_in

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_SUBJECT = re.compile(r"Subject: *(.*)")
_BRACKET = re.compile(r"\[[^]]*\] *")
# Mail headers other than the subject.
_MAIL = re.compile(r"From |(?:From|Date|To|Cc|Message-ID|MIME-Version|Content-[A-Za-z-]+): ", re.IGNORECASE)
_NOTHING = "/dev/null"


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
    :ivar content: what patch(1) reads: the file, its mails decoded
    :ivar reverse: whether it is to be applied in reverse
    """

    path: Path
    content: bytes
    titles: tuple[str, ...]
    policy: str
    base_package: str
    base_version: str
    license: str
    files: tuple[str, ...]
    added: int
    removed: int
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
    check_regular(path, "patch", MOST_RECORDED)
    name = visible_name(path)
    mails = list(mails_in(path))
    content = b"".join(mail.text for mail in mails)
    if not content.strip():
        raise Misuse(f"{name} is empty: it has no patch")
    read = f"{name}, decoded" if any(mail.is_decoded for mail in mails) else name
    diff = _Diff(read, content.decode(errors="replace").split("\n"))
    files = tuple(dict.fromkeys(diff.files()))
    if not diff.heads:
        raise Misuse(
            f"{name} is not a patch: no line '--- a/FILE' with '+++ b/FILE' below; write one of diff -up"
        )
    trailers = [
        (found[1], found[2]) for head in diff.heads for line in head if (found := TRAILER.fullmatch(line))
    ]
    # The last line of a name counts, but every mail of a series may implement a policy.
    fields = dict(trailers)
    policies = dict.fromkeys(value for name, value in trailers if name == "Policy")
    package, _, version = fields.get("Base", "").partition(" ")
    return PatchFile(
        path,
        content,
        tuple(filter(None, map(_title, diff.heads))),
        ",".join(policies),
        package,
        version.strip(),
        fields.get("SPDX-License-Identifier", ""),
        files,
        diff.added,
        diff.removed,
    )


def _begins_diff(lines: list[str], at: int) -> bool:
    line = lines[at]
    return line.startswith("diff --git ") or (
        line.startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ ")
    )


def _title(head: list[str]) -> str:
    for at, line in enumerate(head):
        if found := _SUBJECT.fullmatch(line):
            # A long subject continues on lines that begin with a space.
            behind = head[at + 1 :]
            more = next((n for n, text in enumerate(behind) if not text.startswith(" ")), len(behind))
            return _BRACKET.sub("", decoded_subject(" ".join([found[1], *behind[:more]])), count=1)
    return next((line.strip() for line in head if line.strip() and not _MAIL.match(line)), "")


class _Diff:
    """The diffs of a file, parsed in a single pass.

    :ivar heads: the lines above each diff that begins the file, or a mail in it
    """

    def __init__(self, name: str, lines: list[str]) -> None:
        self._name, self._lines, self._at = name, lines, 0
        self.heads: list[list[str]] = []
        self.added = self.removed = 0

    def files(self) -> Iterator[str]:
        """Yield each file, twice if both sides name it; parses every hunk on the way."""
        head: list[str] | None = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if MAIL_BEGINS.match(line.encode()):
                # A mail without a diff, e.g. the cover letter, has no head.
                head = []
            elif head is not None:
                if not _begins_diff(self._lines, self._at):
                    head.append(line)
                    self._at += 1
                    continue
                self.heads.append(head)
                head = None
            if line.startswith("GIT binary patch"):
                raise self._wrong("a binary patch; patch(1) cannot apply it, leave that file out")
            if line.startswith(("rename from ", "rename to ", "copy to ")):
                yield self._inside(line.split(" ", 2)[2])
            if line.startswith("--- ") and _begins_diff(self._lines, self._at):
                sides = [self._side(line), self._side(self._lines[self._at + 1])]
                if not any(sides):
                    raise self._wrong(f"both sides are {_NOTHING}; name the file")
                yield from filter(None, sides)
                self._at += 2
                if not _HUNK.match(self._line()):
                    raise self._wrong("expected a hunk's '@@ -LINE,COUNT +LINE,COUNT @@' here")
                while found := _HUNK.match(self._line()):
                    self._hunk(int(found[1] or 1), int(found[2] or 1))
            else:
                self._at += 1

    def _hunk(self, old: int, new: int) -> None:
        """Read one hunk, which covers *old* lines before the change and *new* lines after it."""
        head = self._at
        said = f"the hunk says {old} lines before and {new} after"
        self._at += 1
        while old or new:
            mark = self._line()[:1]
            if self._at >= len(self._lines) or mark not in (" ", "", "+", "-", "\\"):
                raise self._wrong(f"{said}, but has fewer", head)
            old -= mark in (" ", "", "-")
            new -= mark in (" ", "", "+")
            if old < 0 or new < 0:
                raise self._wrong(f"{said}, but has others", head)
            self.added += mark == "+"
            self.removed += mark == "-"
            self._at += 1
        if self._line().startswith("\\"):
            self._at += 1
        line = self._line()
        # A git patch ends with the git version, below "-- ".
        if line.startswith(("+", " ")) or (line.startswith("-") and not line.startswith(("-- ", "--- "))):
            raise self._wrong(f"{said}, but has more", head)

    def _line(self) -> str:
        return self._lines[self._at] if self._at < len(self._lines) else ""

    def _side(self, line: str) -> str | None:
        """The file in a line ``--- a/FILE<tab>DATE``, without its first folder; None for /dev/null."""
        name = line[4:].split("\t")[0].strip()
        return None if name == _NOTHING else self._inside(name.partition("/")[2], name)

    def _inside(self, name: str, written: str | None = None) -> str:
        if not name or name.startswith("/") or ".." in name.split("/"):
            raise self._wrong(f"{written or name} is not a path in a tree; write a/FILE and b/FILE")
        return name

    def _wrong(self, what: str, at: int | None = None) -> Misuse:
        return Misuse(f"{self._name}:{(self._at if at is None else at) + 1}: {what}")


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
