"""Mailed patches: `git format-patch`, an mbox as b4 saves it, or a bare diff.

Nothing is applied, so a patch may be incomplete. A mailbox is read line by line, in bounded memory.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_RECORDED, Unreadable, log_pieces
from pfnlab.base.inert import visible_name
from pfnlab.base.units import size_text

#: The most subjects and names that are kept of a mailbox, and the longest subject.
MOST_SUBJECTS, MOST_NAMES, _MOST_SUBJECT = 100, 10_000, 300

#: The longest line of which calls are read, in bytes: no line of a kernel source is longer.
_MOST_CODE = 1000

_MAIL = re.compile(rb"From \S+ ")
_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:")
_HUNK = re.compile(rb"@@ -\d{1,9}(?:,(\d{1,9}))? \+\d{1,9}(?:,(\d{1,9}))? @@ ?(.*)")
_FILE = re.compile(rb"\+\+\+ (?:[^/\s]+/)?(\S+)")
_CALL = re.compile(rb"\b([a-zA-Z_]\w{2,99})\s*\(")
_MACRO = re.compile(rb"#\s*define\s+([a-zA-Z_]\w{2,99})\(")
#: Words that look like calls, and those that a line of code in the first column may begin with.
_WORDS = frozenset((b"if", b"while", b"for", b"switch", b"return", b"sizeof", b"typeof", b"defined"))
_NO_TYPE = frozenset((b"return", b"else", b"goto", b"case", b"typedef", b"#define"))
_OF_TYPES = bytes(range(128)).translate(
    None, b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_* \t"
)


@dataclass
class MailedPatches:
    """The patches in a file.

    :ivar patches: the number of mails, or bare diffs, with a change
    :ivar subjects: the subjects of the first of them, decoded; a bare diff has none
    :ivar changed: the functions whose code is changed
    :ivar called: the functions that a changed line calls, or no longer calls
    :ivar files: the files changed
    """

    patches: int = 0
    subjects: list[str] = field(default_factory=list)
    changed: dict[str, None] = field(default_factory=dict)
    called: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)


def read_mailed(path: Path | None) -> MailedPatches:
    """Read the patches in a file.

    :param path: None for standard input
    :raises Misuse: if it cannot be read, is larger than 256 MiB, or contains no change
    """
    reader = _MailReader()
    for line in _lines(path):
        reader.take(line)
    reader.end_mail()
    if not reader.found.patches:
        name = "standard input" if path is None else visible_name(path)
        raise Misuse(
            f"{name} is not a patch: it has no hunk '@@ -LINE,COUNT +LINE,COUNT @@' below '+++ b/FILE'; give "
            "a mail of git format-patch, an mbox, or a unified diff"
        )
    return reader.found


def _lines(path: Path | None) -> Iterator[bytes]:
    size, rest = 0, b""
    for piece in log_pieces(path, "patch"):
        size += len(piece)
        if size > MOST_RECORDED:
            name = Path("standard input") if path is None else path
            raise Unreadable(name, f"it is larger than {size_text(MOST_RECORDED)}: give single patches")
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    yield rest


class _MailReader:
    """Reads the lines of a mailbox in one pass."""

    def __init__(self) -> None:
        self.found = MailedPatches()
        self._head: dict[str, bytes] | None = {}
        self._last = ""
        self._encoding = ""
        self._subject = ""
        self._has_change = False
        self._soft = b""
        self._left = self._right = 0
        self._function = ""
        self._in_file = False

    def take(self, line: bytes) -> None:
        """Take the next line, without its newline."""
        line = line.removesuffix(b"\r")
        if not (self._left or self._right) and _MAIL.match(line):
            self.end_mail()
        elif self._head is not None:
            self._take_head(line)
        else:
            for decoded in self._decoded(line):
                self._take_body(decoded)

    def end_mail(self) -> None:
        """Count the mail if it has a change, and forget it."""
        if self._soft:
            self._take_body(self._soft)
        if self._has_change:
            self.found.patches += 1
            if self._subject and len(self.found.subjects) < MOST_SUBJECTS:
                self.found.subjects.append(self._subject)
        self._head, self._last, self._encoding, self._subject = {}, "", "", ""
        self._has_change, self._soft, self._function = False, b"", ""
        self._in_file, self._left, self._right = False, 0, 0

    def _take_head(self, line: bytes) -> None:
        assert self._head is not None
        if _HEADER.match(line):
            name, _, value = line.partition(b":")
            self._last = name.decode().lower()
            if self._last in ("subject", "content-transfer-encoding"):
                self._head[self._last] = value.strip()[:_MOST_SUBJECT]
        elif line[:1] in (b" ", b"\t") and self._last in self._head:
            longer = self._head[self._last] + b" " + line.strip()
            self._head[self._last] = longer[: 4 * _MOST_SUBJECT]
        elif line[:1] not in (b" ", b"\t"):
            # The empty line below the head, or a bare diff, which has none.
            self._subject = _decoded_subject(self._head.get("subject", b""))
            self._encoding = self._head.get("content-transfer-encoding", b"").decode(errors="replace").lower()
            self._head = None
            if line:
                self._take_body(line)

    def _decoded(self, line: bytes) -> Iterable[bytes]:
        """The lines of the body that this line completes."""
        if self._encoding == "quoted-printable":
            if line.endswith(b"=") and len(self._soft) < _MOST_CODE:
                self._soft += quopri.decodestring(line[:-1])
                return
            whole, self._soft = self._soft + quopri.decodestring(line), b""
            yield whole
        elif self._encoding == "base64":
            try:
                text = base64.b64decode(line)
            except binascii.Error:
                return
            *lines, self._soft = (self._soft + text).split(b"\n")
            yield from (one.removesuffix(b"\r") for one in lines)
        else:
            yield line

    def _take_body(self, line: bytes) -> None:
        if self._left > 0 or self._right > 0:
            mark = line[:1]
            if mark in (b" ", b"", b"+", b"-"):
                self._left -= mark != b"+"
                self._right -= mark != b"-"
                self._take_code(line[1:_MOST_CODE], changed=mark in (b"+", b"-"))
                return
            if mark == b"\\":
                return
            self._left = self._right = 0
        if hunk := _HUNK.match(line):
            if self._in_file:
                self._left, self._right = int(hunk[1] or 1), int(hunk[2] or 1)
                self._function = _defined(hunk[3][:_MOST_CODE]) or ""
        elif file := _FILE.match(line):
            self._in_file, self._function = True, ""
            _keep(self.found.files, file[1].decode(errors="replace"))
        elif line.startswith((b"--- ", b"diff ")):
            self._in_file = False

    def _take_code(self, code: bytes, *, changed: bool) -> None:
        name = _defined(code)
        if name is not None:
            self._function = name
        elif code[:1] == b"}":
            # The line itself still belongs to the function.
            if changed and self._function:
                _keep(self.found.changed, self._function)
            self._function = ""
        if not changed:
            return
        self._has_change = True
        if self._function:
            _keep(self.found.changed, self._function)
        for call in _CALL.findall(code):
            if call not in _WORDS and call.decode() != name:
                _keep(self.found.called, call.decode())


def _defined(code: bytes) -> str | None:
    """The function or macro whose definition begins in this line: in the first column, and unlike a call or a
    declaration without `;` and `=`.
    """
    if macro := _MACRO.match(code):
        return macro[1].decode()
    head, parenthesis, rest = code.partition(b"(")
    words = head.replace(b"*", b" ").split()
    # No expression for this: a hostile line would take it long.
    if not parenthesis or not words or head[:1].isspace() or b";" in rest or b"=" in rest:
        return None
    name = words[-1]
    if words[0] in _NO_TYPE or name in _WORDS or not 3 <= len(name) <= 100 or name[:1].isdigit():
        return None
    return name.decode() if head.translate(None, _OF_TYPES) == head and head.isascii() else None


def _keep(names: dict[str, None], name: str) -> None:
    if len(names) < MOST_NAMES:
        names[name] = None


def _decoded_subject(raw: bytes) -> str:
    text = raw.decode(errors="replace")
    try:
        return str(make_header(decode_header(text)))[:_MOST_SUBJECT]
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return text[:_MOST_SUBJECT]
