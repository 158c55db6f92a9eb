"""The agent's answers for walkers, in the words of observations."""

from __future__ import annotations

import pytest

from pfnlab.base.units import PfnRange
from pfnlab.lab.running.walked import read_walk
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import ByteRange, ProcessVmReadv, Status, Walk, Walker
from pfnlab.programs.runs.places import Places

PLACES = Places({"bar": PfnRange(0xF8000, 0xF8010)}, {"a": (1 << 32, 8)})


@pytest.mark.parametrize(
    ("walker", "reply", "value"),
    [
        ("mem_read", "7", 7),
        ("move_pages", "0en1", "node0 EFAULT ENOENT node1"),
        ("pagemap", "000001103103", "- soft-dirty present+exclusive+soft-dirty present+exclusive+soft-dirty"),
        ("pagemap", "1ff", "present+swapped+file+guard+uffd-wp+exclusive+soft-dirty"),
        ("numa_maps", "100000000000 anon=2 dirty=1 N0=2", "a[0] anon=2 dirty=1 N0=2"),
        ("numa_maps", "100000000000 anon=2 100000002000 N0=2", "a[0] anon=2; a[2] N0=2"),
        ("smaps", "100000000000-100000004000 16", "a[0:4] Rss=16"),
        ("smaps_rollup", "16 8", "Rss=16 Anonymous=8"),
        ("pagemap_scan", "0 1 138 2 4 128", "a[0:1] present+written+soft-dirty; a[2:4] soft-dirty"),
        ("smaps", "100000000000-100000001000 0 100000002000-100000003000 4", "a[0:1] Rss=0; a[2:3] Rss=4"),
    ],
)
def test_a_reply_is_read(walker: Walker, reply: str, value: int | str) -> None:
    """Letters, digits and lines become words and names."""
    assert value == read_walk(Walk(walker, Span("a", 0, 4)), reply.split(), PLACES)


@pytest.mark.parametrize(
    ("line", "reply", "value"),
    [
        (Walk("mem_read", Span("a", 0, 1), None, ByteRange(0, 20)), "14 0*10 7+4", "20 bytes: 00*16 07+4"),
        (Walk("mem_write", Span("a", 0, 1), 7, ByteRange(0, 20)), "14", "20 bytes"),
        (ProcessVmReadv(Span("a", 0, 1), ByteRange(0, 20)), "1 7*1", "1 byte: 07"),
    ],
)
def test_bytes_are_read(line: Walk | ProcessVmReadv, reply: str, value: str) -> None:
    """How many were moved, and which."""
    assert value == read_walk(line, reply.split(), PLACES)


@pytest.mark.parametrize("reply", ["16 0", "N 0"])
def test_counters_are_read(reply: str) -> None:
    """N stands where the number is the machine's own."""
    assert f"VmLck={reply.split()[0]} VmPin=0" == read_walk(Status(), reply.split(), PLACES)


@pytest.mark.parametrize(
    ("walker", "reply"),
    [
        *(("move_pages", "?"), ("pagemap", "xyz"), ("numa_maps", "1000 anon=1"), ("mem_read", "seven")),
        *(("smaps", "1000-2000 4"), ("smaps", "100000000000-100000001000"), ("smaps", "100000000000 4")),
        *(("pagemap_scan", "0 1"), ("pagemap_scan", "0 1 1"), ("pagemap_scan", "0 1 x")),
        *(("smaps_rollup", "16"), ("smaps_rollup", "16 x")),
    ],
)
def test_what_makes_no_sense_is_refused(walker: Walker, reply: str) -> None:
    """A reply is not guessed at."""
    with pytest.raises(ValueError, match=r"."):
        read_walk(Walk(walker, Span("a", 0, 4)), reply.split(), PLACES)
