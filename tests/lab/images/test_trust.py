"""Whose the cache is: what somebody else owns or may write to is refused, in one line."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.lab.images import trust
from pfnlab.lab.images.cache import cache_root, is_whole, kept, make_cache_folder, trusted, write_cached
from pfnlab.lab.images.kernels import whole
from pfnlab.lab.images.tools import run
from pfnlab.lab.images.trust import Untrusted, tighten

#: A user who is neither root nor the one that runs.
_OTHER = 65533

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user, which root alone can")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a cache that is not there yet; nothing was looked at before."""
    monkeypatch.setattr(trust, "_sound", set())
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "home" / "cache"))
    (tmp_path / "home").mkdir(mode=0o755)
    return tmp_path / "home" / "cache"


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A process whose files everybody may write to."""
    old = os.umask(0)
    yield
    os.umask(old)


def stored(cache: Path) -> Path:
    """A file in the cache that is whole; nothing of it was looked at."""
    path = kept(cache / "guest" / "agent", lambda part: part.write_text("agent") and None)
    trust._sound.clear()
    return path


def refused(ask: Callable[[], object]) -> str:
    """The one line that refuses."""
    with pytest.raises(Untrusted) as raised:
        ask()
    assert isinstance(raised.value, Misuse)
    (line,) = str(raised.value).splitlines()
    return line


@as_root
def test_the_cache_of_another_user(cache: Path) -> None:
    """Whose it is, its mode, and what to do."""
    cache.mkdir(mode=0o700)
    os.chown(cache, _OTHER, -1)

    line = refused(cache_root)

    assert line == (
        f"the cache {cache} is not used: the folder {cache} belongs to {_OTHER}, not to root (mode 0700, "
        f"{_OTHER}:root): set PFNLAB_CACHE to a folder of root, or `chown -hR root {cache}` if you know what "
        "is in it"
    )


@as_root
def test_the_home_of_another_user(cache: Path) -> None:
    """As root has it with sudo: the home is left to its owner."""
    cache.mkdir(mode=0o700)
    os.chown(cache.parent, _OTHER, -1)

    line = refused(cache_root)

    assert line == (
        f"the cache {cache} is not used: the folder {cache.parent} belongs to {_OTHER}, not to root (mode "
        f"0755, {_OTHER}:root): set PFNLAB_CACHE to a folder of root"
    )


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o1777])
def test_a_cache_that_others_may_write_to(cache: Path, mode: int) -> None:
    """With what to do; a sticky one as well, for anybody may put something there first."""
    cache.mkdir()
    cache.chmod(mode)

    line = refused(cache_root)

    assert f"others may write to {cache} (mode {mode:04o}, " in line
    assert line.endswith(f": `chmod -R go-w {cache}`, or set PFNLAB_CACHE to another folder")


def test_a_folder_above_that_others_may_write_to(cache: Path) -> None:
    """They can put another cache in the place of this one."""
    cache.mkdir(mode=0o700)
    cache.parent.chmod(0o777)

    line = refused(cache_root)

    assert f"others may write to {cache.parent} (mode 0777, " in line
    assert line.endswith(f": `chmod go-w {cache.parent}`, or set PFNLAB_CACHE to another folder")


@as_root
def test_a_sticky_folder_of_root_above(cache: Path) -> None:
    """A counter-example: in ``/tmp`` nobody can rename what is another's."""
    cache.mkdir(mode=0o700)
    cache.parent.chmod(0o1777)

    assert cache == cache_root()


@as_root
def test_a_sticky_folder_of_another_user(cache: Path) -> None:
    """Its owner may rename what lies in it."""
    cache.mkdir(mode=0o700)
    cache.parent.chmod(0o1777)
    os.chown(cache.parent, _OTHER, -1)

    assert f"the folder {cache.parent} belongs to {_OTHER}" in refused(cache_root)


def test_what_the_line_says_is_enough(cache: Path) -> None:
    """The command in it, and the same process goes on."""
    cache.mkdir()
    cache.chmod(0o777)
    command = refused(cache_root).split("`")[1]

    run(["sh", "-c", command], limit=10, remedy="")

    assert cache == cache_root()


@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_is_followed(cache: Path, tmp_path: Path, absolute: bool) -> None:
    """What it leads to counts, and what lies above that."""
    open_folder = tmp_path / "open"
    (open_folder / "cache").mkdir(parents=True)
    open_folder.chmod(0o777)
    cache.symlink_to(open_folder / "cache" if absolute else "../open/cache")

    assert f"others may write to {open_folder}" in refused(cache_root)


def test_a_link_to_a_good_folder(cache: Path, tmp_path: Path) -> None:
    """A cache on another disk."""
    (tmp_path / "disk").mkdir(mode=0o755)
    cache.symlink_to(tmp_path / "disk")

    path = stored(cache)

    assert is_whole(path)


@as_root
def test_a_link_of_another_user(cache: Path, tmp_path: Path) -> None:
    """Its owner may let it lead elsewhere."""
    (tmp_path / "disk").mkdir(mode=0o755)
    cache.symlink_to(tmp_path / "disk")
    os.chown(cache, _OTHER, -1, follow_symlinks=False)

    assert f"the link {cache} belongs to {_OTHER}" in refused(cache_root)


def test_a_link_to_itself(cache: Path) -> None:
    """Given up after some steps."""
    cache.symlink_to(cache)

    assert "Too many levels of symbolic links" in refused(cache_root)


@as_root
@pytest.mark.parametrize("name", ["guest", "guest/agent", "guest/agent.sha256"])
def test_a_file_of_another_user_in_the_cache(cache: Path, name: str) -> None:
    """However it came there, nothing of it is used."""
    path = stored(cache)
    os.chown(cache / name, _OTHER, -1)

    assert f"{cache / name} belongs to {_OTHER}, not to root" in refused(lambda: is_whole(path))


@pytest.mark.parametrize("name", ["guest", "guest/agent", "guest/agent.sha256"])
def test_a_file_that_others_may_write_to_in_the_cache(cache: Path, name: str) -> None:
    """As an earlier version left it where the umask was 0."""
    path = stored(cache)
    (cache / name).chmod(0o777)

    assert f"others may write to {cache / name} (mode 0777" in refused(lambda: is_whole(path))


def test_a_file_beside_those_that_are_vouched_for(cache: Path) -> None:
    """A build would take it, though no checksum is of it."""

    def headers(part: Path) -> None:
        (part / "include").mkdir(parents=True)
        (part / "include" / "one.h").touch()

    path = kept(cache / "headers" / "6.1", headers)
    trust._sound.clear()
    (path / "include" / "two.h").touch()
    (path / "include" / "two.h").chmod(0o666)

    assert f"others may write to {path / 'include' / 'two.h'}" in refused(lambda: is_whole(path))


def test_a_kernel_that_others_may_write_to(cache: Path) -> None:
    """Kernels have their checksum in a note beside them."""
    home = cache / "kernels" / "6.1" / "6.1.1-1"
    make_cache_folder(home)
    (home / "kernel.json").write_text("{}")
    (home / "kernel.json").chmod(0o666)

    assert f"others may write to {home / 'kernel.json'}" in refused(lambda: whole("6.1"))


def test_links_in_the_cache_have_no_mode_of_their_own(cache: Path) -> None:
    """A counter-example: everybody seems to be allowed to write to a link."""

    def tree(part: Path) -> None:
        part.mkdir()
        (part / "link").symlink_to("/nowhere")

    path = kept(cache / "headers" / "6.1", tree)
    trust._sound.clear()

    assert is_whole(path)


def test_what_is_not_there_yet(cache: Path) -> None:
    """Nothing is made for a look at it."""
    assert (cache, cache / "guest") == (cache_root(), trusted(cache / "guest"))
    assert not cache.exists()


def test_it_is_made_for_its_owner_alone(
    cache: Path, open_umask: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the umask is, with the folders above it that were not there."""
    monkeypatch.setenv("PFNLAB_CACHE", str(cache / "deep" / "cache"))

    write_cached(cache / "deep" / "cache" / "symbols" / "x", "text")

    folders = [cache, cache / "deep", cache / "deep" / "cache", cache / "deep" / "cache" / "symbols"]
    assert [0o700] * 4 == [stat.S_IMODE(folder.stat().st_mode) for folder in folders]


def test_nothing_in_it_is_left_open(cache: Path, open_umask: None) -> None:
    """Neither what we write nor what a command does, where the umask is 0."""

    def make(part: Path) -> None:
        (part / "below").mkdir(parents=True)
        (part / "below" / "ours").touch()
        run(["sh", "-c", "mkdir made; >made/theirs"], limit=10, remedy="", cwd=part)

    path = kept(cache / "headers" / "6.1", make)
    run(["touch", str(cache / "beside")], limit=10, remedy="")

    assert [] == [place for place in cache.rglob("*") if place.stat().st_mode & 0o022]
    trust._sound.clear()
    assert is_whole(path)


def test_a_umask_that_is_stricter_stays(cache: Path) -> None:
    """What a command makes is no more open than what we make."""
    make_cache_folder(cache)
    old = os.umask(0o077)
    try:
        run(["touch", str(cache / "made")], limit=10, remedy="")
    finally:
        os.umask(old)

    assert 0o600 == stat.S_IMODE((cache / "made").stat().st_mode)


def test_a_folder_is_looked_at_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process, however often it asks."""
    path = stored(cache)
    assert is_whole(path)
    looked: list[Path] = []
    monkeypatch.setattr(trust, "_walk", lambda path, root: looked.append(path))

    for _ in range(3):
        is_whole(path)
        cache_root()

    assert [] == looked


@pytest.fixture
def group_of_one(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The members of the group 0, root's, and of 1000, as a system says."""

    class Entry:
        def __init__(self, name: str, members: list[str]) -> None:
            self.gr_name, self.gr_mem = name, members

    def say(name: str, members: list[str], primary: list[str]) -> None:
        me = pwd.getpwuid(os.geteuid())
        users = [me, *(pwd.struct_passwd((user, "x", 4000, me.pw_uid, "", "/", "")) for user in primary)]
        monkeypatch.setattr(trust.grp, "getgrgid", lambda number: Entry(name, members))
        monkeypatch.setattr(trust.pwd, "getpwall", lambda: users)
        trust._has_one_member.cache_clear()

    yield say
    trust._has_one_member.cache_clear()


@pytest.mark.parametrize(
    ("members", "primary", "sound"), [([], [], True), (["u"], [], False), ([], ["v"], False)]
)
def test_a_group_of_one_may_write(
    cache: Path, group_of_one: Callable[..., None], members: list[str], primary: list[str], sound: bool
) -> None:
    """Where a distribution gives each user a group, whose umask is 002; not if anybody else is in it."""
    cache.mkdir()
    cache.chmod(0o775)
    os.chown(cache, -1, os.geteuid())
    group_of_one(pwd.getpwuid(os.geteuid()).pw_name, members, primary)

    if sound:
        assert cache == cache_root()
    else:
        assert "others may write to" in refused(cache_root)


def test_a_group_of_another_name_may_not_write(cache: Path, group_of_one: Callable[..., None]) -> None:
    """It has the number of the user by chance."""
    cache.mkdir()
    cache.chmod(0o775)
    os.chown(cache, -1, os.geteuid())
    group_of_one("staff", [], [])

    assert "others may write to" in refused(cache_root)


@as_root
def test_a_group_of_another_number_may_not_write(cache: Path) -> None:
    """It is nobody's own."""
    cache.mkdir()
    cache.chmod(0o775)
    os.chown(cache, -1, _OTHER)

    assert "(mode 0775, root:65533)" in refused(cache_root)


@pytest.mark.parametrize(("ranges", "sound"), [("0 1000 1", True), ("0 0 4294967295", False)])
@as_root
def test_an_owner_without_a_number(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ranges: str, sound: bool
) -> None:
    """In a user namespace the real root has none; elsewhere the number is a user's."""
    read = Path.read_text
    answers = {"/proc/self/uid_map": ranges + "\n", str(trust._OVERFLOW): "65533\n"}
    monkeypatch.setattr(
        Path, "read_text", lambda path, *a, **k: answers.get(str(path)) or read(path, *a, **k)
    )
    trust._without_number.cache_clear()
    os.chown(cache.parent, _OTHER, -1)
    try:
        if sound:
            assert cache == cache_root()
        else:
            refused(cache_root)
    finally:
        trust._without_number.cache_clear()


@given(modes=st.lists(st.integers(0, 0o7777), min_size=3, max_size=3))
def test_what_is_tight_is_sound(tmp_path_factory: pytest.TempPathFactory, modes: list[int]) -> None:
    """Of any modes only the right of others to write goes."""
    top = tmp_path_factory.mktemp("tight")
    places = [top, top / "folder", top / "folder" / "file"]
    places[1].mkdir()
    places[2].touch()
    for place, mode in reversed(list(zip(places, modes, strict=True))):
        place.chmod(mode | (0o700 if place.is_dir() else 0))
    before = [place.stat().st_mode for place in places]

    tighten(top)

    assert [mode & ~0o022 for mode in before] == [place.stat().st_mode for place in places]
