"""A patch for a kernel's source: what its head says, and which files its diff changes.

Patches of this project (``evidence/patches/``) have a title, a few sentences and trailers above the diff: the
policy that the patch makes of a kernel, and the source package it stands on. Any other patch is read as well,
a mail of git for instance; what it does not say is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_RECORDED, check_regular, read_bytes

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_TRAILER = re.compile(r"(Policy|Base|SPDX-License-Identifier): *(.*\S) *")
_SUBJECT = re.compile(r"Subject: *(?:\[[^]]*\] *)?(.*)")
# What a mail begins with besides its subject.
_MAIL = re.compile(r"From |(?:From|Date|To|Cc|Message-ID|MIME-Version|Content-[A-Za-z-]+): ", re.IGNORECASE)
_NOTHING = "/dev/null"


@dataclass(frozen=True)
class PatchFile:
    """One patch; what it does not say is "".

    :ivar title: its first line, or the subject of a mail
    :ivar policy: what it makes of a kernel, as in a machine's name (``flush=end_vma``)
    :ivar base_package: the source package it stands on (``linux-source-7.2``)
    :ivar base_version: the version of that package (``7.2.13-1``)
    :ivar license: its SPDX identifier
    :ivar files: what it changes, makes or removes, below the top of the tree, each once, in its order
    :ivar added: lines it adds; *removed*: lines it removes
    :ivar reverse: true where it is put on in reverse
    """

    path: Path
    title: str
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
        """The series whose source it stands on, or ""."""
        name, _, series = self.base_package.partition("linux-source-")
        return "" if name else series


def read_patch(path: Path) -> PatchFile:
    """The patch in *path*.

    :raises Misuse: the file cannot be read, holds no unified diff, its hunks are not as long as they say, or
        it would change a file outside the tree
    """
    # It is read several times, by patch(1) as well.
    check_regular(path, "patch", MOST_RECORDED)
    text = read_bytes(path, "patch", MOST_RECORDED).decode(errors="replace")
    lines = text.split("\n")
    start = next((at for at in range(len(lines)) if _begins_diff(lines, at)), None)
    if start is None:
        raise Misuse(
            f"{path} is no patch: no line '--- a/FILE' with '+++ b/FILE' below; write one of diff -up"
        )
    trailers = {found[1]: found[2] for line in lines[:start] if (found := _TRAILER.fullmatch(line))}
    package, _, version = trailers.get("Base", "").partition(" ")
    diff = _Diff(path, lines, start)
    return PatchFile(
        path,
        _title(lines[:start]),
        trailers.get("Policy", ""),
        package,
        version.strip(),
        trailers.get("SPDX-License-Identifier", ""),
        tuple(dict.fromkeys(diff.files())),
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
            # A long subject goes on in lines that begin with a space.
            behind = head[at + 1 :]
            more = next((n for n, text in enumerate(behind) if not text.startswith(" ")), len(behind))
            return " ".join([found[1], *(text.strip() for text in behind[:more])])
    return next((line.strip() for line in head if line.strip() and not _MAIL.match(line)), "")


class _Diff:
    """The part of a patch below its head, read once."""

    def __init__(self, path: Path, lines: list[str], start: int) -> None:
        self._path, self._lines, self._at = path, lines, start
        self.added = self.removed = 0

    def files(self) -> Iterator[str]:
        """Each file, more than once where both sides name it; reads all hunks on the way."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
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
                    raise self._wrong("a hunk's '@@ -LINE,COUNT +LINE,COUNT @@' belongs here")
                while found := _HUNK.match(self._line()):
                    self._hunk(int(found[1] or 1), int(found[2] or 1))
            else:
                self._at += 1

    def _hunk(self, old: int, new: int) -> None:
        """The lines of one hunk: *old* of them are in the file before, *new* after."""
        head = self._at
        said = f"the hunk says {old} lines before and {new} behind"
        self._at += 1
        while old or new:
            mark = self._line()[:1]
            if self._at >= len(self._lines) or mark not in (" ", "", "+", "-", "\\"):
                raise self._wrong(f"{said}, and has fewer", head)
            old -= mark in (" ", "", "-")
            new -= mark in (" ", "", "+")
            if old < 0 or new < 0:
                raise self._wrong(f"{said}, and has others", head)
            self.added += mark == "+"
            self.removed += mark == "-"
            self._at += 1
        if self._line().startswith("\\"):
            self._at += 1
        line = self._line()
        # After a patch of git: its version, under "-- ".
        if line.startswith(("+", " ")) or (line.startswith("-") and not line.startswith(("-- ", "--- "))):
            raise self._wrong(f"{said}, and has more", head)

    def _line(self) -> str:
        return self._lines[self._at] if self._at < len(self._lines) else ""

    def _side(self, line: str) -> str | None:
        """The file of a line ``--- a/FILE<tab>DATE``, without its first folder; None for /dev/null."""
        name = line[4:].split("\t")[0].strip()
        return None if name == _NOTHING else self._inside(name.partition("/")[2], name)

    def _inside(self, name: str, written: str | None = None) -> str:
        if not name or name.startswith("/") or ".." in name.split("/"):
            raise self._wrong(f"{written or name} is no file of a tree; write a/FILE and b/FILE")
        return name

    def _wrong(self, what: str, at: int | None = None) -> Misuse:
        return Misuse(f"{self._path}:{(self._at if at is None else at) + 1}: {what}")
