"""The page of sizes is made of what was read, and what was read is in the kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
import tooling
from for_each import for_each
from having import ASKED, STABLE, bootable, have

from evidence.pages.__main__ import made
from evidence.pages.sizes.series import grouped, price_of, prices_of, room_of_the_move
from pfnlab.kernel.policies.releases import series_of
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.inside import need_lens
from pfnlab.lab.sizes.kernel_sizes import (
    RECORD,
    STRUCTURES,
    SeriesSizes,
    known_sizes,
    sharing,
    structures_of,
    types_of,
)

PAGE = (Path(__file__).parents[3] / "docs" / "sizes.md").read_text(encoding="utf-8")
POLICIES = (Path(__file__).parents[3] / "docs" / "policies.md").read_text(encoding="utf-8")

KEPT = {kept.series: kept for kept in known_sizes()}


def test_the_page_is_current() -> None:
    """Write it anew with ``python -m evidence.pages sizes --write``."""
    assert made("sizes") == PAGE


def test_the_policies_say_where_the_page_is() -> None:
    """Their costs are explained there."""
    assert "(sizes.md)" in POLICIES


def test_neighbours_that_are_alike_are_put_together() -> None:
    """A series that is alike but not next to them is not."""
    alike = {series: "a" if series in ("6.1", "6.12", "7.3") else "b" for series in KEPT}

    found = list(grouped(tuple(KEPT.values()), lambda kept: alike[kept.series]))

    assert found == [("6.1 to 6.12", "a"), ("6.16 to 7.2", "b"), ("7.3", "a")]


@for_each("tracker", [name for name in TRACKERS if TRACKERS[name].BYTES_PER_VMA])
def test_every_tracker_with_a_field_is_on_the_page(tracker: str) -> None:
    """With its bytes."""
    size = TRACKERS[tracker].BYTES_PER_VMA
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| {size} | ")]

    assert any(f"`{tracker}`" in row for row in rows)


def test_a_word_grows_every_vma_where_objects_are_not_aligned() -> None:
    """In 6.1 and 6.12 there is neither a hole nor padding for it."""
    costs = {series: price_of(KEPT[series], 8) for series in ("6.1", "6.12")}

    assert (costs["6.1"].slab_before, costs["6.1"].slab_after) == (152, 160)
    assert (costs["6.12"].slab_before, costs["6.12"].slab_after) == (176, 184)


@for_each("series", [name for name in KEPT if name not in ("6.1", "6.12")])
def test_a_word_is_free_since_vmas_are_aligned(series: str) -> None:
    """Discussion 002 has space without exceeding 192 bytes, in every configuration."""
    cost = price_of(KEPT[series], 8)

    assert (cost.before, cost.after, cost.in_holes, cost.in_padding) == (192, 192, 0, 8)
    assert max(cost.after for cost in prices_of(KEPT[series], 8)) == 192


@for_each("series", [name for name in KEPT if name not in ("6.1", "6.12")])
def test_three_words_are_not(series: str) -> None:
    """`ctx_adjust` makes every VMA a cache line larger."""
    cost = price_of(KEPT[series], TRACKERS["ctx_adjust"].BYTES_PER_VMA)

    assert (cost.slab_before, cost.slab_after) == (192, 256)


@for_each("series", ["6.1", "6.12"])
def test_a_shared_place_is_free_in_some_configurations_and_not_in_all(series: str) -> None:
    """As discussion 003 says; a member of its own is free in none of them."""
    able, unable = sharing(KEPT[series])

    assert able > 0
    assert unable > 0
    assert all(cost.slab_after > cost.slab_before for cost in prices_of(KEPT[series], 8))


@for_each("series", KEPT)
def test_a_hook_for_drivers_has_no_room(series: str) -> None:
    """Their operations are pointers without a gap."""
    operations = KEPT[series].structures["vm_operations_struct"]

    assert (operations.holes, operations.padding) == ((), 0)


def test_a_member_moved_pays_for_a_word_where_vmas_have_locks() -> None:
    """A VMA had 184 bytes until 6.9, and has them with the word, in the 24 configurations that have locks."""
    assert room_of_the_move(KEPT["6.12"]) == (184, 24, 8)


def at_hand(name: str) -> tuple[SeriesSizes, KernelImage]:
    """What is kept of the series of a kernel, and that kernel."""
    if series_of(name) not in KEPT:
        pytest.skip(f"the series of {name} was not read")
    kept, kernel = KEPT[series_of(name)], bootable(name)
    if kernel.version not in (kept.package_version, *kept.alike, *kept.unlike):
        pytest.skip(f"{kernel.label} was not read: `{RECORD} {kernel.version}`")
    return kept, kernel


@pytest.mark.lab
@pytest.mark.parametrize("name", ASKED)
def test_the_structures_of_a_kernel_are_those_kept(name: str) -> None:
    """Read again from its image: sizes, holes, padding and every member, but where it is known to differ."""
    have(need_lens)
    kept, kernel = at_hand(name)

    its = structures_of(types_of(kernel))

    differing = {name for name in STRUCTURES if its.get(name) != kept.structures.get(name)}
    assert differing == set(kept.unlike.get(kernel.version, ()))


@pytest.mark.target("long")
@pytest.mark.lab
@pytest.mark.timeout(300)
@pytest.mark.xdist_group(f"kernel-{STABLE}")
def test_the_slabs_of_a_guest_are_those_kept() -> None:
    """Read again in the memory of a guest; an address space may have another size where that is known."""
    have(need_lens)
    kept, kernel = at_hand(STABLE)

    slabs = tooling.record_sizes().slabs_of(kernel, types_of(kernel))

    differing = {name for name in {*slabs, *kept.slabs} if slabs.get(name) != kept.slabs.get(name)}
    assert differing <= set(kept.unlike.get(kernel.version, ()))
