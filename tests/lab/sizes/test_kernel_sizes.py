"""Sizes that were read from the kernels are stored, a file a series."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.policies.known_kernels import known_kernels
from pfnlab.kernel.policies.releases import CONFIRMED, series_of, upstream
from pfnlab.lab.lens.structure_sizes import Hole
from pfnlab.lab.sizes.kernel_sizes import RECORD, SeriesSizes, known_sizes, read_sizes

KEPT = known_sizes()


def test_every_series_is_kept() -> None:
    """All ten, oldest first."""
    assert tuple(CONFIRMED) == tuple(kept.series for kept in KEPT)


@for_each("kept", KEPT, ids=lambda kept: kept.series)
def test_a_kept_kernel_is_a_known_one(kept: SeriesSizes) -> None:
    """And exactly that image was read."""
    (known,) = (one for one in known_kernels() if one.package_version == kept.package_version)

    assert (known.sha256, known.release) == (kept.sha256, kept.release)
    assert series_of(upstream(kept.package_version)) == kept.series
    assert kept.made_by == f"{RECORD} {kept.package_version}"


@for_each("kept", KEPT, ids=lambda kept: kept.series)
def test_what_is_kept_was_read_from_a_guest_too(kept: SeriesSizes) -> None:
    """The cache of VMAs, and those of kmalloc."""
    assert {"vm_area_struct", "mm_struct", "kmalloc-64", "kmalloc-192"} <= set(kept.slabs)
    assert ("vma_lock" in kept.slabs) == ("vma_lock" in kept.structures)


def test_the_sizes_of_the_discussions() -> None:
    """A VMA has 152 bytes in 6.1, and 192 in 7.2."""
    sizes = {kept.series: kept.structures["vm_area_struct"].size for kept in KEPT}

    assert (sizes["6.1"], sizes["6.12"], sizes["7.2"]) == (152, 176, 192)


@for_each("kept", KEPT, ids=lambda kept: kept.series)
def test_members_holes_and_padding_are_the_whole_structure(kept: SeriesSizes) -> None:
    """Of a VMA, whose members are no bit-fields, no byte is counted twice or not at all."""
    vma = kept.structures["vm_area_struct"]

    assert vma.size == (
        sum(member.size for member in vma.members) + sum(hole.size for hole in vma.holes) + vma.padding
    )


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    """With what writes it anew."""
    path = tmp_path / "6.1.json"
    path.write_text("{}")

    with pytest.raises(Misuse, match="record_sizes"):
        read_sizes(path)


def test_a_hole_counts_whole_bytes() -> None:
    """Bits at its ends that fill no byte are left out."""
    hole = msgspec.json.decode(b"[11, 21]", type=Hole)

    assert (hole.offset, hole.size) == (2, 2)
