"""Patches are read: their heads, the files they change, and what is not a patch."""

from __future__ import annotations

import base64
import os
import quopri
from collections.abc import Callable
from pathlib import Path

import pytest
from for_each import for_each
from toy_tree import DIFF

from pfnlab.base.errors import Misuse
from pfnlab.lab.building.patch_file import PatchFile, read_patch

_OURS = (
    "mm: flush later\n\nWhat it does.\n\nPolicy: flush=none\nBase: linux-source-7.2 7.2.13-1\n"
    "SPDX-License-Identifier: GPL-2.0-only\n---\n" + DIFF
)
_MAIL = (
    "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
    "From: A Developer <a@example.org>\nDate: Mon, 2 Nov 2026 10:00:00 +0000\n"
    "Subject: [PATCH v2 3/7] mm: a title that goes on\n for another line\n\nText.\n---\n"
    " mm/memory.c | 3 ++-\n 1 file changed, 2 insertions(+), 1 deletion(-)\n\n"
    "diff --git a/mm/memory.c b/mm/memory.c\nindex 1234567..89abcde 100644\n" + DIFF + "-- \n2.47.0\n\n"
)


def _read(tmp_path: Path, text: str) -> PatchFile:
    path = tmp_path / "a.patch"
    path.write_text(text)
    return read_patch(path)


def test_head_of_ours(tmp_path: Path) -> None:
    """Title, policy and base stand above the diff."""
    patch = _read(tmp_path, _OURS)

    assert (("mm: flush later",), "flush=none", "linux-source-7.2", "7.2.13-1") == (
        patch.titles,
        patch.policy,
        patch.base_package,
        patch.base_version,
    )


@for_each(
    ("base", "series"), [("linux-source-6.12 6.12.117-1", "6.12"), ("my-linux-source-6.12 1", ""), ("", "")]
)
def test_the_series_it_stands_on(tmp_path: Path, base: str, series: str) -> None:
    """A source package of the archive has it in its name."""
    patch = _read(tmp_path, f"Base: {base}\n---\n{DIFF}")

    assert series == patch.base_series


def test_lines_are_counted(tmp_path: Path) -> None:
    """What is added and removed is counted in hunks, not in their heads."""
    patch = _read(tmp_path, _OURS)

    assert (2, 1) == (patch.added, patch.removed)


def test_mail_of_git(tmp_path: Path) -> None:
    """A mail of git has its subject as title, without the bracket, and no policy."""
    patch = _read(tmp_path, _MAIL)

    assert (("mm: a title that goes on for another line",), "", ("mm/memory.c",)) == (
        patch.titles,
        patch.policy,
        patch.files,
    )


def test_diff_without_head(tmp_path: Path) -> None:
    """A bare diff is a patch without a title."""
    patch = _read(tmp_path, DIFF)

    assert ((), "") == (patch.titles, patch.base_version)


_MAILBOX = "From git@z Thu Jan  1 00:00:00 1970\nSubject: [PATCH {}] {}\n\n"

#: A series as `b4 am` saves it, with a cover letter as `git format-patch` puts before it.
_SERIES = (
    _MAILBOX.format("0/2", "the cover")
    + f"{_MAILBOX.format('1/2', 'mm: flush')}Policy: flush=none\n---\n{DIFF}-- \n2.47.0\n\n"
    + f"{_MAILBOX.format('2/2', '=?utf-8?q?mm=3A_=C3=BC?=')}Policy: tracker=exact\n---\n{DIFF}-- \n2.47.0\n"
)


def test_a_series_has_the_titles_of_its_mails(tmp_path: Path) -> None:
    """Decoded, and without that of a mail that has no diff."""
    patch = _read(tmp_path, _SERIES)

    assert ("mm: flush", "mm: ü") == patch.titles


def test_a_series_has_the_policies_of_its_mails(tmp_path: Path) -> None:
    """All of them, not those of the first mail alone."""
    patch = _read(tmp_path, _SERIES)

    assert "flush=none,tracker=exact" == patch.policy


def test_a_series_has_the_lines_of_its_mails(tmp_path: Path) -> None:
    """Its hunks are those of all mails."""
    patch = _read(tmp_path, _SERIES)

    assert (4, 2) == (patch.added, patch.removed)


def _encoded(encoding: str) -> str:
    """The mail, as a mail program may write it."""
    head, _, body = _MAIL.partition("\n\n")
    plain = body.encode()
    coded = quopri.encodestring(plain) if encoding == "quoted-printable" else base64.encodebytes(plain)
    return f"{head}\nContent-Transfer-Encoding: {encoding}\n\n{coded.decode()}"


@for_each("encoding", ["quoted-printable", "BASE64"])
def test_an_encoded_mail_is_read_like_a_plain_one(tmp_path: Path, encoding: str) -> None:
    """What git applies is its text."""
    found, plain = _read(tmp_path, _encoded(encoding)), _read(tmp_path, _MAIL)

    assert (plain.titles, plain.files, plain.added) == (found.titles, found.files, found.added)
    assert plain.diffs == found.diffs


def test_git_applies_nothing_but_the_diffs(tmp_path: Path) -> None:
    """An indented diff in a message, or one of an earlier version in the cover letter, is text."""
    indented = "".join(f"  {line}\n" for line in DIFF.replace("memory", "vma").splitlines())
    series = _SERIES.replace("the cover\n\n", f"the cover\n\n{DIFF}\n").replace(
        "---\n---", f"---\n{indented}---"
    )

    assert _read(tmp_path, _SERIES).diffs == _read(tmp_path, series).diffs == (DIFF.encode(),) * 2


def test_a_fault_in_an_encoded_mail_counts_the_lines_of_its_text(tmp_path: Path) -> None:
    """And says so: the file itself has others."""
    fault = (
        _encoded("base64").partition("\n\n")[0]
        + "\n\n"
        + base64.encodebytes(DIFF.replace("-1,3", "-1,9").encode()).decode()
    )

    with pytest.raises(
        Misuse, match=r"a\.patch, mail 1, line 3 below its headers: the hunk says 9 lines before"
    ):
        _read(tmp_path, fault)


@for_each(
    ("head", "title"),
    [
        (
            "commit 0123456789ab\nAuthor: A <a@b>\nDate:   Mon Nov 2\n\n    mm: one\n\n    Text.\n\n",
            "mm: one",
        ),
        ("Policy: flush=none\nmm: one\n---\n", "mm: one"),
    ],
)
def test_the_title_of_a_text_that_is_not_a_mail(tmp_path: Path, head: str, title: str) -> None:
    """Of git show, or of ours in another order."""
    assert (title,) == _read(tmp_path, head + DIFF).titles


@for_each("text", ["", "\n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    """It says so: a pipeline that compares a branch with itself writes one."""
    with pytest.raises(Misuse, match=r"a\.patch is empty: it has no patch"):
        _read(tmp_path, text)


def test_trailers_in_the_diff_are_text(tmp_path: Path) -> None:
    """A line like a trailer inside a hunk says nothing."""
    patch = _read(
        tmp_path, DIFF.replace(" one", " \n").replace("-1,3 +1,4", "-1,4 +1,5") + "Policy: flush=none\n"
    )

    assert patch.policy == ""


@pytest.mark.parametrize(
    ("text", "files"),
    [
        pytest.param(DIFF + DIFF.replace("mm/memory.c", "fs/exec.c"), ("mm/memory.c", "fs/exec.c"), id="two"),
        pytest.param("--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+one\n", ("mm/new.c",), id="new"),
        pytest.param("--- a/mm/old.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n", ("mm/old.c",), id="gone"),
        pytest.param(
            "diff --git a/mm/a.c b/mm/b.c\nsimilarity index 100%\nrename from mm/a.c\nrename to mm/b.c\n",
            ("mm/a.c", "mm/b.c"),
            id="renamed",
        ),
        pytest.param(DIFF.replace(".c\n", ".c\t2026-11-02 10:00:00 +0000\n"), ("mm/memory.c",), id="dated"),
        pytest.param(
            "--- a/mm/a.c\n+++ b/mm/a.c\n@@ -1 +1 @@\n-one\n\\ No newline at end of file\n+two\n"
            "\\ No newline at end of file\n",
            ("mm/a.c",),
            id="no newline",
        ),
    ],
)
def test_files(tmp_path: Path, text: str, files: tuple[str, ...]) -> None:
    """Files are named from the top of the tree, each once."""
    patch = _read(tmp_path, text)

    assert files == patch.files


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("int main(void)\n{\n}\n", "is not a patch", id="no diff"),
        pytest.param(
            DIFF.replace("-1,3", "-1,4"), ":3: the hunk says 4 lines before and 4 after", id="fewer"
        ),
        pytest.param(DIFF.replace("+1,4", "+1,3"), "but has more", id="more of one kind"),
        pytest.param(DIFF.replace("-1,3 +1,4", "-1,2 +1,3"), "but has more", id="more"),
        pytest.param(DIFF[: DIFF.index("@@")], "expected a hunk", id="no hunk"),
        pytest.param(DIFF.replace("/mm/", "/../"), "not a path in a tree", id="outside"),
        pytest.param(DIFF.replace("a/mm/memory.c", "memory.c"), "not a path in a tree", id="no folder"),
        pytest.param("--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+one\n", "name the file", id="nothing"),
        pytest.param("diff --git a/x b/x\nGIT binary patch\nliteral 1\n", "binary patch", id="binary"),
    ],
)
def test_refused(tmp_path: Path, text: str, words: str) -> None:
    """What is not a patch is refused in one line with the place and what is wrong."""
    with pytest.raises(Misuse) as caught:
        _read(tmp_path, text)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is the caller's mistake."""
    with pytest.raises(Misuse, match=r"none\.patch: no such file: check the path"):
        read_patch(tmp_path / "none.patch")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.symlink_to("/dev/zero"), "this is a device: name a patch file"),
        (os.mkfifo, "this is a pipe: a patch has to be a file here"),
        (Path.mkdir, "this is a directory: name a patch file in it"),
        (lambda path: (path.touch(), os.truncate(path, 1 << 30)), "a patch is at most 64 MiB"),
    ],
    ids=["device", "pipe", "folder", "large"],
)
def test_what_is_no_patch_file(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    """It is refused before it is read."""
    path = tmp_path / "a.patch"
    make(path)

    with pytest.raises(Misuse, match=rf"a\.patch: {says}"):
        read_patch(path)
