"""The places that paths name: which links are followed, and what may change meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.base.path_walk import make_folder, path_end, sudo_caller
from pfnlab.base.whole_file import append_text, whole_file

#: The number of a user who is neither root nor who runs the tests.
STRANGER = 54321

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="a link of another user needs root")


def reached(path: Path) -> str:
    """Where *path* ends."""
    with path_end(path) as end:
        return os.path.join(os.readlink(f"/proc/self/fd/{end.folder}"), end.name)


def refusal(path: Path) -> str:
    """Why *path* is not walked."""
    with pytest.raises(Misuse) as refused:
        reached(path)
    assert 1 == len(str(refused.value).splitlines())
    return str(refused.value)


def test_folders_may_be_links_of_ones_own(tmp_path: Path, as_root: None) -> None:
    """For root too: also to a parent, and one link behind another."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "to-b").symlink_to("a/b")
    (tmp_path / "again").symlink_to(tmp_path / "to-b")

    where = reached(tmp_path / "again" / ".." / "file")

    assert str(tmp_path / "a" / "file") == where


@needs_root
def test_a_folder_that_is_a_link_of_another_user_is_refused(tmp_path: Path) -> None:
    """Whether root writes or another."""
    (tmp_path / "a").mkdir()
    (tmp_path / "trap").symlink_to("a")
    os.lchown(tmp_path / "trap", STRANGER, STRANGER)

    said = refusal(tmp_path / "trap" / "file")

    assert f"{tmp_path}/trap/file: trap is a link owned by another user, to a: name the place itself" == said


@needs_root
def test_who_called_sudo_may_have_links_of_folders(
    tmp_path: Path, as_root: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same person could name the folder itself."""
    (tmp_path / "a").mkdir()
    (tmp_path / "mine").symlink_to("a")
    os.lchown(tmp_path / "mine", STRANGER, STRANGER)
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    monkeypatch.setenv("SUDO_GID", str(STRANGER))

    where = reached(tmp_path / "mine" / "file")

    assert str(tmp_path / "a" / "file") == where


def test_root_does_not_follow_the_last_name(tmp_path: Path, as_root: None) -> None:
    """Be it root's own link."""
    (tmp_path / "link").symlink_to("file")

    said = refusal(tmp_path / "link")

    assert (
        f"{tmp_path}/link: link is a link to file, which root does not follow: name the file itself" == said
    )


def test_a_user_follows_links_of_ones_own(tmp_path: Path, usual_user: None) -> None:
    """To a file that is not there yet, too."""
    (tmp_path / "link").symlink_to("below/../file")
    (tmp_path / "below").mkdir()

    assert str(tmp_path / "file") == reached(tmp_path / "link")


@needs_root
def test_a_user_follows_no_link_of_another(tmp_path: Path, usual_user: None) -> None:
    """It may lead to a file of one's own."""
    (tmp_path / "link").symlink_to("file")
    os.lchown(tmp_path / "link", STRANGER, STRANGER)

    assert "link is a link owned by another user, to file" in refusal(tmp_path / "link")


def test_links_in_a_circle_end(tmp_path: Path, usual_user: None) -> None:
    """As in the kernel."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        reached(tmp_path / "a")


@pytest.mark.parametrize("form", ["/dev/fd/{}", "/proc/self/fd/{}", "/proc/thread-self/fd/{}"])
def test_an_open_file_is_known_by_its_number(form: str, as_root: None) -> None:
    """Its link has no path that could be followed."""
    read, write = os.pipe()

    with path_end(Path(form.format(write))) as end:
        number = end.descriptor

    assert write == number
    os.close(read)
    os.close(write)


def test_a_number_in_another_folder_is_a_name(tmp_path: Path) -> None:
    """Only that of open files is looked at."""
    with path_end(tmp_path / "1") as end:
        assert (None, "1") == (end.descriptor, end.name)


def test_a_folder_that_was_reached_stays_the_same(tmp_path: Path, as_root: None) -> None:
    """Whatever its name leads to by the time the file is written."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret").mkdir()

    with whole_file(tmp_path / "folder" / "file") as out:
        (tmp_path / "folder").rename(tmp_path / "moved")
        (tmp_path / "folder").symlink_to("secret")
        out.write(b"new")

    assert [] == list((tmp_path / "secret").iterdir())
    assert b"new" == (tmp_path / "moved" / "file").read_bytes()


def test_a_folder_that_becomes_a_link_on_the_way_is_not_entered(
    tmp_path: Path, as_root: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at it and the step into it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret").mkdir()
    real_fstat = os.fstat

    def swap(descriptor: int) -> os.stat_result:
        status = real_fstat(descriptor)
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(tmp_path / "folder"):
            (tmp_path / "folder").rename(tmp_path / "moved")
            (tmp_path / "folder").symlink_to("secret")
        return status

    monkeypatch.setattr(os, "fstat", swap)
    with pytest.raises(NotADirectoryError), whole_file(tmp_path / "folder" / "file") as out:
        out.write(b"new")

    assert [] == list((tmp_path / "secret").iterdir())


def test_a_file_that_becomes_a_link_is_replaced(tmp_path: Path, as_root: None) -> None:
    """What the link leads to stays as it was."""
    (tmp_path / "secret").write_text("old")

    with whole_file(tmp_path / "file") as out:
        (tmp_path / "file").symlink_to("secret")
        out.write(b"new")

    assert ("old", "new") == ((tmp_path / "secret").read_text(), (tmp_path / "file").read_text())
    assert not (tmp_path / "file").is_symlink()


def test_folders_are_made_in_the_folder_that_was_reached(tmp_path: Path) -> None:
    """Those that are there stay."""
    (tmp_path / "a").mkdir()

    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")

    assert (tmp_path / "a" / "b" / "c").is_dir()


@needs_root
def test_no_folder_is_made_behind_a_link_of_another_user(tmp_path: Path) -> None:
    """Root would make it anywhere."""
    (tmp_path / "a").mkdir()
    (tmp_path / "trap").symlink_to("a")
    os.lchown(tmp_path / "trap", STRANGER, STRANGER)

    with pytest.raises(Misuse):
        make_folder(tmp_path / "trap" / "b")

    assert [] == list((tmp_path / "a").iterdir())


def test_nothing_is_appended_through_a_link(tmp_path: Path, as_root: None) -> None:
    """As nothing is written through one."""
    (tmp_path / "secret").write_text("old")
    (tmp_path / "link").symlink_to("secret")

    with pytest.raises(Misuse):
        append_text(tmp_path / "link", "new")

    assert "old" == (tmp_path / "secret").read_text()


def test_nothing_is_appended_to_a_file_with_other_names(tmp_path: Path, as_root: None) -> None:
    """Another user may have given it this one."""
    (tmp_path / "secret").write_text("old")
    (tmp_path / "name").hardlink_to(tmp_path / "secret")

    with pytest.raises(Misuse, match="has other hard links"):
        append_text(tmp_path / "name", "new")

    assert "old" == (tmp_path / "secret").read_text()


@pytest.mark.parametrize(
    ("user", "group", "caller"),
    [
        ("1000", "100", (1000, 100)),
        ("", "100", None),
        ("-1", "100", None),
        ("1000", "x", None),
        ("4294967295", "100", None),
        ("1e3", "100", None),
    ],
)
def test_who_called_sudo(
    user: str, group: str, caller: tuple[int, int] | None, as_root: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only numbers that a user and a group can have."""
    monkeypatch.setenv("SUDO_UID", user)
    monkeypatch.setenv("SUDO_GID", group)

    assert caller == sudo_caller()


def test_what_sudo_left_in_the_environment_of_a_user_says_nothing(
    usual_user: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only root can be called with it."""
    monkeypatch.setenv("SUDO_UID", "1000")
    monkeypatch.setenv("SUDO_GID", "1000")

    assert sudo_caller() is None
