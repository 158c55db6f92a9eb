"""Where devices and areas lie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.units import PfnRange
from pfnlab.programs.lang.areas import area_starts
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Area, Device, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.text import parse
from pfnlab.programs.runs.places import PAST_END_PAGES, Places, bar_mib_for, ranks_of

PLACES = Places(
    devices={"bar": PfnRange(0x1000, 0x1010), "low": PfnRange(0x10, 0x14)},
    areas={"a": (100, 16), "b": (1000, 4)},
)


def test_pages_inside_a_device_are_counted_from_its_start() -> None:
    """A range inside a device is said in pages of that device."""
    assert Span("bar", 4, 8) == PLACES.device_span(0x1004, 0x1008)


def test_a_range_past_the_end_keeps_counting() -> None:
    """A range that starts in a device and ends past it keeps counting pages of that device."""
    assert Span("low", 2, 6) == PLACES.device_span(0x12, 0x16)


def test_pages_shortly_past_the_end_still_count_from_the_device() -> None:
    """A range that starts right behind a device is said in pages of it, so machines agree on the name."""
    assert Span("bar", 16, 20) == PLACES.device_span(0x1010, 0x1014)


def test_pages_far_behind_a_device_are_physical() -> None:
    """Behind the pages that still count from a device the absolute number is given."""
    first = 0x1010 + PAST_END_PAGES

    assert Span("phys", first, first + 1) == PLACES.device_span(first, first + 1)


def test_pages_far_behind_the_only_device_count_from_it_where_the_program_names_them() -> None:
    """So they have one name on machines where the device lies elsewhere."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 16 pages\na = mmap bar[4096:4098] devmem shared r\n"
    )

    places = Places.of(program, {"bar": PfnRange(0x1000, 0x1010)})

    assert Span("bar", 4096, 4098) == places.device_span(0x2000, 0x2002)
    assert Span("phys", 0x2002, 0x2003) == places.device_span(0x2002, 0x2003)


def test_a_range_that_starts_before_a_device_is_physical() -> None:
    """A range that starts outside all devices is said absolutely even when it reaches one."""
    assert Span("phys", 0xFFF, 0x1002) == PLACES.device_span(0xFFF, 0x1002)


def test_a_device_right_behind_another_keeps_its_own_name() -> None:
    """Pages of a device are its own, however close the device before it ends."""
    places = Places(devices={"one": PfnRange(0, 4), "two": PfnRange(4, 8)})

    assert Span("two", 0, 1) == places.device_span(4, 5)


def test_overlap_with_a_device_may_start_before_it() -> None:
    """A range that merely reaches into a device overlaps it."""
    assert PLACES.overlaps_device(0xFFF, 0x1001)
    assert not PLACES.overlaps_device(0x1010, 0x1011)


def test_virtual_pages_are_counted_from_the_area() -> None:
    """Virtual pages inside an area are said in pages of it."""
    assert Span("b", 1, 3) == PLACES.area_span(1001, 1003)


def test_virtual_pages_past_the_area_keep_counting() -> None:
    """A mapping that grew past its area is still named after it."""
    assert Span("a", 8, 32) == PLACES.area_span(108, 132)


def test_virtual_pages_outside_all_areas_have_no_name() -> None:
    """Mappings the process made by itself are nobody's."""
    assert PLACES.area_span(116, 117) is None


def test_a_flush_counts_from_the_first_area_it_meets() -> None:
    """Page tables are flushed from the first address they stand for, which may lie before all areas."""
    assert Span("a", 0, 4) == PLACES.flushed_span(0, 104)


def test_a_flush_that_goes_on_to_another_area_keeps_counting() -> None:
    """One flush of two areas has one name."""
    assert Span("a", 2, 902) == PLACES.flushed_span(102, 1002)


def test_a_flush_ends_with_the_last_area_it_meets() -> None:
    """How far the process' own memory is away says nothing of the program."""
    assert Span("b", 1, 4) == PLACES.flushed_span(1001, 1 << 35)


def test_a_flush_between_areas_has_no_name() -> None:
    """It is one of the process' own memory."""
    assert PLACES.flushed_span(116, 1000) is None


def test_areas_of_a_program_lie_where_they_always_do() -> None:
    """The areas of a program start at the same page on every machine, with the pages it may name."""
    program = Program("t", "", (Device("bar", "pci", 16),), (), (Area("a", 64),))

    places = Places.of(program, {"bar": PfnRange(1, 17)})

    assert {"a": (area_starts(program)["a"], 64)} == dict(places.areas)


@given(st.integers(0, 0x2000), st.integers(1, 64))
def test_spans_keep_their_length(start: int, pages: int) -> None:
    """Whatever a range is called, it has as many pages as before."""
    assert pages == PLACES.device_span(start, start + pages).pages


def test_the_book_is_told_by_kinds_of_devices() -> None:
    """Low memory, the ISA hole, BARs as the program names them, and the top."""
    program = parse(
        "pfnlab program 1\ndevice last: top, 1 page\ndevice b: pci, 1 page\ndevice c: pci, 1 page\n"
        "device hole: isa, 1 page\ndevice low: lowmem, 1 page\nlook\n"
    )

    assert ["low", "hole", "b", "c", "moved", "last"] == sorted(
        ranks_of(program), key=ranks_of(program).__getitem__
    )


def test_the_bar_is_a_power_of_two_mib() -> None:
    """Two devices of 1 MiB and a bit need 4 MiB."""
    devices = (Device("one", "pci", 257), Device("two", "pci", 257))

    assert 4 == bar_mib_for(Program("", "", devices, ()))
