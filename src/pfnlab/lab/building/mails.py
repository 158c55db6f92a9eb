"""Mails with patches: of `git format-patch`, a mailbox as b4 and mail programs save it, or a bare diff.

git splits and decodes them, as `git am` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pfnlab.base.files import Unreadable, log_pieces
from pfnlab.base.units import size_text
from pfnlab.lab.building.plain_git import plain_git
from pfnlab.lab.images.tools import complaint

#: The largest file and the largest mail in it, in bytes, and the most mails.
MOST_PATCHES, MOST_MAIL, MOST_MAILS = 64 << 20, 16 << 20, 1000

#: The longest subject, in characters, and the largest head of a mail or of a part, in bytes.
_MOST_SUBJECT, _MOST_HEAD = 300, 64 << 10

_BOM = b"\xef\xbb\xbf"
_HEADER = rb"[!-9;-~]+:.*\n(?:[ \t].*\n)*+"
#: Headers that make the first lines of a file a mail; `mm: a title` does not.
_OF_MAIL = rb"(?:From|To|Cc|Subject|Date|Message-ID|MIME-Version|Content-[a-z-]+|Received): *\S"
_BEGINS = re.compile(rb"\s*+(?:>?From .*\n)*+(?:(?!%b)%b)*+%b" % (_OF_MAIL, _HEADER, _OF_MAIL), re.IGNORECASE)

#: In the head of a part: what is before each of its own parts, and whether it counts, by type or name.
_BOUNDARY = re.compile(rb'^Content-Type:.*?boundary=(?:"([^"\n]+)"|([^"; \t\n]+))', re.I | re.M)
_OTHER_TYPE = re.compile(
    rb"^Content-Type: *+(?!(?:text(?:/plain)?|[a-z]+/(?:x-)?(?:patch|diff)) *(?:;|$))", re.I | re.M
)
_PATCH_NAME = re.compile(rb'^Content-.*?\.(?:patch|diff)"? *(?:;|$)', re.I | re.M)

_COVER = re.compile(r"\b0+/\d+\b")
#: What programs put before a title: `Re:`, and brackets, which may have brackets in them.
_BEFORE_TITLE = re.compile(r"(?:(?:Re:|\[(?:[^][]|\[[^][]*\])*\]) *)*", re.IGNORECASE)

#: How files begin that are not text, and what they are.
_NO_TEXT = {
    b"\x1f\x8b": "compressed: unpack it with gunzip",
    b"\xfd7zXZ": "compressed: unpack it with xz -d",
    b"BZh": "compressed: unpack it with bunzip2",
    b"\xff\xfe": "in UTF-16: save it in UTF-8",
    b"\xfe\xff": "in UTF-16: save it in UTF-8",
}
_ALONE = "give its patch alone"


@dataclass(frozen=True)
class Mail:
    """One mail, or a file without mails.

    :ivar subject: decoded, on one line and cut off at 300 characters; None if it is not a mail
    :ivar text: its message and its patch, decoded; all of a file without mails
    :ivar number: its place in the file, counted from 1
    """

    subject: str | None
    text: bytes
    number: int = 1

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

    def place(self, line: int) -> str:
        """The line with this number, counted from 1, as it follows the name of the file."""
        return f":{line}" if self.subject is None else f", mail {self.number}, line {line} below its headers"


def mails_in(path: Path | None) -> Iterator[Mail]:
    """Yield each mail in a file; a file without mails is one.

    :param path: None for standard input
    :raises MissingTool: if it has mails and git is not installed
    :raises Misuse: if it cannot be read, is larger than 64 MiB, is not text, has more than 1,000 mails, or
        one of more than 16 MiB, in HTML alone or that git cannot decode
    """
    name = Path("standard input") if path is None else path
    text = _read(path, name)
    if not _BEGINS.match(text[:_MOST_HEAD]):
        yield Mail(None, text)
        return
    if text.count(b"\nFrom ") >= MOST_MAILS:
        raise Unreadable(name, f"it has more than {MOST_MAILS:,} mails: give single patches")
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "mbox").write_bytes(text)
        _git("git mailsplit -b -o. mbox", place, name)
        mails = sorted(place.glob("[0-9]*"))
        for number, mail in enumerate(mails, 1):
            if mail.stat().st_size > MOST_MAIL:
                raise Unreadable(name, f"a mail in it is larger than {size_text(MOST_MAIL)}: {_ALONE}")
            if (parts := _parts_that_count(mail.read_bytes())) is None:
                says = "has no part in plain text: save it from its list's archive, or leave it out"
                raise Unreadable(name, f"mail {number} in it {says}")
            mail.write_bytes(parts)
        _git('for m in [0-9]*; do git mailinfo -k "m$m" "p$m" <"$m" >"i$m" || exit; done', place, name)
        for number, mail in enumerate(mails, 1):
            message, patch, head = ((place / f"{kind}{mail.name}").read_bytes() for kind in "mpi")
            yield Mail(_subject(head), message + patch, number)


def _read(path: Path | None, name: Path) -> bytes:
    text = bytearray()
    for piece in log_pieces(path, "patch"):
        if not text and (says := next((says for at, says in _NO_TEXT.items() if piece.startswith(at)), "")):
            raise Unreadable(name, f"it is {says}")
        text += piece
        if len(text) > MOST_PATCHES:
            raise Unreadable(name, f"it is larger than {size_text(MOST_PATCHES)}: give single patches")
    return bytes(text).removeprefix(_BOM)


def _git(script: str, folder: Path, name: Path) -> None:
    answer = plain_git(script, folder=folder, remedy=_ALONE)
    if answer.returncode:
        number = len(list(folder.glob("i*")))
        said = complaint(answer.stderr)
        raise Unreadable(name, f"git cannot read mail {max(number, 1)} in it ({said}): {_ALONE}")


def _parts_that_count(mail: bytes) -> bytes | None:
    """The mail without the texts of its parts that are neither plain text nor a patch; None without a text.

    A part begins and ends where it does for git: at the boundary of the innermost part that has parts.
    """
    kept, counted, at = bytearray(), False, 0
    boundaries: list[bytes] = []
    while True:
        head_end = (mail.find(b"\n\n", at) + 1 or len(mail)) + 1
        head = re.sub(rb"\n[ \t]+", b" ", mail[at : min(head_end, at + _MOST_HEAD)])
        has_parts = _BOUNDARY.search(head)
        if has_parts:
            boundaries.append(b"\n--" + (has_parts[1] or has_parts[2]))
        counts = not has_parts and (not _OTHER_TYPE.search(head) or bool(_PATCH_NAME.search(head)))
        counted = counted or counts
        following = mail.find(boundaries[-1], head_end - 1) if boundaries else -1
        kept += mail[at:head_end]
        if counts:
            kept += mail[head_end : following if following >= 0 else None]
        while following >= 0 and mail.startswith(b"--", following + len(boundaries[-1])):
            kept += boundaries.pop() + b"--"
            following = mail.find(boundaries[-1], following + 1) if boundaries else -1
        if following < 0:
            return bytes(kept) if counted else None
        at = (mail.find(b"\n", following + 1) + 1) or len(mail)
        kept += mail[following:at]


def _subject(head: bytes) -> str:
    """The subject in what mailinfo says of a mail, on one line and cut off."""
    lines = [line.removeprefix(b"Subject: ") for line in head.split(b"\n") if line.startswith(b"Subject: ")]
    return " ".join(b" ".join(lines).decode(errors="replace").split())[:_MOST_SUBJECT]
