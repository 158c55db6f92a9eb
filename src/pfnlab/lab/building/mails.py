"""Mails with patches: of `git format-patch`, a mailbox as b4 and mail programs save it, or a bare diff.

Read one by one, in bounded memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_RECORDED, Unreadable, log_pieces
from pfnlab.base.units import size_text

#: The largest mail, in bytes; a bare diff may be as large as the file.
MOST_MAIL = 16 << 20

#: The longest subject, in characters.
_MOST_SUBJECT = 300

#: The line that git, b4 and mail programs put before each mail of a mailbox.
MAIL_BEGINS = re.compile(rb"From \S+ .*\d\d:\d\d:\d\d (?:\S+ )?\d{4}\b")
_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:")


@dataclass(frozen=True)
class Mail:
    """One mail, or a diff without a mail.

    :ivar subject: decoded, on one line and cut off at 300 characters; or empty
    :ivar text: what patch(1) can read: the mail unchanged, with the line ``From`` before it; or its parts
        that are text, decoded, below its subject
    :ivar is_decoded: true in the second case
    """

    subject: str
    text: bytes
    is_decoded: bool = False


def mails_in(path: Path | None) -> Iterator[Mail]:
    """Yield each mail in a file; a file without mails is one.

    :param path: None for standard input
    :raises Misuse: if it cannot be read, is larger than 256 MiB or has a mail of more than 16 MiB
    """
    name = Path("standard input") if path is None else path
    size, rest, begins, mail = 0, b"", b"", bytearray()
    for piece in log_pieces(path, "patch"):
        size += len(piece)
        if size > MOST_RECORDED:
            raise Unreadable(name, f"it is larger than {size_text(MOST_RECORDED)}: give single patches")
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if MAIL_BEGINS.match(line):
                if begins or mail:
                    yield _read(begins, bytes(mail))
                begins = line + b"\n"
                mail.clear()
                continue
            mail += line + b"\n"
            if len(mail) > MOST_MAIL and _HEADER.match(mail):
                most = size_text(MOST_MAIL)
                raise Unreadable(name, f"a mail in it is larger than {most}: give its patch without the mail")
    yield _read(begins, bytes(mail + rest))


def decoded_subject(written: str) -> str:
    """The subject of a mail in plain text, on one line and cut off at 300 characters."""
    text = " ".join(written[: 4 * _MOST_SUBJECT].split())
    try:
        return str(make_header(decode_header(text)))[:_MOST_SUBJECT]
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return text[:_MOST_SUBJECT]


def _read(begins: bytes, raw: bytes) -> Mail:
    if not _HEADER.match(raw):
        return Mail("", begins + raw)
    try:
        mail = message_from_bytes(raw)
        texts = [text for part in mail.walk() if (text := _text(part)) is not None]
    except RecursionError:
        raise Misuse(
            "a mail has too many parts inside one another: give its patch without the mail"
        ) from None
    subject = decoded_subject(str(mail.get("Subject", "")))
    if len(texts) == 1 and raw.endswith(texts[0]):
        return Mail(subject, begins + raw)
    head = begins + f"Subject: {subject}\n\n".encode(errors="replace")
    return Mail(subject, head + b"\n".join([*texts, b""]), is_decoded=True)


def _text(part: Message) -> bytes | None:
    """A part of a mail as kernel source is: in UTF-8, with lines that end in LF; None if it is not text."""
    payload = part.get_payload(decode=True)
    if part.get_content_maintype() != "text" or not isinstance(payload, bytes):
        return None
    text = payload.replace(b"\r\n", b"\n")
    try:
        return text.decode(part.get_content_charset("utf-8")).encode()
    except (LookupError, UnicodeError):
        # Not what its header says: the bytes, as an ordinary file has them.
        return text
