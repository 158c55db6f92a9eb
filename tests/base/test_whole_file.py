"""Files as they are written: their rights, and what is written to as it is."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from pfnlab.base import whole_file as writing
from pfnlab.base.errors import Misuse
from pfnlab.base.files import write_output, write_whole
from pfnlab.base.whole_file import append_text, whole_file

STRANGER = 54321

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="files of another user need root")


def mode(path: Path) -> int:
    """The rights of a file."""
    return path.stat().st_mode & 0o7777


def test_what_is_private_is_so_from_the_beginning(tmp_path: Path) -> None:
    """Not only at the end: whoever opened it before would read on."""
    with whole_file(tmp_path / "bundle", private=True) as out:
        (part,) = tmp_path.iterdir()
        early = mode(part)
        out.write(b"x")

    assert (0o600, 0o600) == (early, mode(tmp_path / "bundle"))


def test_a_private_file_takes_no_rights_of_an_old_one(tmp_path: Path) -> None:
    """It was there for all to read."""
    (tmp_path / "bundle").touch()
    (tmp_path / "bundle").chmod(0o666)

    write_whole(tmp_path / "bundle", "x", private=True)

    assert 0o600 == mode(tmp_path / "bundle")


def test_another_file_keeps_its_rights(tmp_path: Path) -> None:
    """And is no more open meanwhile."""
    (tmp_path / "page").touch()
    (tmp_path / "page").chmod(0o640)

    with whole_file(tmp_path / "page") as out:
        (part,) = (path for path in tmp_path.iterdir() if path.name != "page")
        early = mode(part)
        out.write(b"x")

    assert (0, 0o640) == (early & ~0o640, mode(tmp_path / "page"))


@needs_root
def test_a_private_file_belongs_to_who_called_sudo(
    tmp_path: Path, as_root: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who could not read what was asked for else."""
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    monkeypatch.setenv("SUDO_GID", str(STRANGER + 1))

    write_whole(tmp_path / "bundle", "x", private=True)

    status = (tmp_path / "bundle").stat()
    assert (STRANGER, STRANGER + 1, 0o600) == (status.st_uid, status.st_gid, mode(tmp_path / "bundle"))


@needs_root
def test_a_file_that_was_laid_ready_has_no_say(tmp_path: Path, as_root: None) -> None:
    """In a folder of another owner, as /tmp is: neither its owner nor its rights go over."""
    (tmp_path / "page").touch()
    (tmp_path / "page").chmod(0o666)
    os.chown(tmp_path / "page", STRANGER, STRANGER)

    write_whole(tmp_path / "page", "x")

    assert (0, 0) == ((tmp_path / "page").stat().st_uid, mode(tmp_path / "page") & 0o022)


@needs_root
def test_a_file_in_a_folder_of_its_owner_stays_the_owners(tmp_path: Path, as_root: None) -> None:
    """Root lays out a program of a user, which is the user's afterwards."""
    (tmp_path / "page").touch()
    for path in (tmp_path, tmp_path / "page"):
        os.chown(path, STRANGER, STRANGER)

    write_whole(tmp_path / "page", "x")

    assert STRANGER == (tmp_path / "page").stat().st_uid


def test_a_new_file_replaces_none(tmp_path: Path) -> None:
    """Also one that came meanwhile; nothing is left beside it."""
    with pytest.raises(FileExistsError), whole_file(tmp_path / "store", new=True) as out:
        out.write(b"new")
        (tmp_path / "store").write_text("old")

    assert ("old", [tmp_path / "store"]) == ((tmp_path / "store").read_text(), list(tmp_path.iterdir()))


def test_an_open_file_is_written_to(tmp_path: Path, as_root: None) -> None:
    """Where it is by now, behind what is there, and not replaced."""
    with (tmp_path / "out").open("wb", buffering=0) as out:
        out.write(b"before ")
        before = os.fstat(out.fileno()).st_ino

        write_whole(Path(f"/dev/fd/{out.fileno()}"), "new")

    assert (b"before new", before) == ((tmp_path / "out").read_bytes(), (tmp_path / "out").stat().st_ino)


def test_a_pipe_without_a_reader_is_given_up(
    tmp_path: Path, as_root: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may ever open its other end."""
    monkeypatch.setattr(writing, "NO_READER", 0.01)
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(Misuse) as refused:
        write_output(tmp_path / "pipe", "new")

    assert (
        f"{tmp_path}/pipe cannot be written: nothing reads from this pipe; name another file with -o"
        == str(refused.value)
    )


def test_a_pipe_whose_reader_takes_nothing_is_given_up(
    tmp_path: Path, as_root: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other end is open, and the pipe full."""
    monkeypatch.setattr(writing, "UNREAD", 0.01)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(OSError, match="nothing reads from this pipe any longer"):
        write_whole(tmp_path / "pipe", b"x" * (1 << 21))

    os.close(reader)


def test_a_pipe_with_a_reader_gets_all(tmp_path: Path, as_root: None) -> None:
    """More than fits into it, and from a reader that comes later."""
    os.mkfifo(tmp_path / "pipe")
    taken: list[bytes] = []
    reader = threading.Thread(target=lambda: taken.append((tmp_path / "pipe").read_bytes()))

    reader.start()
    write_whole(tmp_path / "pipe", b"x" * 300_000)
    reader.join(20)

    assert [300_000] == [len(content) for content in taken]
    assert (tmp_path / "pipe").is_fifo()


@needs_root
def test_root_writes_into_no_pipe_of_another_user(tmp_path: Path, as_root: None) -> None:
    """Who laid it there would read what was meant for a file."""
    os.mkfifo(tmp_path / "pipe", 0o666)
    os.chown(tmp_path / "pipe", STRANGER, STRANGER)
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    with pytest.raises(OSError, match="this pipe belongs to another user"):
        write_whole(tmp_path / "pipe", "secret")

    assert b"" == os.read(reader, 10)
    os.close(reader)


def test_a_pipe_that_became_a_file_is_not_written_to(
    tmp_path: Path, as_root: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another name of any file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "secret").write_text("old")
    real = os.open

    def swap(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_WRONLY:
            (tmp_path / "pipe").unlink()
            (tmp_path / "pipe").hardlink_to(tmp_path / "secret")
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(OSError) as refused:
        write_whole(tmp_path / "pipe", "new")

    assert (errno.ESTALE, "old") == (refused.value.errno, (tmp_path / "secret").read_text())


def test_text_is_appended(tmp_path: Path) -> None:
    """To a file that is made where there is none."""
    append_text(tmp_path / "page", "one\n")
    append_text(tmp_path / "page", "two\n")

    assert "one\ntwo\n" == (tmp_path / "page").read_text()
