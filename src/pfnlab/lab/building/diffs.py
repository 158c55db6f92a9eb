"""The text of a patch, as git and diff -u write it: its message, files and hunks, and what cannot be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.lab.building.mails import Mail, mails_in

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@ ?(.*)")
_EXTENDED = re.compile(
    rb"(?:(old mode|new mode|new file mode|deleted file mode|rename from|rename to|copy from|copy to)"
    rb"|similarity index|dissimilarity index|index) .*"
)
_NAMED = (b"rename from ", b"rename to ", b"copy from ", b"copy to ")
#: What ends a mail directly below a hunk: a signature, or a line that a list's software adds.
_FOOTER = re.compile(rb"-- ?|-{3,}|_{3,}")
_NOTHING = b"/dev/null"
#: A trailer of this project's patches: the policy that a patch implements, and the package it applies to.
_TRAILER = re.compile(r"(Policy|Base|SPDX-License-Identifier): *(\S.*)")
#: Lines that `git show` and `git log` put before a title.
_OF_SHOW = re.compile(r"commit [0-9a-f]{7,40}\b.*|(?:Author|AuthorDate|Commit|CommitDate|Date|Merge): .*")
#: The dates with which diff -N marks a file that does not exist.
_EPOCH = (b"1970-01-01 ", b"1969-12-31 ")
#: What no name of a source file has.
_NO_NAME = re.compile(r"^/|(?:^|/)\.\.(?:/|$)|/$|[\s\"\x00-\x1f\x7f]|\ufffd|[^/]{256}")

_CUT = "the mail is cut, or its lines are wrapped: save it again"


class Hunk(NamedTuple):
    """One hunk.

    :param line: its first line in the file before the change
    :param head: its line `@@`
    :param context: the text after that, of the function that it begins in; or empty
    :param lines: its lines, each with its mark
    """

    line: int
    head: bytes
    context: bytes
    lines: list[bytes]


class FileDiff(NamedTuple):
    """The changes to one file.

    :param old: its name before the change, from the top of the tree; empty for /dev/null
    :param new: its name after the change; empty for /dev/null
    :param head: its lines above the first hunk
    :param is_copy: whether the old file stays
    """

    old: str
    new: str
    head: list[bytes]
    is_copy: bool
    hunks: list[Hunk]

    @property
    def name(self) -> str:
        """Its name after the change, or before if it is removed."""
        return self.new or self.old

    @property
    def changed(self) -> tuple[str, ...]:
        """The names of the files that it changes, creates or removes."""
        return tuple(dict.fromkeys(filter(None, (self.new,) if self.is_copy else (self.old, self.new))))

    def text(self) -> bytes:
        """The diff as git applies it, without anything else."""
        of_hunks = (line for hunk in self.hunks for line in (hunk.head, *hunk.lines))
        return b"\n".join([*self.head, *of_hunks, b""])


class _Unread(Exception):
    """A diff that cannot be read, from the line with this index."""

    def __init__(self, at: int, says: str) -> None:
        super().__init__(says)
        self.at = at


class Diffs:
    """The diffs in a mail: iterating yields each file's, whole or as far as it can be read.

    :ivar message: the lines above the first
    :ivar faults: what could not be read, of the files yielded so far: where, what, and what to write instead
    :ivar has_diff: whether a file has been yielded
    """

    def __init__(self, mail: Mail, name: str) -> None:
        """Read the message; the diffs in a cover letter are those of another version.

        :param name: the file of the mail, for faults
        """
        self._mail, self._name = mail, name
        self._lines = mail.text.removesuffix(b"\n").split(b"\n")
        self._at = 0
        while self._at < len(self._lines) and not self._begins():
            self._at += 1
        self.message = [line.decode(errors="replace").removesuffix("\r") for line in self._lines[: self._at]]
        self.faults: list[str] = []
        self.has_diff, self._is_cover = False, mail.is_cover

    @property
    def trailers(self) -> list[tuple[str, str]]:
        """The trailers of the message, if a file has been yielded or it is a cover letter; otherwise none."""
        return trailers(self.message) if self.has_diff or self._is_cover else []

    def __iter__(self) -> Iterator[FileDiff]:
        """Yield the changes to each file."""
        is_first = True
        while not self._is_cover and self._at < len(self._lines):
            first = self._at
            if not self._begins():
                if not is_first and _HUNK.match(self._line()):
                    self._add_fault(first, f"a hunk without a file; {_CUT}")
                self._at += 1
                continue
            is_first = False
            try:
                found = self._file()
            except _Unread as unread:
                self._add_fault(unread.at, str(unread))
                self._at = max(self._at, first + 1)
            else:
                self.has_diff = True
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
        names, extended = self._git_lines() if self._line().startswith(b"diff --git ") else ((), [])
        has_sides = self._line().startswith(b"--- ") and self._line(1).startswith(b"+++ ")
        at = self._at if has_sides else first
        if has_sides:
            names = (_side(self._line()), _side(self._line(1)))
            self._at += 2
        if _has_no_prefix(self._lines[first]):
            raise self._unread(first, "names without a/ and b/: write it with git's --default-prefix")
        if not has_sides and not any(found[1] for line in extended if (found := _EXTENDED.match(line))):
            raise self._unread(first, f"a diff without a hunk; {_CUT}")
        for name in (*names, *_moved(extended)):
            if _NO_NAME.search(name):
                says = f"{name} is not a path in a tree; write a/FILE and b/FILE, without blanks"
                raise self._unread(at, says)
        if any(line.endswith(b" 120000") for line in extended):
            raise self._unread(first, "a symbolic link: leave that file out")
        if not names:
            raise self._unread(first, "its names cannot be read: write a/FILE and b/FILE")
        if not any(names):
            raise self._unread(at, "both sides are /dev/null; name the file")
        if has_sides and not _HUNK.match(self._line()):
            raise _Unread(
                self._at, "expected a hunk's '@@ -LINE,COUNT +LINE,COUNT @@' here, below '+++ b/FILE'"
            )
        head = [line.removesuffix(b"\r") for line in self._lines[first : self._at]]
        is_copy = any(line.startswith(b"copy from ") for line in extended)
        old, new = names
        return FileDiff(old, new, head, is_copy, list(self._hunks()))

    def _unread(self, at: int, says: str) -> _Unread:
        """A fault of a whole file; the reader continues after its hunks."""
        for _ in self._hunks():
            pass
        return _Unread(at, says)

    def _git_lines(self) -> tuple[tuple[str, ...], list[bytes]]:
        """The names in the line ``diff --git``, and the lines below it about the file's mode and name."""
        written = self._line().removeprefix(b"diff --git ")
        extended = []
        self._at += 1
        while _EXTENDED.fullmatch(self._line()):
            extended.append(self._line())
            self._at += 1
        if self._line().startswith((b"GIT binary patch", b"Binary files ")):
            self._at += 1
            raise _Unread(self._at - 1, "a binary patch: leave that file out")
        if len(moved := _moved(extended)) == 2:
            return moved, extended
        # Both names are the same.
        name = written[2 : len(written) // 2]
        return (_decoded(name),) * 2 if written == b"a/%b b/%b" % (name, name) else (), extended

    def _hunks(self) -> Iterator[Hunk]:
        while found := _HUNK.match(self._line()):
            yield self._hunk(found)

    def _hunk(self, found: re.Match[bytes]) -> Hunk:
        first = self._at
        old, new = int(found[2] or 1), int(found[3] or 1)
        said = f"the hunk says {old} lines before and {new} after, but has"
        hunk = Hunk(int(found[1]), self._line(), found[4], [])
        # Either a mail program wrote CR everywhere, or the file itself has it.
        has_cr = self._lines[first].endswith(b"\r")
        self._at += 1
        while old > 0 or new > 0:
            line = self._line() if has_cr or self._at >= len(self._lines) else self._lines[self._at]
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
        self.faults.append(f"{self._name}{self._mail.place(at + 1)}: {says}")


def _has_no_prefix(line: bytes) -> bool:
    """True for a line ``diff --git NAME NAME`` that has the same name twice."""
    names = line.rstrip(b"\r").removeprefix(b"diff --git ")
    middle = len(names) // 2
    return len(names) < len(line) - 2 and names == b"%b %b" % (names[:middle], names[:middle])


def _decoded(name: bytes) -> str:
    return name.decode(errors="replace")


def _side(line: bytes) -> str:
    """The file in a line ``--- a/FILE<tab>DATE``, without its first folder; "" for /dev/null.

    A name without a folder is returned as a folder, which is not a file.
    """
    written, _, date = line[4:].partition(b"\t")
    if written == _NOTHING or date.startswith(_EPOCH):
        return ""
    name = _decoded(written)
    return name.partition("/")[2] or f"{name.rstrip('/')}/"


def _moved(extended: Sequence[bytes]) -> tuple[str, ...]:
    """The names in the lines of git about a rename or a copy."""
    return tuple(_decoded(line.split(b" ", 2)[2]) for line in extended if line.startswith(_NAMED))


def trailers(message: Sequence[str]) -> list[tuple[str, str]]:
    """The trailers of this project in a message, each with its value: ``Policy``, ``Base``, the licence's."""
    return [(found[1], found[2]) for line in message if (found := _TRAILER.fullmatch(line.rstrip()))]


def title_of(message: Sequence[str]) -> str:
    """The title of a patch that is not a mail: the first line of its message; or empty."""
    lines = (line.strip() for line in message)
    return next((one for one in lines if one and not _OF_SHOW.fullmatch(one) and not trailers([one])), "")


def series_of_package(package: str) -> str:
    """The series of a source package (``linux-source-7.2``), or ""."""
    name, _, series = package.partition("linux-source-")
    return "" if name else series


def patches_in(path: Path | None) -> Iterator[tuple[Mail, Diffs]]:
    """Yield each mail in a file with its diffs, which the caller reads before the next mail.

    :param path: None for standard input
    :raises Misuse: as for :func:`~pfnlab.lab.building.mails.mails_in`, or if no mail had a diff
    """
    name = "standard input" if path is None else visible_name(path)
    is_empty, has_diff, fault = True, False, ""
    for mail in mails_in(path):
        diffs = Diffs(mail, name)
        yield mail, diffs
        is_empty = is_empty and mail.subject is None and not mail.text.strip()
        has_diff = has_diff or diffs.has_diff
        fault = fault or next(iter(diffs.faults), "")
    if is_empty:
        raise Misuse(f"{name} is empty: it has no patch")
    if not has_diff:
        raise Misuse(
            fault
            or f"{name} is not a patch: it has no hunk '@@ -LINE,COUNT +LINE,COUNT @@' below '+++ b/FILE'; "
            "give a mail of git format-patch, an mbox, or a unified diff"
        )
