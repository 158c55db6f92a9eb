"""Files that users name: what is read, what is refused, and that nothing is read for ever."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from pfnlab.base import files
from pfnlab.base.errors import Misuse, Undecided
from pfnlab.base.files import (
    Missing,
    Unreadable,
    cannot_write,
    check_output,
    check_regular,
    log_pieces,
    read_bytes,
    read_head,
    read_text,
    write_output,
    write_whole,
)
from pfnlab.base.inert import visible_name

MIB = 1 << 20


def refusal(path: Path, most: int = MIB) -> str:
    """Why a scope is not read, without the file's name."""
    with pytest.raises(Unreadable) as refused:
        read_bytes(path, "scope", most)
    assert str(refused.value) == f"{visible_name(path)}: {refused.value.reason}"
    return refused.value.reason


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """Up to the last byte it may have."""
    path = tmp_path / "full"
    path.write_bytes(b"x" * MIB)

    content = read_bytes(path, "scope", MIB)

    assert b"x" * MIB == content


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """One byte more is too much."""
    path = tmp_path / "full"
    path.write_bytes(b"x" * (MIB + 1))

    assert "a scope is at most 1 MiB, this is larger: is it the right file?" == refusal(path)


def test_a_file_that_does_not_say_its_size_is_bounded() -> None:
    """Files of /proc have size 0, whatever comes out of them."""
    assert "is it the right file?" in refusal(Path("/proc/self/maps"), 0)


def test_a_device_is_refused() -> None:
    """/dev/zero never ends."""
    assert "this is a device: name a scope file" == refusal(Path("/dev/zero"))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """It is named as what it is."""
    assert "this is a directory: name a scope file in it" == refusal(tmp_path)


def test_a_missing_file_has_its_own_error(tmp_path: Path) -> None:
    """Where a file may be missing that can be told from one that cannot be read."""
    with pytest.raises(Missing, match="no such file"):
        read_bytes(tmp_path / "none", "scope", MIB)


def test_a_name_that_cannot_be_one_is_refused() -> None:
    """A NUL byte is in no file's name."""
    assert "cannot be read" in refusal(Path("a\0b"))


def test_a_pipe_without_a_writer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may ever open its other end."""
    monkeypatch.setattr(files, "NO_WRITER", 0.01)
    os.mkfifo(tmp_path / "pipe")

    assert "nothing writes to this pipe: name a file" == refusal(tmp_path / "pipe")


def test_a_pipe_whose_writer_is_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other end is open, and nothing comes."""
    monkeypatch.setattr(files, "SILENT", 0.01)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "pipe", os.O_WRONLY)

    reason = refusal(tmp_path / "pipe")

    assert "nothing writes to this pipe: name a file" == reason
    os.close(reader)
    os.close(writer)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """A writer that comes later and writes piece by piece, as in a process substitution."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as out:
            for piece in (b"one ", b"two ", b"x" * 200_000):
                out.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    content = read_bytes(path, "scope", MIB)
    writer.join()

    assert b"one two " + b"x" * 200_000 == content


def test_a_pipe_that_does_not_end_is_bounded() -> None:
    """What it holds by then is not kept reading."""
    read, write = os.pipe()
    os.write(write, b"x" * 100)

    reason = refusal(Path(f"/dev/fd/{read}"), 10)

    assert "is it the right file?" in reason
    os.close(read)
    os.close(write)


def log_refusal(path: Path | None) -> str:
    """Why a log is not read to its end."""
    with pytest.raises(Unreadable) as refused:
        for _ in log_pieces(path, "log"):
            pass
    return refused.value.reason


def test_a_log_is_read_in_pieces(tmp_path: Path) -> None:
    """Its end too, where no line ends."""
    (tmp_path / "log").write_bytes(b"x" * 99 + b"\n" + b"y" * (3 * MIB) + b"\nz")

    pieces = list(log_pieces(tmp_path / "log", "log"))

    assert (4, MIB) == (len(pieces), max(map(len, pieces)))
    assert (tmp_path / "log").read_bytes() == b"".join(pieces)


@pytest.mark.parametrize("content", [bytes(40), b"x" * 40, b"x\n" + b"y" * 33, b"y" * 33 + b"\nx"])
def test_a_line_without_an_end_is_no_log(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a disk image, or /dev/zero through a pipe; wherever the pieces end."""
    monkeypatch.setattr(files, "MOST_LINE", 32)
    monkeypatch.setattr(files, "_PIECE", 10)
    (tmp_path / "log").write_bytes(content)

    assert "a line is longer than 32 bytes: this is not a log" == log_refusal(tmp_path / "log")


def test_lines_at_the_bound_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a line ends in another piece than it begins in."""
    monkeypatch.setattr(files, "MOST_LINE", 32)
    monkeypatch.setattr(files, "_PIECE", 10)
    (tmp_path / "log").write_bytes((b"x" * 32 + b"\n") * 5)

    assert 165 == len(b"".join(log_pieces(tmp_path / "log", "log")))


def test_a_pipe_that_flows_for_ever_is_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came by then is not kept."""
    monkeypatch.setattr(files, "MOST_LOG", 100)
    read, write = os.pipe()
    os.write(write, b"y\n" * 100)

    reason = log_refusal(Path(f"/dev/fd/{read}"))

    assert "a log is at most 100 bytes, this is larger: is it the right file?" == reason
    os.close(read)
    os.close(write)


def test_a_file_that_waits_for_more_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As /proc/kmsg, which says that it is a usual file."""

    def nothing_yet(descriptor: int, most: int) -> bytes:
        raise BlockingIOError

    (tmp_path / "kmsg").touch()
    monkeypatch.setattr(os, "read", nothing_yet)

    assert "this file has no end: name a copy of it" == log_refusal(tmp_path / "kmsg")


def test_the_beginning_of_a_file_is_read(tmp_path: Path) -> None:
    """However large it is, and of one that is shorter all."""
    with (tmp_path / "core").open("wb") as core:
        core.write(b"ELF")
        core.truncate(1 << 40)

    (tmp_path / "short").write_bytes(b"E")

    heads = [read_head(tmp_path / name, "core", 4) for name in ("core", "short")]

    assert [b"ELF\0", b"E"] == heads


def test_there_is_no_beginning_of_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of /proc/kmsg, which says that it is a usual file."""

    def nothing_yet(descriptor: int, most: int) -> bytes:
        raise BlockingIOError

    (tmp_path / "kmsg").touch()
    monkeypatch.setattr(os, "read", nothing_yet)

    with pytest.raises(Unreadable, match="this file has no end"):
        read_head(tmp_path / "kmsg", "bundle", 512)


def stdin_from(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on standard input is the open file of this number."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: descriptor))


def test_standard_input_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """And begins where others left it."""
    read, write = os.pipe()
    os.write(write, b"others ours")
    os.close(write)
    os.read(read, 7)
    stdin_from(read, monkeypatch)

    assert b"ours" == b"".join(log_pieces(None, "log"))
    os.close(read)


def test_standard_input_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writer is there, and says nothing."""
    monkeypatch.setattr(files, "UNSAID", 0.01)
    read, write = os.pipe()
    stdin_from(read, monkeypatch)

    assert "no input for 0.01 s: give a file or a pipe that ends" == log_refusal(None)
    os.close(read)
    os.close(write)


@pytest.mark.parametrize(("device", "refused"), [("/dev/zero", True), ("/dev/null", False)])
def test_standard_input_may_be_nothing_but_no_device(
    device: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/null ends at once."""
    with open(device, "rb") as opened:
        stdin_from(opened.fileno(), monkeypatch)
        try:
            content = list(log_pieces(None, "log"))
        except Unreadable as trouble:
            content = [trouble.reason.encode()]

    assert ([b"this is a device: give a file or a pipe"] if refused else []) == content


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    """Instead of an error of the codec."""
    (tmp_path / "odd").write_bytes(b"\xff")

    with pytest.raises(Unreadable, match="this is not UTF-8"):
        read_text(tmp_path / "odd", "scope")


def test_what_others_open_has_to_be_a_file(tmp_path: Path) -> None:
    """A pipe can be read once, and opening it may wait."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(Unreadable, match="this is a pipe: a policy has to be a file here"):
        check_regular(tmp_path / "pipe", "policy")


@pytest.mark.parametrize(
    ("number", "family"),
    [
        (errno.ENOSPC, Undecided),
        (errno.EDQUOT, Undecided),
        (errno.EIO, Undecided),
        (errno.EACCES, Misuse),
        (errno.ENOENT, Misuse),
    ],
)
def test_a_full_disk_is_no_misuse(number: int, family: type[Exception]) -> None:
    """Nothing wrong was asked for; a file that may not be written was."""
    said = cannot_write(Path("x"), OSError(number, "no"), "name another file")

    assert (family, "x cannot be written: no; name another file") == (type(said), str(said))


def test_two_threads_that_write_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a part of its own, so that the second finds its own when the first is done."""
    path, both = tmp_path / "file", threading.Barrier(2, timeout=10)
    troubles = list[OSError]()
    replace = os.replace

    def together(part: str, target: str, **folders: int) -> None:
        both.wait()
        replace(part, target, **folders)

    def write() -> None:
        try:
            write_whole(path, "whole")
        except OSError as trouble:
            troubles.append(trouble)

    monkeypatch.setattr(os, "replace", together)
    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert [] == troubles
    assert ("whole", [path]) == (path.read_text(), list(tmp_path.iterdir()))


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a part of the new text nor a file beside it."""

    def full(part: str, target: str, **folders: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "page.md"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", full)

    with pytest.raises(Undecided, match=r"page\.md cannot be written: .*; name another file with -o"):
        write_output(path, "new")

    assert ([path], "old") == (list(tmp_path.iterdir()), path.read_text())


def test_without_a_file_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is, with no line more."""
    write_output(None, "new\n")

    assert "new\n" == capsys.readouterr().out


def test_a_name_with_ends_of_lines_stays_on_its_line(tmp_path: Path) -> None:
    """Whether the file is read or written."""
    path = tmp_path / "a\nb\x1b" / "c"
    with pytest.raises(Missing) as missing:
        read_text(path, "program")
    with pytest.raises(Misuse) as unwritten:
        write_output(path, "new")

    assert [1, 1] == [len(str(error.value).splitlines()) for error in (missing, unwritten)]
    assert "a\\nb\\x1b/c: no such file" in str(missing.value)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent/page.md", "No such file or directory"),
        (".", "Is a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    """Before the work whose result it is for; the same as a write would say."""
    with pytest.raises(Misuse) as refused:
        check_output(tmp_path / name)
    with pytest.raises(Misuse) as written:
        write_output(tmp_path / name, "new")

    assert f"{tmp_path / name} cannot be written: {reason}; name another file with -o" == str(refused.value)
    assert str(written.value) == str(refused.value)


def test_an_output_that_can_be_written_is_not_touched(tmp_path: Path, usual_user: None) -> None:
    """Neither a new file nor an old one, a link or a device."""
    (tmp_path / "old").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "old")

    for path in (tmp_path / "new", tmp_path / "old", tmp_path / "link", Path("/dev/null"), Path("bare")):
        check_output(path)

    assert {"old", "link"} == {path.name for path in tmp_path.iterdir()}
    assert "old" == (tmp_path / "old").read_text()


def test_a_link_stays_a_link(tmp_path: Path, usual_user: None) -> None:
    """The file it leads to is written."""
    (tmp_path / "link").symlink_to(tmp_path / "page.md")

    write_output(tmp_path / "link", "new")

    assert ("new", True) == ((tmp_path / "page.md").read_text(), (tmp_path / "link").is_symlink())


def test_a_device_is_written_to() -> None:
    """It is not replaced by a file."""
    write_output(Path("/dev/null"), "new")

    assert not Path("/dev/null").is_file()


def test_a_file_that_is_read_is_not_written_over(tmp_path: Path) -> None:
    """Its content would be gone."""
    path = tmp_path / "a"
    path.touch()

    with pytest.raises(Misuse) as refused:
        check_output(path, [tmp_path / "b", path])

    assert f"{path} is a file that is read: name another file with -o" == str(refused.value)


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_file_that_is_read_is_known_by_all_its_names(
    tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    """A link leads to the same content."""
    path, other = tmp_path / "a", tmp_path / "b"
    path.touch()
    link(other, path)

    with pytest.raises(Misuse) as refused:
        check_output(other, [path])

    assert str(refused.value).startswith(f"{other} is {path} by another name, a file that is read")


def test_another_file_is_written(tmp_path: Path, usual_user: None) -> None:
    """A new one, one that is there already, a link to nothing, or none at all."""
    path, old, link = tmp_path / "a", tmp_path / "old", tmp_path / "link"
    path.touch()
    old.touch()
    link.symlink_to(tmp_path / "nothing")

    for output in (tmp_path / "new", old, link, None):
        check_output(output, [path, tmp_path / "nothing", Path("x" * 5000)])
