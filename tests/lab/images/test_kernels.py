"""Kernels: which package is chosen, what the cache vouches for, files of one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from archive_on_disk import bzimage

from pfnlab.base.errors import Misuse, TimedOut, Undecided
from pfnlab.kernel.policies.known_kernels import known_packages
from pfnlab.lab.images import kernels
from pfnlab.lab.images.archive import Unverified
from pfnlab.lab.images.cache import cache_root, locked

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg"), reason="orders package versions: install dpkg")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def put(series: str, version: str, content: bytes = b"") -> Path:
    """A cached kernel made by hand; the path of its vmlinuz."""
    home = cache_root() / "kernels" / series / version
    home.mkdir(parents=True)
    vmlinuz = home / "vmlinuz"
    vmlinuz.write_bytes(content or bzimage("r"))
    kernels._write_note(
        kernels.KernelImage(series, "p", version, "r", vmlinuz, kernels.sha256_of(vmlinuz)), "experimental"
    )
    return vmlinuz


def test_unknown_series_suggests_a_known_one() -> None:
    """
    A misspelt series is answered with the nearest known one.
    """
    with pytest.raises(
        Misuse, match=r"no kernel series '6.13': did you mean 6\.1.* known series are 6\.1, 6\.12"
    ):
        kernels.fetch("6.13")


def test_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    Without PFNLAB_CACHE the cache is pfnlab under XDG_CACHE_HOME.
    """
    monkeypatch.delenv("PFNLAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert tmp_path / "pfnlab" == cache_root()


def test_empty_cache_has_no_kernel() -> None:
    """
    Nothing cached is an answer, not an error.
    """
    assert None is kernels.cached("6.1")


def test_note_round_trip() -> None:
    """
    What is written beside a vmlinuz is what is read back.
    """
    vmlinuz = put("7.3", "7.3~rc7-1~exp1")

    kernel = kernels.cached("7.3")

    assert (
        kernels.KernelImage("7.3", "p", "7.3~rc7-1~exp1", "r", vmlinuz, kernels.sha256_of(vmlinuz)) == kernel
    )


def test_note_names_suite_and_day() -> None:
    """
    The note beside a vmlinuz has the seven fields outside tools may read.
    """
    note = json.loads((put("7.3", "7.3-1").parent / "kernel.json").read_text())

    assert ["series", "package", "version", "release", "sha256", "fetched", "suite"] == list(note)


@needs_dpkg
def test_newest_of_the_cache() -> None:
    """
    Of two cached point releases nobody met the newer one is used.
    """
    put("7.2", "7.2.2-1")
    put("7.2", "7.2.3-1")

    kernel = kernels.cached("7.2")

    assert kernel is not None
    assert "7.2.3-1" == kernel.version


@needs_dpkg
def test_a_known_kernel_of_the_cache_comes_before_a_newer_one() -> None:
    """
    A series stands for its newest known kernel, so what nobody met is taken only by its exact version.
    """
    newest = [one for one in known_packages() if one.startswith("7.2.")][-1]
    put("7.2", newest)
    put("7.2", "7.2.999-1")

    found = [kernels.cached(name) for name in ("7.2", "7.2.999", "7.2.999-1")]

    assert [newest, "7.2.999-1", "7.2.999-1"] == [one.version for one in found if one is not None]


def test_an_exact_version_that_is_not_cached() -> None:
    """
    Another point release of its series does not stand in for it.
    """
    put("7.2", "7.2.13-1")

    assert None is kernels.cached("7.2.12")


def test_a_kernel_is_taken_out_of_the_cache() -> None:
    """
    By exact version it goes alone; what is not there is said.
    """
    put("7.2", "7.2.2-1")
    kept = put("7.2", "7.2.3-1")

    assert ["7.2.2-1"] == kernels.remove("7.2.2")
    assert kept.exists()
    with pytest.raises(Misuse, match=r"the cache has no kernel 7\.2\.2: see `pfnlab kernels list`"):
        kernels.remove("7.2.2")


def test_a_damaged_kernel_is_taken_out_as_well() -> None:
    """
    What cannot be used can be removed.
    """
    put("7.2", "7.2.2-1").write_bytes(b"")

    assert ["7.2.2-1"] == kernels.remove("7.2")


def test_corrupted_vmlinuz_is_not_used() -> None:
    """
    A cached vmlinuz with one changed byte does not count as cached.
    """
    vmlinuz = put("7.3", "7.3-1")
    vmlinuz.write_bytes(vmlinuz.read_bytes()[:-1] + b"x")

    assert None is kernels.cached("7.3")


def test_corrupted_vmlinuz_is_named() -> None:
    """
    The list of kernels names the damaged file.
    """
    vmlinuz = put("7.3", "7.3-1")
    vmlinuz.write_bytes(b"")

    assert [vmlinuz] == [row.damaged for row in kernels.inventory() if row.package_version == "7.3-1"]


def test_half_a_note_is_damage() -> None:
    """
    A kernel.json that is not whole makes its kernel damaged, not a traceback.
    """
    vmlinuz = put("7.3", "7.3-1")
    (vmlinuz.parent / "kernel.json").write_text('{"series": "7.3"')

    assert ([], [vmlinuz]) == kernels.whole("7.3")


def test_lock_held_by_another_ends_in_a_limit(cache: Path) -> None:
    """
    Waiting for the lock has a limit, and its message names the file.
    """
    said: list[str] = []
    with (
        locked(cache / "lock", limit=1, say=said.append),
        pytest.raises(TimedOut, match=r"cache/lock after 0\.3 s"),
        locked(cache / "lock", limit=0.3, say=said.append),
    ):
        pass

    assert [f"waiting for another pfnlab, which holds {cache / 'lock'}"] == said


def test_own_bzimage_tells_its_release(tmp_path: Path) -> None:
    """
    The release of a bzImage of one's own is read from its header.
    """
    (tmp_path / "bzImage").write_bytes(bzimage("7.3.0-rc7+"))

    kernel = kernels.from_file(tmp_path / "bzImage")

    assert ("", "", "7.3.0-rc7+") == (kernel.series, kernel.package, kernel.release)


@pytest.mark.parametrize("content", [b"", b"HdrS", b"\x7fELF" + bytes(5000), bytes(0x202) + b"HdrS"])
def test_garbage_is_not_a_bzimage(tmp_path: Path, content: bytes) -> None:
    """
    A file without the setup header is refused by name.
    """
    (tmp_path / "garbage").write_bytes(content)

    with pytest.raises(Misuse, match="garbage is not an x86 bzImage"):
        kernels.from_file(tmp_path / "garbage")


def test_bzimage_cut_after_its_header(tmp_path: Path) -> None:
    """
    A header without the version string it points to is refused.
    """
    (tmp_path / "cut").write_bytes(bzimage("7.3")[:0x300])

    with pytest.raises(Misuse, match="without a version string"):
        kernels.from_file(tmp_path / "cut")


def test_missing_file_is_misuse(tmp_path: Path) -> None:
    """
    A file that is not there is the caller's mistake.
    """
    with pytest.raises(Misuse, match="no such file"):
        kernels.from_file(tmp_path / "none")


@pytest.mark.target("long")
@pytest.mark.lab
@needs_dpkg
def test_real_archive_gives_a_real_kernel() -> None:
    """
    The machine's own archive gives a kernel of the oldest series that says it is one.
    """
    try:
        kernel = kernels.fetch("6.1")[0]
    except Unverified:
        raise
    except Undecided as trouble:
        pytest.skip(str(trouble))

    assert ("6.1", True) == (kernel.series, kernel.release.startswith("6.1."))


def test_a_note_beside_a_file_of_ones_own_says_nothing(tmp_path: Path) -> None:
    """
    An image may be anybody's, and so may be what lies beside it; a suite is a folder of the cache.
    """
    (tmp_path / "bzImage").write_bytes(bzimage("7.3.0"))
    (tmp_path / "kernel.json").write_text('{"suite": "../../../etc"}')

    assert [] == kernels.suites_of(kernels.from_file(tmp_path / "bzImage"))


def test_a_note_in_the_cache_says_the_suite() -> None:
    """
    Packages that belong to a kernel are in the suite it came from.
    """
    put("7.3", "7.3~rc7-1~exp1")

    kernel = kernels.cached("7.3")

    assert kernel is not None
    assert ["experimental"] == kernels.suites_of(kernel)
