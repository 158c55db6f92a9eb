"""The kernels that are known, and which of them stands for a new version."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from pfnlab.base.errors import Misuse
from pfnlab.kernel.policies import known_kernels
from pfnlab.kernel.policies.known_kernels import HeldCount, KnownKernel
from pfnlab.kernel.policies.releases import CONFIRMED, series_of, upstream


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world in which three versions of two series are known."""
    monkeypatch.setattr(known_kernels, "known_versions", lambda: ("6.1.170", "6.1.180", "7.3-rc7"))


@pytest.mark.parametrize(
    ("version", "stands"),
    [
        ("6.1.170", "6.1.170"),
        ("6.1.179", "6.1.170"),
        ("6.1.9", "6.1.170"),
        ("6.1.500", "6.1.180"),
        ("6.8", "6.1.180"),
        ("7.3.4", "7.3-rc7"),
        ("7.4.1", "7.3-rc7"),
        ("5.15", None),
    ],
)
def test_the_nearest_known_version(three: None, version: str, stands: str | None) -> None:
    """Of the series the newest that is not newer, else its oldest; without its series the newest before."""
    assert stands == known_kernels.nearest(version)


def test_the_newest_of_a_series(three: None) -> None:
    """Of 6.1 the later one, and none of a series nobody met."""
    assert ("6.1.180", None) == (known_kernels.newest_known("6.1"), known_kernels.newest_known("6.12"))


def test_every_confirmed_series_has_a_known_kernel() -> None:
    """The names of series stand for their newest known version, so there has to be one."""
    assert set(CONFIRMED) == {series_of(version) for version in known_kernels.known_versions()}


def test_files_are_called_by_what_they_hold() -> None:
    """Package version, upstream version and series belong together, and each was compared with the model."""
    kernels = known_kernels.known_kernels()

    assert list(known_kernels.known_packages()) == [one.package_version for one in kernels]
    assert all(upstream(one.package_version) == one.version for one in kernels)
    assert all(len(one.sha256) == 64 and one.package and one.release for one in kernels)


def test_what_was_held_is_counted() -> None:
    """What a kernel is known for was compared, and nothing differs: litmus, walkers, orders and 300 random
    programs."""
    for kernel in known_kernels.known_kernels():
        assert {"litmus", "walkers", "orders", "random"} <= set(kernel.held), kernel.version
        assert kernel.held["random"].programs >= 300, kernel.version
        assert not any(one.differences or one.unexplained for one in kernel.held.values()), kernel.version


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.12.107+deb13-cloud-amd64", "6.12.107"),
        ("6.1.0-56-cloud-amd64", "6.1.192"),
        ("7.3-cloud-amd64", "7.3-rc7"),
        ("6.1.176", "6.1.176"),
        ("7.3-rc7", "7.3-rc7"),
        ("6.1.0-9999-cloud-amd64", "6.1"),
    ],
)
def test_version_of_a_release(release: str, version: str) -> None:
    """A release that names no point is looked up, and is its series where nobody met it."""
    assert version == known_kernels.version_of_release(release)


def test_a_file_is_written_and_read(tmp_path: Path) -> None:
    """A line each, oldest first, and one alone of a package."""
    one = KnownKernel(
        version="6.1.176", package="p", package_version="6.1.176-1", release="r", sha256="0" * 64, suite="s",
        met="2026-11-21", held={"random": HeldCount(300, 2000, seed=7)},
    )  # fmt: skip

    path = tmp_path / "known.jsonl"
    path.write_bytes(b"")
    for kernel in (one, msgspec.structs.replace(one, package_version="6.1.9-1"), one):
        known_kernels.write_known(path, kernel)

    written = [json.loads(line) for line in path.read_text().splitlines()]
    assert ["6.1.9-1", "6.1.176-1"] == [line["package_version"] for line in written]
    assert {"programs": 300, "steps": 2000, "seed": 7} == written[-1]["held"]["random"]


def test_a_damaged_file_is_misuse(tmp_path: Path) -> None:
    """With what to do, and it stays as it is."""
    path = tmp_path / "known.jsonl"
    path.write_text("{}\n")

    with pytest.raises(Misuse, match=r"is damaged: .*; restore it from pfnlab"):
        known_kernels.write_known(path, known_kernels.known_kernels()[0])

    assert "{}\n" == path.read_text()
