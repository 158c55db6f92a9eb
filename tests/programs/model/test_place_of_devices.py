"""Where the devices of a program lie on the model's machine: below 4 GiB where a guest has them there."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.units import phys_to_pfn
from pfnlab.programs.lang.device_ops import DriverMap
from pfnlab.programs.lang.ops import Device, Mmap, Op, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import place
from pfnlab.programs.runs.places import LOW_BAR_MIB, bar_mib_for

_FOUR_GIB = phys_to_pfn(1 << 32)
_LOW_PAGES = LOW_BAR_MIB << 8


def _program(sizes: list[int], *, leaves: bool = False) -> Program:
    devices = tuple(Device(f"bar{number}", "pci", pages) for number, pages in enumerate(sizes))
    how = DriverMap("fault_pmd") if leaves else DriverMap("remap")
    mapped = Mmap("a", Span("bar0", 0, 1), "driver", shared=True, prot="rw", driver=how)
    return Program("", "", devices, (Op(mapped),))


_SIZES = st.one_of(
    st.integers(1, 2 * _LOW_PAGES),
    st.integers(_LOW_PAGES - 65, _LOW_PAGES + 65),
    st.sampled_from([24_575, 24_576, 24_577, _LOW_PAGES, _LOW_PAGES + 1]),
)


@given(st.lists(_SIZES, min_size=1, max_size=5), st.booleans())
def test_devices_lie_below_4_gib_where_512_mib_hold_them(sizes: list[int], leaves: bool) -> None:
    """As in a guest, whose windows of devices are parts of one BAR."""
    program = _program(sizes, leaves=leaves)
    low = bar_mib_for(program) <= LOW_BAR_MIB

    _, places, _ = place(program)

    assert {low} == {pfns.end <= _FOUR_GIB for pfns in places.values()}
    assert {not low} == {pfns.start >= _FOUR_GIB for pfns in places.values()}


@given(st.lists(st.integers(1, 5000), min_size=2, max_size=5), st.booleans())
def test_devices_are_disjoint(sizes: list[int], leaves: bool) -> None:
    """In the order of the program."""
    _, places, _ = place(_program(sizes, leaves=leaves))

    assert all(left.end <= right.start for left, right in pairwise(places.values()))


def test_two_thousand_small_devices_fit_below_4_gib() -> None:
    """Each has a window of 64 pages, and nothing between them."""
    _, places, _ = place(_program([64] * (_LOW_PAGES // 64)))

    assert max(pfns.end for pfns in places.values()) <= _FOUR_GIB
