"""A bundle holds what the snapshot reads, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fake_root import write
from for_each import for_each
from same_snapshots import facts

from pfnlab.base.errors import Misuse
from pfnlab.diagnosis.inspector.sources.bundle import Bundle
from pfnlab.diagnosis.inspector.sources.collecting import collect
from pfnlab.diagnosis.inspector.sources.origins import open_origin
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder
from pfnlab.diagnosis.inspector.sources.sosreport import SosFolder


@for_each("name", ["bundle", "bundle.gz"])
def test_a_bundle_makes_the_same_snapshot(machine_root: Path, tmp_path: Path, name: str) -> None:
    """As the machine did when it was collected, packed or not."""
    path = tmp_path / name

    found = collect(path, RootFolder(machine_root))

    assert facts(found) == facts(open_origin(path))


def test_a_bundle_of_a_bundle_is_the_same(machine_root: Path, tmp_path: Path) -> None:
    """In all that a snapshot has."""
    first, second = tmp_path / "a", tmp_path / "b"
    collect(first, RootFolder(machine_root))

    collect(second, Bundle.at(first))

    assert facts(open_origin(first)) == facts(open_origin(second))


@for_each("words", [b"/usr/bin/Xorg", b".xsession", b"CONFIG_USB", b"kthread", b"Rss:", b"[vvar"])
def test_what_no_snapshot_needs_is_not_collected(machine_root: Path, tmp_path: Path, words: bytes) -> None:
    """Other VMAs, files, options and processes."""
    path = tmp_path / "bundle"

    collect(path, RootFolder(machine_root))

    assert words not in path.read_bytes()


def test_places_of_bars_in_configuration_space_are_not_collected(machine_root: Path, tmp_path: Path) -> None:
    """The first sixteen bytes have no address."""
    write(machine_root, "sys/bus/pci/devices/0000:00:02.0/config", bytes(16) + b"\xab" * 48)
    path = tmp_path / "bundle"

    collect(path, RootFolder(machine_root))

    assert b" ab" not in path.read_bytes()


def test_a_report_becomes_a_bundle(machine_root: Path, tmp_path: Path) -> None:
    """With other names and addresses too."""
    write(machine_root, "sos_commands/kernel/uname_-a", "Linux farhost 6.1.0 #1\n")
    path = tmp_path / "bundle"

    found = collect(path, SosFolder(machine_root), redact=True)

    other = open_origin(path)
    assert (len(found.book or ()), "host") == (len(other.book or ()), other.host)


def test_times_of_a_bundle_are_those_of_its_files(machine_root: Path, tmp_path: Path) -> None:
    """To a thousandth of a second."""
    path = tmp_path / "bundle"

    found = collect(path, RootFolder(machine_root))

    assert abs(found.apart - open_origin(path).apart) < 0.01


def test_a_bundle_that_cannot_be_written_is_said(machine_root: Path, tmp_path: Path) -> None:
    """In one line."""
    with pytest.raises(Misuse, match="cannot be written"):
        collect(tmp_path / "no" / "bundle", RootFolder(machine_root))


def test_only_the_bundle_is_written(machine_root: Path, tmp_path: Path) -> None:
    """No other file comes or changes."""

    def state() -> set[tuple[str, float]]:
        return {
            (os.path.join(folder, name), os.lstat(os.path.join(folder, name)).st_mtime)
            for folder, _, names in os.walk(tmp_path)
            for name in names
        }

    before = state()

    collect(tmp_path / "bundle", RootFolder(machine_root))

    assert [str(tmp_path / "bundle")] == [name for name, _ in state() - before]
