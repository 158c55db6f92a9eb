"""Mailed patches: `git format-patch`, an mbox as b4 saves it, or a bare diff.

Nothing is applied, so a patch may be incomplete. A mailbox is read mail by mail, in bounded memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_RECORDED, Unreadable, log_pieces
from pfnlab.base.inert import visible_name
from pfnlab.base.units import size_text

#: The most subjects and names that are kept of a mailbox, and the longest subject.
MOST_SUBJECTS, MOST_NAMES, _MOST_SUBJECT = 100, 10_000, 300

#: The largest mail, in bytes; a bare diff may be as large as the file.
MOST_MAIL = 16 << 20

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
    :raises Misuse: if it cannot be read, is larger than 256 MiB or has a mail of more than 16 MiB, or
        contains no change
    """
    found, is_empty = MailedPatches(), True
    for mail in _mails(path):
        is_empty = is_empty and not mail.strip()
        _read_mail(found, mail)
    if not found.patches:
        name = "standard input" if path is None else visible_name(path)
        if is_empty:
            raise Misuse(f"{name} is empty: it has no patch")
        raise Misuse(
            f"{name} is not a patch: it has no hunk '@@ -LINE,COUNT +LINE,COUNT @@' below '+++ b/FILE'; give "
            "a mail of git format-patch, an mbox, or a unified diff"
        )
    return found


def _mails(path: Path | None) -> Iterator[bytes]:
    """Yield each mail of a mailbox, without the line "From " before it; a bare diff is one mail."""
    name = Path("standard input") if path is None else path
    size, rest, mail = 0, b"", bytearray()
    for piece in log_pieces(path, "patch"):
        size += len(piece)
        if size > MOST_RECORDED:
            raise Unreadable(name, f"it is larger than {size_text(MOST_RECORDED)}: give single patches")
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if _MAIL.match(line):
                yield bytes(mail)
                mail.clear()
                continue
            mail += line + b"\n"
            if len(mail) > MOST_MAIL and _HEADER.match(mail):
                most = size_text(MOST_MAIL)
                raise Unreadable(name, f"a mail in it is larger than {most}: give its patch without the mail")
    yield bytes(mail + rest)


def _read_mail(found: MailedPatches, raw: bytes) -> None:
    """Read one mail, with all its parts that are text, or a bare diff."""
    subject, texts = "", [raw]
    if _HEADER.match(raw):
        try:
            mail = message_from_bytes(raw)
            parts = [part for part in mail.walk() if part.get_content_maintype() == "text"]
            texts = [payload for part in parts if isinstance(payload := part.get_payload(decode=True), bytes)]
        except RecursionError:
            raise Misuse(
                "a mail has too many parts inside one another: give its patch without the mail"
            ) from None
        subject = decoded_subject(str(mail.get("Subject", "")))
    reader = _HunkReader(found)
    for text in texts:
        for line in text.split(b"\n"):
            reader.take(line.removesuffix(b"\r"))
    if reader.has_change:
        found.patches += 1
        if subject and len(found.subjects) < MOST_SUBJECTS:
            found.subjects.append(subject)


class _HunkReader:
    """Reads the lines of a mail's text: which functions its hunks change and call."""

    def __init__(self, found: MailedPatches) -> None:
        self._found = found
        self.has_change = False
        self._left = self._right = 0
        self._function = ""
        self._in_file = False

    def take(self, line: bytes) -> None:
        """Take the next line, without its end."""
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
            _keep(self._found.files, file[1].decode(errors="replace"))
        elif line.startswith((b"--- ", b"diff ")):
            self._in_file = False

    def _take_code(self, code: bytes, *, changed: bool) -> None:
        name = _defined(code)
        if name is not None:
            self._function = name
        elif code[:1] == b"}":
            # The line itself still belongs to the function.
            if changed and self._function:
                _keep(self._found.changed, self._function)
            self._function = ""
        if not changed:
            return
        self.has_change = True
        if self._function:
            _keep(self._found.changed, self._function)
        for call in _CALL.findall(code):
            if call not in _WORDS and call.decode() != name:
                _keep(self._found.called, call.decode())


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


def decoded_subject(written: str) -> str:
    """The subject of a mail in plain text, on one line and cut off at 300 characters."""
    text = " ".join(written[: 4 * _MOST_SUBJECT].split())
    try:
        return str(make_header(decode_header(text)))[:_MOST_SUBJECT]
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return text[:_MOST_SUBJECT]
