"""Mails: one by one, decoded where patch(1) could not read them."""

from __future__ import annotations

import base64
import quopri
from email.message import EmailMessage
from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.lab.building import mails
from pfnlab.lab.building.mails import Mail, decoded_subject, mails_in

DIFF = """\
--- a/mm/memory.c
+++ b/mm/memory.c
@@ -1 +1 @@ static void zap_one(struct vma *vma,
-\told_call(vma); /* \u2264 */
+\tnew_call(vma);
"""
HEAD = """\
From: A Developer <dev@example.org>
Subject: [PATCH] mm: one
"""
BEGINS = "From 1111111111111111111111111111111111111111 Mon Sep 17 00:00:00 2001\n"


def read(tmp_path: Path, text: str | bytes) -> list[Mail]:
    """The mails in a file with this text."""
    path = tmp_path / "mail"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(mails_in(path))


def encoded(encoding: str, text: str, charset: str = "utf-8") -> str:
    """A mail with this text."""
    plain = text.encode(charset)
    coded = quopri.encodestring(plain) if encoding == "quoted-printable" else base64.encodebytes(plain)
    return (
        f"{HEAD}Content-Type: text/plain; charset={charset}\n"
        f"Content-Transfer-Encoding: {encoding}\n\n{coded.decode()}"
    )


@for_each(
    "text",
    [
        "",
        DIFF,
        f"A title.\n\nmm: text\n---\n{DIFF}",
        f"mm: a title\n\nText.\n---\n{DIFF}",
        f"{HEAD}\n{DIFF}",
        f"{BEGINS}{HEAD}\nFrom here on, one line.\n---\n{DIFF}",
        f"{BEGINS}{HEAD}Content-Transfer-Encoding: 8bit\n\n{DIFF}",
    ],
)
def test_what_patch_can_read_stays_as_it_is(tmp_path: Path, text: str) -> None:
    """Byte for byte, also if a line of the text begins like a mailbox."""
    (mail,) = read(tmp_path, text)

    assert (text.encode(), False) == (mail.text, mail.is_decoded)


@for_each("encoding", ["quoted-printable", "base64"])
@for_each("charset", ["utf-8", "utf-16"])
@for_each("begins", ["", BEGINS])
def test_an_encoded_mail_is_decoded(tmp_path: Path, begins: str, charset: str, encoding: str) -> None:
    """To UTF-8, as kernel source is, and below its subject."""
    (mail,) = read(tmp_path, begins + encoded(encoding, DIFF, charset))

    assert f"{begins}Subject: [PATCH] mm: one\n\n{DIFF}\n" == mail.text.decode()
    assert ("[PATCH] mm: one", True) == (mail.subject, mail.is_decoded)


def test_a_mail_with_ends_of_lines_of_mail(tmp_path: Path) -> None:
    """CR and LF become LF."""
    (mail,) = read(tmp_path, f"{HEAD}\n{DIFF}".replace("\n", "\r\n"))

    assert mail.text.decode().endswith(f"\n\n{DIFF}\n")


@for_each("charset", ["no-such", "ascii"])
def test_a_wrong_charset(tmp_path: Path, charset: str) -> None:
    """The bytes are taken."""
    text = f"{HEAD}Content-Type: text/plain; charset={charset}\n\n{DIFF}"

    assert text.encode() == read(tmp_path, text)[0].text


def test_a_patch_that_is_attached(tmp_path: Path) -> None:
    """In a mail of several parts, in whatever encoding; a picture is not text."""
    mail = EmailMessage()
    mail["Subject"] = "[PATCH] one"
    mail.set_content("See the patch.\n")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png")
    mail.add_attachment(DIFF.encode(), maintype="text", subtype="x-patch")

    (found,) = read(tmp_path, mail.as_bytes())

    assert f"Subject: [PATCH] one\n\nSee the patch.\n\n{DIFF}\n" == found.text.decode()


def test_a_mailbox_of_both_kinds(tmp_path: Path) -> None:
    """Each mail begins on a line of its own, although an encoded one may end within a line."""
    first = BEGINS + encoded("base64", DIFF.rstrip("\n"))
    second = f"{BEGINS.replace('1', '2')}{HEAD}\n{DIFF}"

    one, two = read(tmp_path, first + second)

    assert (True, False) == (one.is_decoded, two.is_decoded)
    assert one.text.endswith(b"\n")
    assert second.encode() == two.text


@for_each(
    "line",
    [
        "From git@z Thu Jan  1 00:00:00 1970",
        "From a at example.org  Mon May 19 08:25:47 2025",
        "From a@example.org Mon May 19 08:25:47 +0200 2025",
    ],
)
def test_the_line_before_a_mail(tmp_path: Path, line: str) -> None:
    """As b4, a list's archive and mail programs write it."""
    assert 2 == len(read(tmp_path, f"{line}\n{HEAD}\n{DIFF}{line}\n{HEAD}\n{DIFF}"))


@for_each(
    ("written", "subject"),
    [
        ("[PATCH]  mm:\n two lines", "[PATCH] mm: two lines"),
        ("=?utf-8?q?mm=3A_f=C3=BCr?=", "mm: f\u00fcr"),
        ("=?no-such?q?x?=", "=?no-such?q?x?="),
        ("x" * 1000, "x" * 300),
    ],
)
def test_subjects(written: str, subject: str) -> None:
    """On one line, decoded if the encoding exists, and cut."""
    assert subject == decoded_subject(written)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the limit, and what to give instead."""
    monkeypatch.setattr(mails, "MOST_RECORDED", 1 << 10)

    with pytest.raises(Misuse, match="mail: it is larger than 1 KiB: give single patches"):
        read(tmp_path, DIFF * 20)


def test_a_mail_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the mailbox is not."""
    monkeypatch.setattr(mails, "MOST_MAIL", 1 << 10)

    with pytest.raises(Misuse, match="a mail in it is larger than 1 KiB: give its patch without the mail"):
        read(tmp_path, HEAD + "x\n" * 1000)
    assert 1 == len(read(tmp_path, DIFF * 20))


def test_parts_inside_one_another_are_refused(tmp_path: Path) -> None:
    """More than anybody sends."""
    part = 'Content-Type: multipart/mixed; boundary="{0}"\n\n--{0}\n'

    with pytest.raises(Misuse):
        read(tmp_path, "".join(part.format(f"b{number}") for number in range(3000)))
