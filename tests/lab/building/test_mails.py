"""Mails: one by one, split and decoded by git."""

from __future__ import annotations

import base64
import quopri
import re
import subprocess
from email.message import EmailMessage
from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import MissingTool, Misuse
from pfnlab.lab.building import mails
from pfnlab.lab.building.mails import Mail, mails_in

SOURCE = Path(mails.__file__).parents[2]

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
    "text",
    [
        "",
        DIFF,
        f"A title.\n\nmm: text\n---\n{DIFF}",
        # A title is not a header.
        f"mm: a title\n\nText.\n---\n{DIFF}",
        f"mm: a title\nPolicy: flush=none\n---\n{DIFF}",
    ],
)
def test_a_file_without_mails_is_not_changed(tmp_path: Path, text: str) -> None:
    """It is not given to git."""
    assert [Mail(None, text.encode())] == read(tmp_path, text)


@for_each(
    ("text", "body"),
    [
        (f"{HEAD}\n{DIFF}", DIFF),
        (f"{BEGINS}{HEAD}\nFrom here on, one line.\n---\n{DIFF}", f"From here on, one line.\n---\n{DIFF}"),
        (f"{BEGINS}{HEAD}Content-Transfer-Encoding: 8bit\n\n{DIFF}", DIFF),
        (f"\ufeff\n{HEAD}\n{DIFF}", DIFF),
        (f">{BEGINS}X_Spam: 1\n{HEAD}\n{DIFF}", DIFF),
        (f"{HEAD}\n{DIFF}".replace("\n", "\r\n"), DIFF),
        (f"{HEAD}\nFrom: Another <b@example.org>\n\nText.\n---\n{DIFF}", f"Text.\n---\n{DIFF}"),
    ],
)
def test_a_mail_has_a_message_and_a_patch(tmp_path: Path, text: str, body: str) -> None:
    """As `git am` takes them."""
    assert [Mail(SUBJECT, body.encode())] == read(tmp_path, text)


def test_a_line_of_a_message_like_that_of_a_mailbox_begins_a_mail(tmp_path: Path) -> None:
    """So it does for `git am`."""
    text = f"{BEGINS}{HEAD}\nText.\n\n{BEGINS}is what git says.\n---\n{DIFF}"

    assert [SUBJECT, ""] == [mail.subject for mail in read(tmp_path, text)]


@for_each("encoding", ["quoted-printable", "base64"])
@for_each("before", ["", BEGINS, "\n", "\ufeff", f">{BEGINS}"])
def test_an_encoded_mail_is_decoded(tmp_path: Path, before: str, encoding: str) -> None:
    """To UTF-8, as kernel source is."""
    assert [Mail(SUBJECT, DIFF.encode())] == read(tmp_path, before + encoded(encoding, DIFF))


def test_a_message_in_another_charset(tmp_path: Path) -> None:
    """It becomes UTF-8; the patch stays what it is."""
    mail = HEAD + "Content-Type: text/plain; charset=iso-8859-1\n\n\u00fc\n---\n+\u00fc\n"

    assert "\u00fc\n---\n+".encode() + b"\xfc\n" == read(tmp_path, mail.encode("latin-1"))[0].text


def test_lines_that_a_mail_program_wrapped(tmp_path: Path) -> None:
    """They are joined again if its header says how."""
    mail = f"{HEAD}Content-Type: text/plain; format=flowed\n\nOne \nline.\n---\n{DIFF}"

    assert read(tmp_path, mail)[0].text.startswith(b"One line.\n---\n")


@for_each(
    ("kind", "name", "is_read"),
    [
        ("text/x-patch", "", True),
        ("application/x-patch", "", True),
        ("application/octet-stream", "one.patch", True),
        ("application/octet-stream", "one.diff", True),
        ("text/x-csrc", "one.c", False),
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


def test_a_text_within_parts_of_parts(tmp_path: Path) -> None:
    """It counts; what stands before and behind parts does not."""
    inner = f"Content-Type: text/plain\n\n{DIFF}\n--c\nContent-Type: text/html\n\n<pre>{DIFF}</pre>\n--c--\n"
    parts = f"before\n--b\nContent-Type: multipart/alternative;\n boundary=c\n\n--c\n{inner}--b--\nbehind\n"
    text = f'{HEAD}Content-Type: multipart/mixed; boundary="b"\n\n{parts}'

    assert DIFF.encode() == read(tmp_path, text)[0].text.strip(b"\n") + b"\n"


def test_a_mailbox_of_both_kinds(tmp_path: Path) -> None:
    """Places are counted in what git has decoded."""
    first = BEGINS + encoded("base64", DIFF)
    second = f"{BEGINS.replace('1', '2')}{HEAD}\n{DIFF}"

    one, two = read(tmp_path, first + second)

    assert one.text == two.text == DIFF.encode()
    assert (", mail 2, line 3 below its headers", ":3") == (two.place(3), Mail(None, b"").place(3))


@for_each(
    ("text", "says"),
    [
        (
            f"{HEAD}Content-Type: text/html\n\n<pre>\n{DIFF}</pre>\n",
            "mail 1 in it has no part in plain text: save it from its list's archive, or leave it out",
        ),
        (
            f"{HEAD}Content-Type: text/plain; charset=no-such\n\nText.\n{DIFF}",
            r"git cannot read mail 1 in it \(error: cannot convert from no-such to UTF-8\)",
        ),
        (
            f"{BEGINS}{HEAD}\n{DIFF}{BEGINS}Subject: =?no-such?q?x?=\n\n{DIFF}",
            r"git cannot read mail 2 in it \(error: cannot convert from no-such",
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
        ("=?iso-8859-1?q?f=FCr?=", "f\u00fcr"),
        ("x" * 1000, "x" * 300),
        ("=?utf-8?q?a=0Ab?=", "a b"),
        ("=?utf-8?q?a=FF?=", "a\ufffd"),
    ],
)
def test_subjects(tmp_path: Path, written: str, subject: str) -> None:
    """On one line, decoded and cut."""
    assert subject == read(tmp_path, f"Subject: {written}\n\n{DIFF}")[0].subject


def test_a_mailbox_of_too_many_mails_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each needs a process of git."""
    monkeypatch.setattr(mails, "MOST_MAILS", 2)

    with pytest.raises(Misuse, match="mail: it has more than 2 mails: give single patches"):
        read(tmp_path, f"{BEGINS}{HEAD}\n{DIFF}" * 3)
    assert 2 == len(read(tmp_path, f"{BEGINS}{HEAD}\n{DIFF}" * 2))


def test_nobodys_settings_of_git_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of the user nor those of a repository or the environment."""
    (tmp_path / ".gitconfig").write_text("[mailinfo]\n\tscissors = true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'mailinfo.scissors=true'")
    body = f"Above.\n-- >8 --\nBelow.\n---\n{DIFF}"
    of_git = subprocess.run(
        ["git", "mailinfo", tmp_path / "m", tmp_path / "p"], input=f"{HEAD}\n{body}".encode(), check=True
    )

    assert 0 == of_git.returncode and "Below.\n" == (tmp_path / "m").read_text()
    assert body.encode() == read(tmp_path, f"{HEAD}\n{body}")[0].text


def test_without_git_mails_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says so; a bare diff is read."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingTool, match=r"`git` is not on this machine: .*: install git"):
        read(tmp_path, f"{HEAD}\n{DIFF}")
    assert read(tmp_path, DIFF)


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

    with pytest.raises(Misuse, match="Too many boundaries"):
        read(tmp_path, "".join(part.format(f"b{number}") for number in range(3000)))


@for_each(
    "text",
    [
        "From " + "12:34" * 1_000_000 + f"\n{HEAD}\n",
        ("From " + "Mon Jan " * 100 + f"\n{HEAD}\n") * 2_000,
        f"{HEAD}Content-Type: text/plain; charset=punycode\n\na-" + "b" * 1_000_000,
        "From \n" * 1_000_000,
        "Subject:" + "\n a" * 1_000_000,
        "Subject: " + "re:" * 1_000_000,
        "X-A:\n" * 1_000_000,
        f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n\n" * 200_000,
        f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n" + "--b\n" * 1_000_000,
        f"{HEAD}Content-Type: multipart/mixed; " + 'boundary="' * 6_000,
        f"{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: a;" + "name=.patch " * 6_000,
    ],
)
@pytest.mark.timeout(60)
def test_a_hostile_mailbox_ends(tmp_path: Path, text: str) -> None:
    """In time that grows with its size, with mails or with one line."""
    try:
        assert read(tmp_path, text)
    except Misuse as refusal:
        assert "\n" not in str(refusal)


#: What a second reader of mails and patches would have: a package, or the words that they begin with.
#: Dates of package archives are those of mails.
_SECOND = re.compile(
    r"^\s*(?:from|import) (?:email(?!\.utils)|mailbox)\b|[\^?]From |From \.|diff --git |mail(?:split|info)\b"
    r"|multipart/",
    re.MULTILINE,
)


def test_mails_and_patches_are_read_in_one_place() -> None:
    """No other module of the source reads them."""
    assert {"mails.py", "diffs.py"} == {
        path.name for path in SOURCE.rglob("*.py") if _SECOND.search(path.read_text())
    }


@for_each(
    "text", ["import email.parser", "from email import message", "x = b'diff --git a/'", "x = r'^From .*'"]
)
def test_a_second_reader_is_seen(text: str) -> None:
    """By what it imports or looks for."""
    assert _SECOND.search(text)
