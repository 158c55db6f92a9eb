"""The content of the cache, and the part that cleaning removes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pfnlab.base.errors import TimedOut
from pfnlab.lab.images import inside_cache
from pfnlab.lab.images.cache import is_whole, kept, locked, quiet
from pfnlab.lab.images.inside_cache import clean, stored

DAY = 24 * 3600


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
    return tmp_path


def put(path: Path, days: float, size: int = 5000) -> Path:
    """A file, and the folders it lies in, last used so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - days * DAY
    os.utime(path, (then, then))
    return path


def names() -> list[str]:
    """What is there, by its own name."""
    return [one.paths[0].name for one in stored()]


def test_a_kernel_is_one_thing_with_all_its_files(cache: Path) -> None:
    """Its folder is; its size is what it takes on disk, its age that of what was used last."""
    put(cache / "kernels/6.1/6.1.192-2/vmlinuz", 3)
    put(cache / "kernels/6.1/6.1.192-2/kernel.json", 50)

    (one,) = stored()

    assert ("kernels", "6.1.192-2", 2 * 8192) == (one.kind, one.paths[0].name, one.size)
    assert 3 == round((time.time() - one.used) / DAY)


def test_what_vouches_for_a_file_belongs_to_it(cache: Path) -> None:
    """It is no thing of its own, and goes with it."""
    path = kept(cache / "guest/agent.cpio", lambda part: part.write_text("agent") and None)
    put(cache / "guest/.part-1/half", 90)

    assert ["agent.cpio"] == names()
    assert is_whole(path)
    assert ["agent.cpio"] == [one.paths[0].name for one in clean(0)]
    assert [".part-1"] == [one.name for one in (cache / "guest").iterdir()]


def test_only_what_is_old_goes(cache: Path) -> None:
    """By the day it was last used."""
    put(cache / "states/old.state", 40)
    put(cache / "states/new.state", 2)
    put(cache / "kernels/6.1/6.1.170-3/vmlinuz", 31)

    taken = [one.paths[0].name for one in clean(30)]

    assert (["6.1.170-3", "old.state"], ["new.state"]) == (sorted(taken), names())


def test_what_is_not_ours_stays(cache: Path) -> None:
    """Whoever set PFNLAB_CACHE to a folder with other things in it keeps them."""
    mine = put(cache / "photos/2020.jpg", 900)
    link = cache / "lens/elsewhere"
    link.parent.mkdir()
    link.symlink_to(mine)

    clean(0)

    assert mine.exists()
    assert not link.is_symlink()


def test_nothing_goes_while_it_is_made(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes a thing of that kind is waited for."""
    monkeypatch.setattr(inside_cache, "_LOCK_LIMIT", 0.1)
    path = put(cache / "headers/6.1.192-2/Makefile", 60)

    with (
        locked(cache / "headers.lock", limit=1, say=quiet),
        pytest.raises(TimedOut, match=r"headers\.lock"),
    ):
        clean(30)
    assert path.exists()


@pytest.mark.parametrize("name", ["kernels/6.1/6.1.192-2/vmlinuz", "apt/lists", "debug/6.1.192-2/vmlinux"])
def test_nothing_goes_while_kernels_are_fetched(
    cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Lists and debug kernels are written under the lock of the kernels."""
    monkeypatch.setattr(inside_cache, "_LOCK_LIMIT", 0.1)
    path = put(cache / name, 60)

    with (
        locked(cache / "kernels.lock", limit=1, say=quiet),
        pytest.raises(TimedOut, match=r"kernels\.lock"),
    ):
        clean(30)
    assert path.exists()


def test_a_tree_that_is_built_stays(cache: Path) -> None:
    """A build holds the lock of its tree for hours, and of that alone."""
    put(cache / "trees/mine/source/Makefile", 90)
    put(cache / "trees/other/source/Makefile", 90)

    with locked(cache / "trees/.mine.lock", limit=1.0, say=quiet):
        removed = clean(30)

    assert (["other"], ["mine"]) == ([one.paths[0].name for one in removed], names())


def test_a_tree_that_was_built_goes(cache: Path) -> None:
    """The file of its lock stays, and nobody holds it."""
    put(cache / "trees/mine/source/Makefile", 90)
    with locked(cache / "trees/.mine.lock", limit=1.0, say=quiet):
        pass

    assert ["mine"] == [one.paths[0].name for one in clean(30)]
