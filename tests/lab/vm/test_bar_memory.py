"""The memory behind a BAR, cleared from outside; the process is this one, and the memory a mapping of it."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from pfnlab.base.units import PAGE_SIZE, PfnRange
from pfnlab.lab.vm.bar_memory import BarMemory

#: The mapping is the middle of a BAR with this first frame.
FIRST, PAGES = 0x800000, 4096


@pytest.fixture
def memory() -> Iterator[mmap.mmap]:
    """Private memory; the bytes that a test stores are its first in their pages."""
    with mmap.mmap(-1, PAGES * PAGE_SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        yield memory


def bar_of(memory: mmap.mmap) -> BarMemory:
    """The BAR that *memory* is."""
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return BarMemory(os.getpid(), PfnRange(FIRST, FIRST + PAGES), start)


def stored(memory: mmap.mmap) -> set[int]:
    """The pages that are not zero."""
    return {page for page in range(PAGES) if any(memory[page * PAGE_SIZE : (page + 1) * PAGE_SIZE])}


def test_what_was_stored_is_zero_and_what_lies_beside_is_kept(memory: mmap.mmap) -> None:
    """A byte at the end of a page, many pages together, and the pages around the range."""
    for page in (9, 10, 700, *range(1000, 1600), 2999, 3000):
        memory[(page + 1) * PAGE_SIZE - 1] = 7

    assert bar_of(memory).clear(PfnRange(FIRST + 10, FIRST + 3000))

    assert {9, 3000} == stored(memory)


def test_more_places_are_cleared_than_one_scan_finds(memory: mmap.mmap) -> None:
    """Every other page."""
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    for page in range(0, PAGES, 2):
        memory[page * PAGE_SIZE] = 7

    assert bar_of(memory).clear(PfnRange(FIRST, FIRST + PAGES))

    assert set() == stored(memory)


def test_pages_that_were_only_read_are_not_written(
    memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They show the host's zero page, as all pages of a guest do whose state was saved."""
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    written = []
    write = os.pwrite
    monkeypatch.setattr(
        os, "pwrite", lambda file, data, at: written.append(len(data)) or write(file, data, at)
    )
    assert set() == stored(memory)
    memory[5 * PAGE_SIZE] = 7

    assert bar_of(memory).clear(PfnRange(FIRST, FIRST + PAGES))

    assert [PAGE_SIZE] == written


def test_frames_outside_the_bar_are_refused(memory: mmap.mmap) -> None:
    """A device that moved has another place."""
    memory[0] = 7

    assert not bar_of(memory).clear(PfnRange(FIRST - 1, FIRST + 1))
    assert {0} == stored(memory)


def test_a_host_that_cannot_tell_pages_apart_clears_nothing(
    memory: mmap.mmap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scan came with Linux 6.7."""

    def unknown(*_: object) -> NoReturn:
        raise OSError(25, "Inappropriate ioctl for device")

    memory[0] = 7
    monkeypatch.setattr(fcntl, "ioctl", unknown)

    assert not bar_of(memory).clear(PfnRange(FIRST, FIRST + 1))
    assert {0} == stored(memory)
