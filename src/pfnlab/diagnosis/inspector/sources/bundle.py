"""The bundle format: files from one machine in one text; ``pfnlab-collect.sh`` writes it too.

The first line is ``pfnlab-bundle 1``. Every other line is a directive, or begins with one blank and is
content of the preceding directive, so content can never be taken for a directive::

    at SECONDS            when the following was read, since 1970
    note WORD VALUE       root yes, redacted yes; left LINES FILE: LINES of its lines have no known form
    file PATH             a file, its lines as content
    hex PATH              a file of bytes, as hexadecimal digits
    link PATH             a link, its target as content
    folder PATH           a folder, the names in it as content
    cut PATH<tab>WHY      the file before it was not fully read
    refused PATH<tab>WHY  it may not be read
    absent PATH<tab>WHY   it does not exist
    end LINES             the number of lines before this one, the last
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import check_regular, read_bytes
from pfnlab.base.inert import visible_name
from pfnlab.diagnosis.inspector.host_snapshot import Access, UnkeptLines
from pfnlab.diagnosis.inspector.parsing.text_files import (
    DMESG,
    GZIP,
    JOURNAL,
    LSPCI,
    MOST_SMALL,
    ORDINARY,
    UNAME,
    FileText,
    SnapshotBounds,
    TextFiles,
    decoded,
    shown,
    unpacked,
)

#: The first line, without the version.
MAGIC = b"pfnlab-bundle "
VERSION = b"1"
#: Maximum length of a bundle line, in bytes.
MOST_LINE = 1 << 16
#: Directives for a file that was not fully read.
ACCESS = {b"refused": Access.REFUSED, b"absent": Access.ABSENT, b"cut": Access.CUT}
WORDS = {access: word for word, access in ACCESS.items()}


class Entry(msgspec.Struct, frozen=True):
    """One directive about a file, with its content.

    :param kind: ``file``, ``hex``, ``link``, ``folder``, ``refused``, ``absent`` or ``cut``
    """

    kind: str
    path: str
    data: bytes = b""
    why: str = ""
    seconds: float | None = None


def written(entries: Iterable[Entry], notes: Iterable[tuple[str, str]]) -> bytes:
    """Return the text of a bundle with these entries."""
    parts = [MAGIC + VERSION + b"\n"]
    parts += [b"note %s %s\n" % (word.encode(), value.encode()) for word, value in notes]
    parts += _directives(entries)
    return ended(b"".join(parts))


def ended(text: bytes) -> bytes:
    """Add the last line of a bundle to its text."""
    return text + b"end %d\n" % text.count(b"\n")


def _directives(entries: Iterable[Entry]) -> Iterator[bytes]:
    before = ""
    for entry in entries:
        now = before if entry.seconds is None else f"{entry.seconds:.3f}"
        if now != before:
            yield f"at {now}\n".encode()
            before = now
        # Paths may contain bytes that are not text.
        head = f"{entry.kind} {entry.path}".encode("utf-8", "surrogateescape")
        why = b"\t" + visible_name(entry.why).encode() if entry.kind.encode() in ACCESS else b""
        yield head + why + b"\n" + _content(entry)


def _content(entry: Entry) -> bytes:
    data = entry.data
    if entry.kind == "hex":
        data = b"\n".join(data[at : at + 16].hex(" ").encode() for at in range(0, len(data), 16))
    if not data:
        return b""
    # Bytes that are not text cannot go into a line.
    data = data.removesuffix(b"\n").replace(b"\0", b"\\x00").replace(b"\n", b"\n ")
    return b" " + data + b"\n"


def is_bundle(head: bytes) -> bool:
    """True if a file beginning with *head* is a bundle, packed or not."""
    if head.startswith(GZIP):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, len(MAGIC))
        except zlib.error:
            return False
    return head.startswith(MAGIC)


def bundle_bytes(path: Path, bounds: SnapshotBounds) -> bytes:
    """Return the unpacked bundle at *path*; raise Unreadable, or Misuse if it is too large or damaged."""
    _check_size(visible_name(path), check_regular(path, "bundle").st_size, bounds)
    return unpacked_bundle(read_bytes(path, "bundle", bounds.all_bytes), str(path), bounds)


def _check_size(name: str, size: int, bounds: SnapshotBounds) -> None:
    why = bounds.is_larger(size, 0)
    if why:
        raise Misuse(f"{name}: {why}")


def unpacked_bundle(data: bytes, origin: str, bounds: SnapshotBounds) -> bytes:
    """Return the text of a bundle, gzipped or not; raise Misuse if it is too large or damaged."""
    name = visible_name(origin)
    _check_size(name, len(data), bounds)
    text, why = unpacked(data, bounds)
    if why:
        raise Misuse(f"{name}: {why}")
    return text


def packed(data: bytes) -> bytes:
    """Pack a text; the same text always gives identical bytes."""
    return gzip.compress(data, mtime=0)


_DIRECTIVE = re.compile(rb"\n([^ \n][^\n]*|(?=\n))")
_PATH = re.compile(r"(?:/[^/\x00-\x1f\x7f]+)+|/")
_COMMANDS = frozenset({DMESG, JOURNAL, LSPCI, UNAME})
_SECONDS = re.compile(rb"[0-9]{1,12}(?:\.[0-9]{1,9})?")
_END = re.compile(rb"end ([0-9]{1,12})")
_NOTE = re.compile(rb"note ([a-z]{1,20}) ([^\n]{1,200})")
_LEFT = re.compile(rb"note left ([0-9]{1,12}) ([^\n]{1,200})")
_PROCESS_FILE = re.compile(r"/proc/([0-9]{1,10})/(smaps|maps|fd|fdinfo|comm)")
_CONTENT = (b"file", b"hex", b"link", b"folder")
#: A bundle may have one file or link per this many lines allowed in a file: by default, half a million.
_LINES_PER_FILE = 4
_NOT_THERE = FileText(b"", Access.ABSENT, "not in the bundle")


class _Part(msgspec.Struct, gc=False):
    """The text of a directive, and the position of its content."""

    kind: bytes
    start: int
    end: int
    line: int
    seconds: float | None
    access: Access = Access.READ
    why: str = ""


class Bundle(TextFiles):
    """The files in a bundle; raises Misuse if it is not a bundle, or is truncated or malformed."""

    strict = True

    def __init__(self, data: bytes, origin: str, bounds: SnapshotBounds = ORDINARY) -> None:
        self.origin, self.bounds = origin, bounds
        self._data = data
        self._parts: dict[str, _Part] = {}
        self._links: dict[str, _Part] = {}
        self._below: dict[str, set[str]] = {}
        self._notes: dict[str, str] = {}
        self._left: list[UnkeptLines] = []
        self._check_lines()
        self._read_directives()
        self.root = self._notes.get("root", "yes") == "yes"
        self.left_out = tuple(sorted(self._left, key=lambda one: one.name))
        proc = self._parts.get("/proc")
        listed = proc is not None and proc.kind == b"folder"
        self._pids = frozenset(decoded(self._content(proc)).split() if proc and listed else ())

    @classmethod
    def at(cls, path: Path, bounds: SnapshotBounds = ORDINARY) -> Bundle:
        """Open a bundle file, packed or not; raise Misuse as the class does, or if it cannot be read."""
        return cls(bundle_bytes(path, bounds), str(path), bounds)

    def read(self, path: str, most: int = MOST_SMALL) -> FileText:
        """Return the content of a file, as stored in the bundle."""
        part = self._parts.get(path)
        if part is None:
            return self._unlisted(path)
        data = self._content(part, most + 1)
        if part.kind == b"hex":
            data = self._bytes_of(part, data)
        if len(data) > most:
            return FileText(data[:most], Access.CUT, f"longer than {most >> 20} MiB", part.seconds, part.line)
        return FileText(data, part.access, part.why, part.seconds, part.line)

    def link(self, path: str) -> str | None:
        """Return the target of a link."""
        part = self._links.get(path)
        if part is None:
            return None
        return self._content(part).removesuffix(b"\n").decode("utf-8", "surrogateescape")

    def names(self, folder: str) -> FileText:
        """Return the names that a folder lists or, if it has no list, those with content in the bundle."""
        part = self._parts.get(folder)
        if part is not None:
            return FileText(self._content(part), part.access, part.why, part.seconds, part.line)
        below = self._below.get(folder)
        if below:
            return FileText("\n".join(sorted(below)).encode())
        return self._unlisted(folder)

    def _unlisted(self, path: str) -> FileText:
        # If a process was read, a missing file means an empty one.
        found = _PROCESS_FILE.fullmatch(path)
        if found is None or found[1] not in self._pids:
            return _NOT_THERE
        if found[2] == "smaps" and f"/proc/{found[1]}/maps" in self._parts:
            return _NOT_THERE
        return FileText(b"", seconds=self._parts["/proc"].seconds)

    def _content(self, part: _Part, most: int | None = None) -> bytes:
        # A byte of content takes up at most two bytes in the bundle, or three if written as digits.
        end = part.end if most is None else min(part.end, part.start + 4 * most)
        return self._data[part.start + 1 : end].replace(b"\n ", b"\n")

    def _bytes_of(self, part: _Part, digits: bytes) -> bytes:
        try:
            return bytes.fromhex(digits.decode("ascii"))
        except ValueError:
            raise self._wrong(part.line + 1, "not hexadecimal") from None

    def _wrong(self, line: int, what: str) -> Misuse:
        return Misuse(f"{visible_name(self.origin)}:{line}: {what}")

    def _check_lines(self) -> None:
        data = self._data
        head, _, _ = data[:200].partition(b"\n")
        if not head.startswith(MAGIC):
            raise Misuse(f"{visible_name(self.origin)}:1: not a bundle: the first line does not name it")
        if head.split()[1:2] != [VERSION]:
            raise self._wrong(1, f"bundle of another version, {shown(head)}: use a newer pfnlab")
        at = data.find(b"\0")
        if at >= 0:
            raise self._wrong(data.count(b"\n", 0, at) + 1, "a bundle has no zero bytes: copy it again")
        if larger := self.bounds.is_larger(len(data), data.count(b"\n")):
            raise self._wrong(
                min(data.count(b"\n", 0, self.bounds.all_bytes), self.bounds.all_lines) + 1, larger
            )
        # Any line that is too long fills one of these windows.
        for at in range(0, len(data) - MOST_LINE, MOST_LINE):
            if data.find(b"\n", at, at + MOST_LINE) < 0:
                line = data.count(b"\n", 0, at) + 1
                raise self._wrong(line, f"a line is longer than {MOST_LINE >> 10} KiB: not a bundle")

    def _read_directives(self) -> None:
        data, line, before = self._data, 1, 0
        seconds: float | None = None
        open_part: _Part | None = None
        most = self.bounds.lines // _LINES_PER_FILE
        for count, found in enumerate(_DIRECTIVE.finditer(data)):
            line += data.count(b"\n", before, found.start() + 1)
            before = found.start() + 1
            if open_part is not None:
                open_part.end = before
            open_part = None
            text = found[1]
            if (end := _END.fullmatch(text)) is not None:
                self._check_end(int(end[1]), line, found.end())
                return
            if count >= most:
                raise self._wrong(line, f"more than {most:,} files and links{self.bounds.remedy}")
            word, _, rest = text.partition(b" ")
            if word in _CONTENT or word in ACCESS:
                open_part = self._add(word, rest, line, seconds, found.end() + 1)
            elif word == b"at" and _SECONDS.fullmatch(rest):
                seconds = float(rest)
            elif (left := _LEFT.fullmatch(text)) is not None:
                self._left.append(UnkeptLines(visible_name(decoded(left[2])), int(left[1])))
            elif (note := _NOTE.fullmatch(text)) is not None:
                self._notes[note[1].decode()] = decoded(note[2])
            else:
                raise self._wrong(line, f"not a line of a bundle: {shown(text) or 'an empty line'}")
        lines = data.count(b"\n")
        raise self._wrong(lines, "the bundle is truncated here: collect it again")

    def _add(self, word: bytes, rest: bytes, line: int, seconds: float | None, at: int) -> _Part | None:
        name, _, why = rest.partition(b"\t")
        try:
            path = name.decode()
        except UnicodeDecodeError:
            raise self._wrong(line, f"path is not UTF-8: {shown(name)}") from None
        if path not in _COMMANDS and (not _PATH.fullmatch(path) or ".." in path.split("/")):
            raise self._wrong(line, f"not an absolute path: {shown(name)}")
        if word == b"cut":
            part = self._parts.get(path)
            if part is None:
                raise self._wrong(line, f"nothing of this file comes before: {shown(name)}")
            part.access, part.why = Access.CUT, visible_name(decoded(why))
            return None
        part = _Part(word, at, at, line, seconds, ACCESS.get(word, Access.READ), visible_name(decoded(why)))
        table = self._links if word == b"link" else self._parts
        if path in table:
            raise self._wrong(line, f"a second time the same file: {shown(name)}")
        table[path] = part
        while path not in ("/", ""):
            folder, _, child = path.rpartition("/")
            below = self._below.setdefault(folder or "/", set())
            if child in below:
                break
            below.add(child)
            path = folder
        return part

    def _check_end(self, lines: int, line: int, at: int) -> None:
        if lines != line - 1:
            raise self._wrong(
                line, f"the bundle had {lines} lines before this, now {line - 1}: collect it again"
            )
        if self._data[at:].strip():
            raise self._wrong(line + 1, "more after the last line of the bundle: take one bundle at a time")
