"""Mails with patches: of `git format-patch`, a mailbox as b4 and mail programs save it, or a bare diff.

Read one by one.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import InvalidBase64LengthDefect, InvalidBase64PaddingDefect, MessageError
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path

from pfnlab.base.files import Unreadable, log_pieces
from pfnlab.base.units import size_text

#: The largest file and the largest mail in it, in bytes; a bare diff may be as large as the file.
MOST_PATCHES, MOST_MAIL = 64 << 20, 16 << 20

#: The longest subject, in characters; the largest head of a mail, in bytes; the most lines before a mail.
_MOST_SUBJECT, _MOST_HEAD, _MOST_LINES = 300, 64 << 10, 3

#: The line before each mail of a mailbox: that of git, b4, a list's archive or a mail program.
_FROM_LINE = re.compile(
    rb">?From .{1,200}?\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) "
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d"
)
_HEADER = re.compile(rb"[!-9;-~]+:")
#: Headers that make the first lines of a file a mail; `mm: a title` does not.
_OF_MAIL = re.compile(
    rb"^(?:From|To|Cc|Subject|Date|Message-ID|MIME-Version|Content-[a-z-]+|Received): *\S", re.I | re.M
)
_SUBJECT = re.compile(rb"^Subject:(.*(?:\n[ \t].*)*)", re.I | re.M)
_COVER = re.compile(r"\b0+/\d+\b")
#: What programs put before a title: `Re:`, and brackets, which may have brackets in them.
_BEFORE_TITLE = re.compile(r"(?:(?:Re:|\[(?:[^][]|\[[^][]*\])*\]) *)*", re.IGNORECASE)
_PATCH_NAME = re.compile(r".*\.(?:patch|diff)", re.IGNORECASE)

#: Encodings of domain names, which nobody writes mails in, and whose decoders take long.
_OF_DOMAINS = ("punycode", "idna")
_DAMAGED = (InvalidBase64LengthDefect, InvalidBase64PaddingDefect)
_BOM = b"\xef\xbb\xbf"
#: How files begin that are not text, and what they are.
_NO_TEXT = {
    b"\x1f\x8b": "compressed: unpack it with gunzip",
    b"\xfd7zXZ": "compressed: unpack it with xz -d",
    b"BZh": "compressed: unpack it with bunzip2",
    b"\xff\xfe": "in UTF-16: save it in UTF-8",
    b"\xfe\xff": "in UTF-16: save it in UTF-8",
}


@dataclass(frozen=True)
class Mail:
    """One mail, or a file without mails.

    :ivar subject: decoded, on one line and cut off at 300 characters; None if it is not a mail
    :ivar text: all of it; of a mail that is encoded or has parts, the parts that are text, decoded
    :ivar line: the number of its first line in the file; 0 if it is decoded
    """

    subject: str | None
    text: bytes
    line: int

    @property
    def is_cover(self) -> bool:
        """True for the cover letter of a series: a diff in it is another version's."""
        return _COVER.search(self._before_title) is not None

    @property
    def title(self) -> str:
        """The subject without `Re:` and the brackets before it."""
        return (self.subject or "").removeprefix(self._before_title)

    @property
    def _before_title(self) -> str:
        found = _BEFORE_TITLE.match(self.subject or "")
        return found[0] if found is not None else ""

    def place(self, number: int) -> str:
        """The line *number* of the text, counted from 1, as it follows the name of the file."""
        return f":{self.line + number - 1}" if self.line else f", line {number} of the decoded mail"


def mails_in(path: Path | None) -> Iterator[Mail]:
    """Yield each mail in a file; a file without mails is one.

    :param path: None for standard input
    :raises Misuse: if it cannot be read, is larger than 64 MiB, is not text, or has a mail of more than 16
        MiB, in HTML alone or whose base64 is damaged
    """
    name = Path("standard input") if path is None else path
    began, mail = 1, bytearray()
    is_diff = False
    for number, line in enumerate(_lines(path, name), 1):
        # A line of a message may begin so, too; the one of a mailbox has headers below it.
        if _HEADER.match(line) and (cut := _from_line_at_end(mail)):
            yield _read(bytes(mail[:cut]), began, name)
            del mail[:cut]
            began, is_diff = number - 1, False
        mail += line
        if len(mail) > MOST_MAIL and not is_diff:
            if _mail_of(mail) is not None:
                most = size_text(MOST_MAIL)
                raise Unreadable(name, f"a mail in it is larger than {most}: give its patch alone")
            is_diff = True
    yield _read(bytes(mail), began, name)


def _lines(path: Path | None, name: Path) -> Iterator[bytes]:
    size, rest = 0, b""
    for piece in log_pieces(path, "patch"):
        if not size and (says := next((says for at, says in _NO_TEXT.items() if piece.startswith(at)), "")):
            raise Unreadable(name, f"it is {says}")
        size += len(piece)
        if size > MOST_PATCHES:
            raise Unreadable(name, f"it is larger than {size_text(MOST_PATCHES)}: give single patches")
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest


def _from_line_at_end(mail: bytearray) -> int:
    """Where the last line begins, if it is one before a mail; otherwise 0."""
    start = mail.rfind(b"\n", 0, -1) + 1
    return start if _FROM_LINE.match(mail, start) else 0


def _mail_of(raw: bytes | bytearray) -> bytes | bytearray | None:
    """The text without the lines that may come before a mail; None if it does not begin with its headers."""
    mail = raw.removeprefix(_BOM).lstrip(b"\r\n")
    for _ in range(_MOST_LINES):
        if mail.startswith((b"From ", b">From ")):
            mail = mail.partition(b"\n")[2]
    head = _head(mail)
    return mail if _HEADER.match(head) and _OF_MAIL.search(head) else None


def _head(mail: bytes | bytearray) -> bytes:
    """The headers of a mail."""
    return bytes(mail[:_MOST_HEAD]).replace(b"\r\n", b"\n").partition(b"\n\n")[0]


def _read(raw: bytes, line: int, name: Path) -> Mail:
    mail = _mail_of(raw)
    if mail is None:
        return Mail(None, raw, line)
    written = _SUBJECT.search(_head(mail))
    subject = decoded_subject(written[1].decode(errors="replace")) if written else ""
    try:
        parts = list(message_from_bytes(bytes(mail)).walk())
        texts = {part: text for part in parts if (text := _text(part)) is not None}
    except RecursionError:
        raise Unreadable(
            name, "a mail in it has parts too deep in one another: give its patch alone"
        ) from None
    except (MessageError, ValueError):
        raise Unreadable(name, "a mail in it has damaged headers: give its patch alone") from None
    if any(isinstance(defect, _DAMAGED) for part in texts for defect in part.defects):
        raise Unreadable(name, "the base64 of a mail in it is damaged or cut: save the mail again")
    if not texts and any(part.get_content_subtype() == "html" for part in parts):
        raise Unreadable(
            name, "a mail in it is in HTML alone: save it from its list's archive, or leave it out"
        )
    text = b"\n".join(texts.values())
    return Mail(subject, raw, line) if text and raw.endswith(text) else Mail(subject, text, 0)


def _text(part: Message) -> bytes | None:
    """A part of a mail as kernel source is: in UTF-8, with lines that end in LF; None if it is not text."""
    payload = part.get_payload(decode=True)
    is_text = part.get_content_maintype() == "text" and part.get_content_subtype() != "html"
    is_patch = part.get_content_subtype() == "x-patch" or _PATCH_NAME.fullmatch(part.get_filename() or "")
    if not isinstance(payload, bytes) or not (is_text or is_patch):
        return None
    text = payload.replace(b"\r\n", b"\n")
    try:
        charset = codecs.lookup(part.get_content_charset() or "utf-8").name
        return text if charset in _OF_DOMAINS else text.decode(charset).encode()
    except (LookupError, ValueError):
        # Not what its header says: the bytes, as an ordinary file has them.
        return text


def decoded_subject(written: str) -> str:
    """The subject of a mail in plain text, on one line and cut off at 300 characters."""
    text = " ".join(written[: 4 * _MOST_SUBJECT].split())
    with suppress(MessageError, LookupError, ValueError):
        text = str(make_header(decode_header(text))).encode(errors="replace").decode()
    return " ".join(text.split())[:_MOST_SUBJECT]
