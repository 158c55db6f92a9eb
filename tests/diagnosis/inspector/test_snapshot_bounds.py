"""The bounds of a reading."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.inspector.snapshot_bounds import ORDINARY, SnapshotBounds


def test_the_bounds_that_nobody_asked_for() -> None:
    """64 MiB and two million lines of a file, four and two times as much of all."""
    assert (64 << 20, 2_000_000, 256 << 20, 4_000_000) == (
        *(ORDINARY.bytes, ORDINARY.lines),
        *(ORDINARY.all_bytes, ORDINARY.all_lines),
    )


@for_each(
    ("bounds", "packed", "most"),
    [
        (ORDINARY, 1000, 16 << 20),
        (ORDINARY, 1 << 20, 200 << 20),
        (SnapshotBounds(1), 1000, 16 << 20),
        (SnapshotBounds(128), 1000, 512 << 20),
    ],
)
def test_what_is_packed_has_a_bound(bounds: SnapshotBounds, packed: int, most: int) -> None:
    """200 times its size, or as much as is small; or what was asked for."""
    assert most == bounds.unpacked(packed)


@for_each("lines", [31_250, 31_251])
def test_the_remedy_is_twice_as_much(lines: int) -> None:
    """It is said where a bound is passed, and nothing where it is not."""
    says = SnapshotBounds(1).is_longer(0, lines)

    assert says == ("more than 31,250 lines: `pfnlab inspect --most 2` reads more" if lines > 31_250 else "")
