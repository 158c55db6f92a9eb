"""The text of a patch, as git and diff -u write it: its message, files and hunks, and what cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@ ?(.*)")
_GIT = re.compile(rb"diff --git a/(.+) b/(.+)")
_EXTENDED = re.compile(
    rb"(?:(old mode|new mode|new file mode|deleted file mode|rename from|rename to|copy from|copy to)"
    rb"|similarity index|dissimilarity index|index) .*"
)
_NAMED = (b"rename from ", b"rename to ", b"copy from ", b"copy to ")
#: What ends a mail directly below a hunk: a signature, or a line that a list's software adds.
_FOOTER = re.compile(rb"-- ?|-{3,}|_{3,}")
_NOTHING = "/dev/null"
#: A trailer of this project's patches: the policy that a patch implements, and the package it applies to.
_TRAILER = re.compile(r"(Policy|Base|SPDX-License-Identifier): *(.*\S) *")

_CUT = "the mail is cut, or its lines are wrapped: save it again"


class Hunk(NamedTuple):
    """One hunk.

    :param line: its first line in the file before the change
    :param head: its line `@@`
    :param lines: its lines, each with its mark
    """

    line: int
    head: bytes
    lines: list[bytes]

    @property
    def context(self) -> bytes:
        """The text after its line `@@`, of the function that it begins in; or empty."""
        found = _HUNK.match(self.head)
        return found[4] if found is not None else b""


class FileDiff(NamedTuple):
    """The changes to one file.

    :param old: its name before the change, from the top of the tree; empty if it is new
    :param new: its name after the change; empty if it is removed
    :param extended: the lines of git about its mode and name
    """

    old: str
    new: str
    extended: list[bytes]
    hunks: list[Hunk]

    @property
    def name(self) -> str:
        """Its name after the change, or before if it is removed."""
        return self.new or self.old

    def text(self) -> bytes:
        """The diff for patch(1), without anything else."""
        old, new = (f"{side}/{name}" for side, name in (("a", self.old), ("b", self.new)))
        lines = []
        if self.extended:
            lines = [f"diff --git a/{self.old or self.new} b/{self.name}".encode(), *self.extended]
        if self.hunks:
            lines.append(f"--- {old if self.old else _NOTHING}".encode())
            lines.append(f"+++ {new if self.new else _NOTHING}".encode())
        for hunk in self.hunks:
            lines += [hunk.head, *hunk.lines]
        return b"\n".join([*lines, b""])


class DiffFault(NamedTuple):
    """A place that cannot be read.

    :param line: its line in the text, counted from 1
    :param says: what is wrong, and what to write instead
    """

    line: int
    says: str


class _Unread(Exception):
    """A diff that cannot be read, from the line with this index."""

    def __init__(self, at: int, says: str) -> None:
        super().__init__(says)
        self.at = at


class Diffs:
    """The diffs in a text: iterating yields each file's, whole or as far as it can be read.

    :ivar message: the lines above the first
    :ivar faults: what could not be read, of the files yielded so far
    """

    def __init__(self, text: bytes) -> None:
        self._lines = text.removesuffix(b"\n").split(b"\n")
        self._at = 0
        while self._at < len(self._lines) and not self._begins():
            self._at += 1
        self.message = [line.decode(errors="replace").removesuffix("\r") for line in self._lines[: self._at]]
        self.faults: list[DiffFault] = []

    def __iter__(self) -> Iterator[FileDiff]:
        """Yield the changes to each file."""
        while self._at < len(self._lines):
            first = self._at
            if not self._begins():
                self._at += 1
                continue
            try:
                found = self._file()
            except _Unread as unread:
                self._add_fault(unread.at, str(unread))
                self._at = max(self._at, first + 1)
            else:
                yield found

    def _begins(self) -> bool:
        line, following = self._line(), self._line(1)
        return (
            line.startswith(b"diff --git ")
            or (line.startswith(b"--- ") and following.startswith(b"+++ "))
            or (line.startswith(b"*** ") and following.startswith(b"--- "))
        )

    def _file(self) -> FileDiff:
        first = self._at
        if self._line().startswith(b"*** "):
            self._at += 2
            raise _Unread(first, "a context diff: write a unified one, of diff -up")
        is_git = self._line().startswith(b"diff --git ")
        names, extended = self._git_lines() if is_git else ((), [])
        at = self._at
        has_sides = self._line().startswith(b"--- ") and self._line(1).startswith(b"+++ ")
        if has_sides:
            names = (_side(self._line()), _side(self._line(1)))
            self._at += 2
        if is_git and _has_no_prefix(self._lines[first]):
            raise _Unread(first, "names without a/ and b/: write it with git's --default-prefix")
        if not has_sides and not any(found[1] for line in extended if (found := _EXTENDED.match(line))):
            raise _Unread(first, f"a diff without a hunk; {_CUT}")
        for name in (
            *names,
            *(_decoded(one.split(b" ", 2)[2]) for one in extended if one.startswith(_NAMED)),
        ):
            if name.startswith("/") or ".." in name.split("/") or name.endswith("/") or '"' in name:
                raise _Unread(at, f"{name} is not a path in a tree; write a/FILE and b/FILE")
        if not names:
            raise _Unread(first, "its names cannot be read: write a/FILE and b/FILE")
        if not any(names):
            raise _Unread(at, f"both sides are {_NOTHING}; name the file")
        if has_sides and not _HUNK.match(self._line()):
            raise _Unread(
                self._at, "expected a hunk's '@@ -LINE,COUNT +LINE,COUNT @@' here, below '+++ b/FILE'"
            )
        old, new = names
        return FileDiff(old, new, extended, list(self._hunks()))

    def _git_lines(self) -> tuple[tuple[str, ...], list[bytes]]:
        """The names in the line ``diff --git``, and the lines below it about the file's mode and name."""
        first = self._at
        self._at += 1
        found = _GIT.fullmatch(self._lines[first].removesuffix(b"\r"))
        extended = []
        while _EXTENDED.fullmatch(self._line()):
            extended.append(self._line())
            self._at += 1
        if self._line().startswith((b"GIT binary patch", b"Binary files ")):
            self._at += 1
            raise _Unread(self._at - 1, "a binary patch; patch(1) cannot apply it: leave that file out")
        return tuple(map(_decoded, found.groups())) if found is not None else (), extended

    def _hunks(self) -> Iterator[Hunk]:
        while found := _HUNK.match(self._line()):
            yield self._hunk(int(found[1]), int(found[2] or 1), int(found[3] or 1))

    def _hunk(self, start: int, old: int, new: int) -> Hunk:
        """Read one hunk, which covers *old* lines before the change and *new* lines after it."""
        first = self._at
        said = f"the hunk says {old} lines before and {new} after, but has"
        hunk = Hunk(start, self._line(), [])
        self._at += 1
        while old > 0 or new > 0:
            line = self._line()
            mark = line[:1]
            if self._at >= len(self._lines) or mark not in (b" ", b"", b"+", b"-", b"\\"):
                self._add_fault(first, f"{said} fewer; {_CUT}")
                return hunk
            old -= mark in (b" ", b"", b"-")
            new -= mark in (b" ", b"", b"+")
            hunk.lines.append(line)
            self._at += 1
        if self._line().startswith(b"\\"):
            hunk.lines.append(self._line())
            self._at += 1
        after = self._line()
        is_next = after.startswith(b"--- ") and self._begins()
        if (
            old < 0
            or new < 0
            or (after[:1] in (b"+", b"-", b" ") and not is_next and not _FOOTER.match(after))
        ):
            self._add_fault(first, f"{said} more; change its line to what it has")
        return hunk

    def _line(self, ahead: int = 0) -> bytes:
        """A line without its end; empty after the last one."""
        at = self._at + ahead
        return self._lines[at].removesuffix(b"\r") if at < len(self._lines) else b""

    def _add_fault(self, at: int, says: str) -> None:
        self.faults.append(DiffFault(at + 1, says))


def _has_no_prefix(line: bytes) -> bool:
    """True if a line ``diff --git NAME NAME`` has the same name twice."""
    names = line.rstrip(b"\r").removeprefix(b"diff --git ")
    middle = len(names) // 2
    return names[middle : middle + 1] == b" " and names[:middle] == names[middle + 1 :]


def _decoded(name: bytes) -> str:
    return name.decode(errors="replace")


def _side(line: bytes) -> str:
    """The file in a line ``--- a/FILE<tab>DATE``, without its first folder; "" for /dev/null.

    A name without a folder is returned as a folder, which is not a file.
    """
    name = _decoded(line[4:].partition(b"\t")[0].strip())
    if name == _NOTHING:
        return ""
    return name.partition("/")[2] or f"{name.rstrip('/')}/"


def trailers(message: Sequence[str]) -> list[tuple[str, str]]:
    """The trailers of this project in a message, each with its value: ``Policy``, ``Base``, the licence's."""
    return [(found[1], found[2]) for line in message if (found := _TRAILER.fullmatch(line))]


def series_of_package(package: str) -> str:
    """The series of a source package (``linux-source-7.2``), or ""."""
    name, _, series = package.partition("linux-source-")
    return "" if name else series


def no_patch(name: str, *, is_empty: bool) -> str:
    """The message about a file without a diff."""
    if is_empty:
        return f"{name} is empty: it has no patch"
    return (
        f"{name} is not a patch: it has no hunk '@@ -LINE,COUNT +LINE,COUNT @@' below '+++ b/FILE'; give "
        "a mail of git format-patch, an mbox, or a unified diff"
    )
