"""Mails are applied as `git am` applies them: to the same files, with the same lines."""

from __future__ import annotations

import base64
import os
import quopri
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pfnlab.lab.building.patch_file import read_patch
from pfnlab.lab.building.plain_git import plain_git

FILES = {"mm/memory.c": b"int first;\n\nint last;\n", "mm/vma.c": b"int one;\n\treturn;\nint end;\n"}

#: Changes: beside a blank line that lost its blank, of a line in UTF-8, of files that are new, gone, moved.
DIFFS = (
    "--- a/mm/memory.c\n+++ b/mm/memory.c\n@@ -1,3 +1,4 @@\n int first;\n+From here = 3D;\n\n int last;\n",
    "diff --git a/mm/vma.c b/mm/vma.c\n--- a/mm/vma.c\n+++ b/mm/vma.c\n@@ -1,3 +1,3 @@\n int one;\n"
    "-\treturn;\n+\treturn; /* \u2264 \u00fc */ \n int end;\n",
    "diff --git a/new.c b/new.c\nnew file mode 100644\n--- /dev/null\n+++ b/new.c\n@@ -0,0 +1 @@\n+-- \n",
    "diff --git a/mm/vma.c b/mm/vma.c\ndeleted file mode 100644\n--- a/mm/vma.c\n+++ /dev/null\n"
    "@@ -1,3 +0,0 @@\n-int one;\n-\treturn;\n-int end;\n",
    "diff --git a/mm/vma.c b/b.c\nsimilarity index 100%\nrename from mm/vma.c\nrename to b.c\n",
)
LINES = (
    "Text.",
    "",
    "From here on.",
    ">From me",
    "  --- a/mm/vma.c",
    "Policy: flush=none",
    "> quoted",
    "f\u00fcr = 3D",
)

#: How a body is sent, with its headers.
_TEXT = "Content-Type: text/plain; charset=utf-8"
_PARTS = 'Content-Type: multipart/mixed; boundary="b0"'


def _plain(body: str) -> str:
    return f"{_TEXT}\nContent-Transfer-Encoding: 8bit\n\n{body}"


def _base64(body: str) -> str:
    return f"{_TEXT}\nContent-Transfer-Encoding: base64\n\n{base64.encodebytes(body.encode()).decode()}"


def _quoted(body: str) -> str:
    coded = quopri.encodestring(body.encode()).decode()
    return f"{_TEXT}\nContent-Transfer-Encoding: quoted-printable\n\n{coded}"


def _crlf(body: str) -> str:
    return _plain(body).replace("\n", "\r\n")


def _signed(body: str) -> str:
    return (
        f"{_PARTS}\n\n--b0\n{_quoted(body)}\n--b0\nContent-Type: application/pgp-signature\n\nabc\n--b0--\n"
    )


def _attached(body: str) -> str:
    message, marker, patch = body.partition("---\n")
    head = "Content-Type: text/x-patch; name=one.patch\nContent-Transfer-Encoding: base64"
    coded = base64.encodebytes((marker + patch).encode()).decode()
    return f"{_PARTS}\n\nbefore\n--b0\n{_TEXT}\n\n{message}\n--b0\n{head}\n\n{coded}--b0--\nbehind\n"


SENT = (_plain, _base64, _quoted, _crlf, _signed, _attached)

#: A change of one of the two files, and one that adds a file.
_PATCHES = st.tuples(st.sampled_from([*DIFFS[:2], *DIFFS[3:]]), st.just(DIFFS[2])) | st.sampled_from(
    DIFFS
).map(lambda diff: (diff,))


@st.composite
def mailboxes(draw: st.DrawFn) -> bytes:
    """A series of one or two mails."""
    text = ""
    for diff in draw(_PATCHES):
        message = "\n".join(draw(st.lists(st.sampled_from(LINES), max_size=4)))
        body = f"{message}\n---\n x | 1 +\n\n{diff}-- \n2.47.0\n\n"
        head = "From: A <a@example.org>\nDate: Mon, 2 Nov 2026 10:00:00 +0000\nSubject: [PATCH] mm: one\n"
        send: Callable[[str], str] = draw(st.sampled_from(SENT))
        mail = send(body)
        end = "\r\n" if "\r\n" in mail else "\n"
        text += f"From a@example.org Mon Nov  2 10:00:00 2026\n{head}".replace("\n", end) + mail
    return text.encode()


def content(folder: Path) -> dict[str, bytes]:
    """The files in a folder, except git's."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the files, and one commit."""
    folder = tmp_path_factory.mktemp("repository")
    for name, data in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "base"]):
        assert 0 == git(folder, *words)
    return folder


def git(folder: Path, *words: str) -> int:
    """The exit code of git in a repository, with nobody's settings."""
    names = {
        f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    settings_ = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", **names}
    return subprocess.run(
        ["git", *words], cwd=folder, env={**os.environ, **settings_}, capture_output=True, check=False
    ).returncode


def agrees(repository: Path, mailbox: bytes, lose: bytes = b"") -> bool:
    """Whether `git am` and this project change the files alike.

    :param lose: a text that is taken out of what this project applies
    """
    file = repository.parent / "mailbox"
    file.write_bytes(mailbox)
    assert 0 == git(repository, "am", "-q", str(file)), mailbox
    expected = content(repository)
    git(repository, "reset", "-q", "--hard", git_base(repository))
    ours = repository.parent / "ours"
    shutil.rmtree(ours, ignore_errors=True)
    shutil.copytree(repository, ours, ignore=shutil.ignore_patterns(".git"))
    for diff in read_patch(file).diffs:
        file.write_bytes(diff.replace(lose, b"") if lose else diff)
        answer = plain_git('git apply "$1"', str(file), folder=ours, remedy="")
        assert 0 == answer.returncode, answer.stderr
    return expected == content(ours)


def git_base(repository: Path) -> str:
    """The first commit."""
    command = ["git", "rev-list", "--max-parents=0", "HEAD"]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout.strip()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mailboxes())
def test_a_mailbox_is_applied_as_git_am_applies_it(repository: Path, mailbox: bytes) -> None:
    """Whatever its encodings and parts."""
    assert agrees(repository, mailbox)


def test_a_line_that_is_read_otherwise_is_seen(repository: Path) -> None:
    """A blank at the end of a line, for example."""
    body = f"Text.\n---\n{DIFFS[1]}"
    mail = f"From: A <a@example.org>\nSubject: one\n{_plain(body)}".encode()

    assert agrees(repository, mail)
    assert not agrees(repository, mail, " \u00fc".encode())
