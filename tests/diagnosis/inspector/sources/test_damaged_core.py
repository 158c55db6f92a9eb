"""Cores of a real kernel that are damaged, and one that is read as a running kernel is."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

from having import NEW, bootable, have
from litmus_files import litmus_file

from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot
from pfnlab.diagnosis.inspector.sources.core import core_snapshot, deep_snapshot
from pfnlab.lab.lens import LensError
from pfnlab.programs.lang.load import load_program
from tests.guests.known_state import known_state
from tests.guests.shell import shell

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900), pytest.mark.xdist_group(f"kernel-{NEW}")]

#: What is in RAM behind the kernel's image, and how much of it one damage may hit, in bytes.
BEHIND_THE_IMAGE = 80 << 20
MOST = 64 << 20

CASES = 12


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An ELF core of a kernel in which a program runs."""
    kernel = bootable(NEW)
    have(shell)
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "nothing.sh").write_text("echo nothing\n")
    path = folder / "core"
    program = load_program(litmus_file("munmap-middle"))
    known_state(program, kernel, folder / "nothing.sh", path, after=2, form="elf")
    yield path
    path.unlink()


def _without_times(snapshot: Snapshot) -> Snapshot:
    sources = tuple(msgspec.structs.replace(source, seconds=None) for source in snapshot.sources)
    return msgspec.structs.replace(snapshot, origin="", sources=sources)


def test_a_running_kernel_is_read_as_a_core_is(core: Path) -> None:
    """
    Each source has its time, and all else is the same.
    """
    dead, running = core_snapshot(core), deep_snapshot(core)

    assert all(source.seconds is not None for source in running.sources)
    assert not any(source.seconds for source in dead.sources)
    assert _without_times(dead) == _without_times(running)


def _damaged(content: bytes, seed: int) -> bytes:
    # A copy with bytes changed in one of several ways.
    draw, damaged = random.Random(seed), bytearray(content)
    start = draw.randrange(BEHIND_THE_IMAGE, len(damaged))
    end = min(len(damaged), start + draw.randrange(1, MOST))
    way = draw.choice(["zero", "one", "flip", "mix"])
    if way in ("zero", "one"):
        damaged[start:end] = (b"\0" if way == "zero" else b"\xff") * (end - start)
    for _ in range(draw.randrange(200_000)):
        at = draw.randrange(BEHIND_THE_IMAGE // 8, len(damaged) // 8) * 8
        if way == "flip":
            damaged[at] ^= 1 << draw.randrange(8)
        elif way == "mix":
            # Pointers to other structures than before.
            other = draw.randrange(BEHIND_THE_IMAGE // 8, len(damaged) // 8) * 8
            damaged[at : at + 8] = damaged[other : other + 8]
    return bytes(damaged)


@pytest.mark.target("long")
def test_damage_ends_in_a_snapshot_or_one_line(core: Path, tmp_path: Path) -> None:
    """
    Zeroed, overwritten, with flipped bits and mixed pointers; what is missing has a reason of one line.
    """
    content, path = core.read_bytes(), tmp_path / "core"
    parts = 0
    for seed in range(CASES):
        path.write_bytes(_damaged(content, seed))
        try:
            snapshot = core_snapshot(path)
        except LensError as reason:
            assert "\n" not in str(reason)
            continue
        for source in snapshot.sources:
            parts += source.access is not Access.READ
            assert "\n" not in source.why
            assert bool(source.why) == (source.access is not Access.READ)
    assert parts


@pytest.mark.target("long")
def test_a_core_that_ends_early_is_refused(core: Path, tmp_path: Path) -> None:
    """
    Wherever its memory is cut, in one line.
    """
    content, path = core.read_bytes(), tmp_path / "core"
    for keep in (1, 100, 5000, len(content) // 2):
        path.write_bytes(content[:keep])

        with pytest.raises(LensError) as reason:
            core_snapshot(path)

        assert "\n" not in str(reason.value)
