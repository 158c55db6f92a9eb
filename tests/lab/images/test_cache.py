"""Files in the cache: each is whole, or made anew, or reported missing."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from damages import DAMAGES, Damage

from pfnlab.base.errors import Undecided
from pfnlab.lab.images.cache import forget, is_whole, keep, kept
from pfnlab.lab.images.tools import run
from pfnlab.lab.vm.saved_state import mark_used

each_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
    return tmp_path


def writing(content: bytes) -> Callable[[Path], None]:
    """Makes a file."""
    return lambda part: part.write_bytes(content) and None


def a_folder(part: Path) -> None:
    """Makes a folder with a file, a file below it, and a link to nowhere."""
    (part / "below").mkdir(parents=True)
    (part / "one").write_bytes(b"one")
    (part / "below" / "two").write_bytes(b"two")
    (part / "link").symlink_to("/nowhere")


def refuse(part: object, *_: object) -> None:
    """Nothing is to be made."""
    raise AssertionError(part)


def full(part: Path) -> None:
    """A disk that is full in the middle of a file."""
    part.write_bytes(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part))


def test_what_is_whole_is_not_made_again(cache: Path) -> None:
    """The second one who asks gets what is there."""
    path = kept(cache / "things" / "x", writing(b"content"))

    again = kept(path, refuse)

    assert b"content" == again.read_bytes()


@each_damage
def test_a_damaged_file_is_made_anew(cache: Path, damage: Damage) -> None:
    """Whether it is shorter, another one, or nobody vouches for it."""
    path = kept(cache / "things" / "x", writing(b"content"))
    damage(path)

    kept(path, writing(b"content"))

    assert (b"content", True) == (path.read_bytes(), is_whole(path))


@pytest.mark.parametrize("name", ["one", "below/two", "link"])
def test_a_folder_that_lacks_something_is_made_anew(cache: Path, name: str) -> None:
    """Every file of it counts, and every link."""
    path = kept(cache / "things" / "x", a_folder)
    (path / name).unlink()

    kept(path, a_folder)

    assert (True, "/nowhere") == (is_whole(path), os.readlink(path / "link"))


@pytest.mark.parametrize("name", ["one", "below/two"])
@each_damage
def test_a_folder_with_a_damaged_file_is_not_whole(cache: Path, name: str, damage: Damage) -> None:
    """Every file of it counts."""
    path = kept(cache / "things" / "x", a_folder)
    try:
        damage(path / name)
    except FileNotFoundError:
        # Files in it have nothing beside them; the folder has.
        damage(path)

    assert not is_whole(path)


def test_a_file_is_read_again_only_where_it_was_written(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that asks a hundred times reads once; a use of the file is no write."""
    path = kept(cache / "things" / "x", writing(b"content"))
    assert is_whole(path)
    mark_used(path)
    monkeypatch.setattr(hashlib, "file_digest", refuse)

    assert is_whole(path)
    path.write_bytes(b"CONTENT")
    with pytest.raises(AssertionError):
        is_whole(path)


def test_damage_is_said(cache: Path) -> None:
    """In one line, before the thing is made anew."""
    path = kept(cache / "things" / "x", writing(b"content"))
    path.write_bytes(b"")
    said = list[str]()

    kept(path, writing(b"content"), say=said.append)

    assert [f"{path} is damaged and is made again"] == said


def test_a_full_disk_is_said_in_one_line(cache: Path) -> None:
    """With what to do; nothing is left of what was begun."""
    path = cache / "things" / "x"

    with pytest.raises(Undecided) as raised:
        kept(path, full)

    assert f"the cache {cache} cannot be used: No space left on device; set PFNLAB_CACHE or free room" == str(
        raised.value
    )
    assert [] == list(path.parent.iterdir())


def test_a_full_disk_leaves_what_was_there(cache: Path) -> None:
    """What cannot be made anew is not replaced, and not taken for whole either."""
    path = kept(cache / "things" / "x", writing(b"content"))
    path.write_bytes(b"cut")

    with pytest.raises(Undecided):
        kept(path, full)

    assert (b"cut", False) == (path.read_bytes(), is_whole(path))


def test_a_cache_that_is_no_folder_is_said_in_one_line(tmp_path: Path, monkeypatch) -> None:
    """Room would not help there."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").touch()

    with pytest.raises(Undecided, match=r"^the cache \S+/file cannot be used: .*; set PFNLAB_CACHE$"):
        kept(tmp_path / "file" / "things" / "x", refuse)


def test_what_a_killed_maker_left_is_removed(cache: Path) -> None:
    """By the next one who makes something of that kind."""
    left = cache / "things" / ".part-left"
    left.mkdir(parents=True)

    kept(cache / "things" / "x", writing(b"content"))

    assert not left.exists()


def test_many_who_ask_at_once_make_it_once(cache: Path) -> None:
    """All get the same, and nobody is told of another pfnlab."""
    made, said = list[Path](), list[str]()

    def make(part: Path) -> None:
        made.append(part)
        a_folder(part)

    threads = [
        threading.Thread(target=kept, args=(cache / "things" / "x", make), kwargs={"say": said.append})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert (1, [], True) == (len(made), said, is_whole(cache / "things" / "x"))


def test_what_is_kept_replaces_what_was_there(cache: Path) -> None:
    """With its checksum."""
    path = kept(cache / "x", writing(b"old"))
    (cache / "part").write_bytes(b"new")

    keep(cache / "part", path)

    assert (b"new", True) == (path.read_bytes(), is_whole(path))


def test_what_is_forgotten_leaves_nothing(cache: Path) -> None:
    """Neither the file nor what vouches for it; twice is no mistake."""
    path = kept(cache / "things" / "x", writing(b"content"))

    forget(path)
    forget(path)

    assert [] == list(path.parent.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.skipif(shutil.which("sh") is None, reason="no shell")
def test_a_program_without_room_fails_as_a_write_does() -> None:
    """What it says is not the reason, and not the caller's to judge."""
    with pytest.raises(OSError, match="No space left on device") as raised:
        run(["sh", "-c", "ls / > /dev/full"], limit=10, remedy="")

    assert errno.ENOSPC == raised.value.errno
