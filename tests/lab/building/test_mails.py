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
SUBJECT = "[PATCH] mm: one"
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
    ("text", "subject"),
    [
        ("", None),
        (DIFF, None),
        (f"A title.\n\nmm: text\n---\n{DIFF}", None),
        # A title is not a header.
        (f"mm: a title\n\nText.\n---\n{DIFF}", None),
        (f"{HEAD}\n{DIFF}", SUBJECT),
        (f"{BEGINS}{HEAD}\nFrom here on, one line.\n---\n{DIFF}", SUBJECT),
        (f"{BEGINS}{HEAD}\nFrom here on 12:30 in 2020\nCc: it\n---\n{DIFF}", SUBJECT),
        (f"{BEGINS}{HEAD}\n\n{BEGINS}is what git says.\n---\n{DIFF}", SUBJECT),
        (f"{BEGINS}{HEAD}Content-Transfer-Encoding: 8bit\n\n{DIFF}", SUBJECT),
        (f"\ufeff\n{HEAD}\n{DIFF}", SUBJECT),
        (f">{BEGINS}X_Spam: 1\n{HEAD}\n{DIFF}", SUBJECT),
    ],
)
def test_a_plain_text_is_not_changed(tmp_path: Path, text: str, subject: str | None) -> None:
    """Nor is it cut where a line of it begins like a mail of a mailbox."""
    assert [Mail(subject, text.encode(), 1)] == read(tmp_path, text)


@for_each("encoding", ["quoted-printable", "base64"])
@for_each("charset", ["utf-8", "utf-16"])
@for_each("before", ["", BEGINS, "\n", "\ufeff", f">{BEGINS}"])
def test_an_encoded_mail_is_decoded(tmp_path: Path, before: str, charset: str, encoding: str) -> None:
    """To UTF-8, as kernel source is."""
    assert [Mail(SUBJECT, DIFF.encode(), 0)] == read(tmp_path, before + encoded(encoding, DIFF, charset))


def test_a_mail_with_ends_of_lines_of_mail(tmp_path: Path) -> None:
    """CR and LF become LF."""
    text = f"{HEAD}\n{DIFF}".replace("\n", "\r\n")

    assert [Mail(SUBJECT, DIFF.encode(), 0)] == read(tmp_path, text)


@for_each("charset", ["no-such", "ascii", "utf\0", "punycode", "idna"])
def test_a_wrong_charset(tmp_path: Path, charset: str) -> None:
    """The bytes are taken."""
    text = f"{HEAD}Content-Type: text/plain; charset={charset}\n\n{DIFF}"

    assert text.encode() == read(tmp_path, text)[0].text


@for_each(
    ("kind", "name", "is_read"),
    [
        ("text/x-patch", "", True),
        ("application/x-patch", "", True),
        ("application/octet-stream", "one.patch", True),
        ("application/octet-stream", "one.diff", True),
        ("application/octet-stream", "one.o", False),
        ("text/html", "one.html", False),
        ("image/png", "", False),
    ],
)
def test_an_attachment(tmp_path: Path, kind: str, name: str, is_read: bool) -> None:
    """It counts if it is text or a patch, in whatever encoding."""
    mail = EmailMessage()
    mail["Subject"] = SUBJECT
    mail.set_content("See the patch.\n")
    main, sub = kind.split("/")
    if main == "text":
        mail.add_attachment(DIFF, subtype=sub, filename=name)
    else:
        mail.add_attachment(DIFF.encode(), maintype=main, subtype=sub, filename=name)

    (found,) = read(tmp_path, mail.as_bytes())

    assert is_read == (DIFF in found.text.decode())
    assert "See the patch.\n" in found.text.decode()


def test_the_html_of_a_mail_that_has_a_text_is_left_out(tmp_path: Path) -> None:
    """It says the same once more."""
    mail = EmailMessage()
    mail["Subject"] = SUBJECT
    mail.set_content(DIFF)
    mail.add_alternative(f"<pre>\n{DIFF}</pre>", subtype="html")

    assert 1 == read(tmp_path, mail.as_bytes())[0].text.count(b"@@ -1")


def test_a_mailbox_of_both_kinds(tmp_path: Path) -> None:
    """Lines of a plain mail count from the beginning of the file, those of a decoded one from its own."""
    first = BEGINS + encoded("base64", DIFF.rstrip("\n"))
    second = f"{BEGINS.replace('1', '2')}{HEAD}\n{DIFF}"

    one, two = read(tmp_path, first + second)

    assert (DIFF.rstrip("\n").encode(), second.encode()) == (one.text, two.text)
    assert (", line 3 of the decoded mail", f":{first.count(chr(10)) + 3}") == (one.place(3), two.place(3))


@for_each(
    ("text", "says"),
    [
        (encoded("base64", DIFF)[:-3], "the base64 of a mail in it is damaged or cut: save the mail again"),
        (
            f"{HEAD}Content-Type: text/html\n\n<pre>\n{DIFF}</pre>\n",
            "a mail in it is in HTML alone: save it from its list's archive, or leave it out",
        ),
        (
            f"{HEAD}Content-Type: text/plain; boundary*=idna''foo\nContent-Disposition: attachment; "
            "filename*=idna''foo.patch\n\n",
            "a mail in it has damaged headers: give its patch alone",
        ),
        (b"\x1f\x8b\x08", "it is compressed: unpack it with gunzip"),
        (DIFF.encode("utf-16"), "it is in UTF-16: save it in UTF-8"),
    ],
)
def test_a_mail_that_has_lost_its_patch_is_refused(tmp_path: Path, text: str | bytes, says: str) -> None:
    """With what to do instead."""
    with pytest.raises(Misuse, match=f"mail: {says}"):
        read(tmp_path, text)


@for_each(
    ("subject", "is_cover", "title"),
    [
        ("[PATCH 0/3] mm: one", True, "mm: one"),
        ("[PATCH v2 00/12] mm: one", True, "mm: one"),
        ("[PATCH 10/12] mm: one", False, "mm: one"),
        ("mm: 0/3", False, "mm: 0/3"),
        ("[RFC][PATCH 0/3] mm: one", True, "mm: one"),
        ("[PATCH 0/3 v2] mm: one", True, "mm: one"),
        ("Re: [PATCH [net] 1/3] mm: a[0/1]", False, "mm: a[0/1]"),
        ("mm: fix a[0] in b", False, "mm: fix a[0] in b"),
        (None, False, ""),
    ],
)
def test_a_cover_letter(subject: str | None, is_cover: bool, title: str) -> None:
    """By the number in the brackets."""
    mail = Mail(subject, b"", 1)

    assert (is_cover, title) == (mail.is_cover, mail.title)


@for_each(
    "line",
    [
        "From git@z Thu Jan  1 00:00:00 1970",
        "From a at example.org  Mon May 19 08:25:47 2025",
        "From a@example.org Mon May 19 08:25:47 +0200 2025",
        "From a@example.org Mon May  9 08:25 2025",
        "From - Mon May 19 08:25:47 2025",
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
        ("=?\u00fc?q?x?=", "=?\u00fc?q?x?="),
        ("x" * 1000, "x" * 300),
        # A lone surrogate, an end of a line.
        ("=?utf-7?q?+2AA-?=", "?"),
        ("=?utf-8?q?a=0Ab?=", "a b"),
    ],
)
def test_subjects(written: str, subject: str) -> None:
    """On one line, decoded if the encoding exists, and cut."""
    assert subject == decoded_subject(written)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the limit, and what to give instead."""
    monkeypatch.setattr(mails, "MOST_PATCHES", 1 << 10)

    with pytest.raises(Misuse, match="mail: it is larger than 1 KiB: give single patches"):
        read(tmp_path, DIFF * 20)


def test_a_mail_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the mailbox is not."""
    monkeypatch.setattr(mails, "MOST_MAIL", 1 << 10)

    with pytest.raises(Misuse, match="a mail in it is larger than 1 KiB: give its patch alone"):
        read(tmp_path, HEAD + "x\n" * 1000)
    assert 1 == len(read(tmp_path, DIFF * 20))


def test_parts_inside_one_another_are_refused(tmp_path: Path) -> None:
    """More than anybody sends."""
    part = 'Content-Type: multipart/mixed; boundary="{0}"\n\n--{0}\n'

    with pytest.raises(Misuse):
        read(tmp_path, "".join(part.format(f"b{number}") for number in range(3000)))


@for_each(
    "text",
    [
        "From " + "12:34" * 1_000_000 + f"\n{HEAD}\n",
        ("From " + "Mon Jan " * 100 + f"\n{HEAD}\n") * 2_000,
        f"{HEAD}Content-Type: text/plain; charset=punycode\n\na-" + "b" * 1_000_000,
        "From \n" * 1_000_000,
        "Subject:" + "\n a" * 1_000_000,
        f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n\n" * 2_000,
    ],
)
@pytest.mark.timeout(60)
def test_a_hostile_mailbox_ends(tmp_path: Path, text: str) -> None:
    """In time that grows with its size."""
    assert read(tmp_path, text)
