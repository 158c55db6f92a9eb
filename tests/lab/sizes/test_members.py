"""The configurations that a kernel may have."""

from __future__ import annotations

from pfnlab.lab.sizes.kernel_sizes import configurations, known_sizes


def test_no_option_is_on_without_the_one_it_needs() -> None:
    """Automatic NUMA balancing needs NUMA, which needs more than one processor."""
    members = known_sizes()[-1].structures["vm_area_struct"].members

    found = list(configurations(members))

    assert all("NUMA" in on for on in found if "NUMA_BALANCING" in on)
    assert all("PER_VMA_LOCK" in on for on in found if "NUMA" in on)
    assert len(found) == len(set(found)) == 8 + 3 * 8
