"""Where programs go inside a guest."""

from __future__ import annotations

from itertools import pairwise

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.base.units import PfnRange
from pfnlab.lab.running.placement import Placement, Windows, bar_mib_given, check_placeable
from pfnlab.programs.lang.device_ops import (
    Bind,
    DriverHow,
    DriverMap,
    MemoryDisable,
    Remove,
    RequestMemRegion,
    RescanMoved,
    VfioReset,
)
from pfnlab.programs.lang.ops import (
    Call,
    Device,
    DeviceKind,
    Mmap,
    Op,
    Program,
    Write,
)
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import ByteRange, Walk
from pfnlab.programs.runs.places import LOWMEM

BAR = PfnRange(0xF8000, 0xF8000 + 256)


def program(*devices: Device, calls: tuple[Call, ...] = ()) -> Program:
    """A program of these devices and calls."""
    return Program("t", "", devices, tuple(Op(call) for call in calls))


def mmap(device: str, pages: int, shared: bool = True) -> Mmap:
    """A mapping of that many pages from the device's start."""
    return Mmap("a", Span(device, 0, pages), "wc", shared, "rw")


def placed(windows: Windows, what: Program) -> Placement:
    """A placement that must exist."""
    placement = windows.place(what)
    assert placement is not None
    return placement


def test_a_device_starts_where_its_window_does() -> None:
    """The first program of a guest gets the first window."""
    placement = placed(Windows(BAR), program(Device("bar", "pci", 16)))

    assert PfnRange(0xF8000, 0xF8010) == placement.places.devices["bar"]


def test_a_read_over_the_end_of_a_device_stays_in_its_window() -> None:
    """The frame behind the device is the program's own."""
    over = Walk("mem_read", Span("a", 0, 1), None, ByteRange(4092, 8))

    placement = placed(Windows(BAR), program(Device("bar", "pci", 64), calls=(over,)))

    assert 128 == placement.windows["bar"].nr


def test_the_next_program_gets_the_next_window() -> None:
    """Windows are multiples of 64 pages."""
    windows = Windows(BAR)
    placed(windows, program(Device("bar", "pci", 65)))

    placement = placed(windows, program(Device("bar", "pci", 1)))

    assert BAR.start + 128 == placement.places.devices["bar"].start


@for_each(
    ("how", "pages", "start"),
    [("remap", 512, 64), ("fault_pmd", 512, 512), ("fault_pud", 512, 512), ("fault_pmd", 511, 64)],
)
def test_a_device_that_may_get_leaves_begins_where_one_fits(how: DriverHow, pages: int, start: int) -> None:
    """
    Windows of devices that hold a leaf of 2 MiB begin at a multiple of it; others follow each other.
    """
    windows = Windows(PfnRange(0xF8000, 0xF8000 + 2048))
    placed(windows, program(Device("other", "pci", 1)))
    driver = Mmap("a", Span("bar", 0, pages), "driver", True, "rw", driver=DriverMap(how))

    placement = placed(windows, program(Device("bar", "pci", pages), calls=(driver,)))

    assert 0xF8000 + start == placement.places.devices["bar"].start


def test_a_device_of_a_gigabyte_begins_where_a_leaf_of_one_fits() -> None:
    """
    Behind another program's window, that is a gigabyte further on.
    """
    giga = 1 << 18
    windows = Windows(PfnRange(4 * giga, 7 * giga))
    placed(windows, program(Device("other", "pci", 1)))
    driver = Mmap("a", Span("bar", 0, 8), "driver", True, "rw", driver=DriverMap("fault_pud"))

    placement = placed(windows, program(Device("bar", "pci", giga), calls=(driver,)))

    assert 5 * giga == placement.places.devices["bar"].start


def test_low_memory_starts_at_page_sixteen() -> None:
    """Devices of kind lowmem lie in RAM below 1 MiB."""
    placement = placed(Windows(BAR), program(Device("low", "lowmem", 4)))

    assert PfnRange(0x10, 0x14) == placement.places.devices["low"]


def test_a_device_mapped_past_its_end_lies_at_the_end_of_the_bar() -> None:
    """Only there is nothing behind its last page, as the program expects."""
    short = Device("bar", "pci", 16)

    placement = placed(Windows(BAR), program(short, calls=(mmap("bar", 17),)))

    assert PfnRange(BAR.end - 16, BAR.end) == placement.places.devices["bar"]


def test_what_lies_behind_the_bar_is_watched_too() -> None:
    """A program at the end of the BAR may leave book entries behind it."""
    short = Device("bar", "pci", 16)

    placement = placed(Windows(BAR), program(short, calls=(mmap("bar", 17),)))

    assert (PfnRange(BAR.end - 64, BAR.end + 64),) == placement.watched


def test_the_last_window_alone_watches_nothing_behind_it() -> None:
    """A program that keeps inside its devices has no business behind the BAR."""
    placement = placed(Windows(BAR), program(Device("bar", "pci", BAR.nr)))

    assert (BAR,) == placement.watched


def test_only_small_devices_are_mapped_past_their_end() -> None:
    """Behind a large BAR lies the channel to the guest, which no program may reach."""
    with pytest.raises(Misuse, match="8 MiB"):
        check_placeable(program(Device("bar", "pci", 4096), calls=(mmap("bar", 4097),)))


def test_a_device_whose_first_page_is_claimed_lies_at_the_start_of_the_bar() -> None:
    """The kernel looks at the BAR's first page: no other window is as good."""
    claim = program(Device("bar", "pci", 4), calls=(RequestMemRegion(Span("bar", 0, 2)),))
    windows = Windows(BAR)

    placement = placed(windows, claim)

    assert placement.places.devices["bar"].start == BAR.start
    assert windows.place(claim) is None


def test_a_device_with_a_driver_lies_at_the_start_of_the_bar() -> None:
    """The claim of a driver that is bound has the first page, whatever the program names."""
    windows = Windows(BAR)

    placement = placed(windows, program(Device("bar", "pci", 4), calls=(Bind("bar"),)))

    assert placement.places.devices["bar"].start == BAR.start


def test_a_device_that_moves_comes_behind_the_bar() -> None:
    """Its second place is watched as the first one is."""
    found = placed(Windows(BAR), program(Device("bar", "pci", 4), calls=(RescanMoved("bar"),)))

    moved = found.places.devices["moved"]
    assert PfnRange(BAR.end, BAR.end + 4) == moved
    assert any(window.contains(moved) for window in found.watched)


def test_a_vfio_device_is_the_beginning_of_the_bar() -> None:
    """The driver takes all of the BAR: what it books for itself is said of the device."""
    opened = program(Device("bar", "pci", 4), calls=(MemoryDisable("bar"),))
    windows = Windows(BAR)

    placement = placed(windows, opened)

    assert placement.places.devices["bar"].start == BAR.start
    assert Span("bar", 0, 4) == placement.places.device_span(*BAR)
    assert windows.place(opened) is None


def test_nothing_is_mapped_past_the_end_of_a_device_that_goes() -> None:
    """What lies behind a slot is not the program's."""
    device = Device("bar", "pci", 4)

    with pytest.raises(Misuse, match="after the slot of bar"):
        check_placeable(program(device, calls=(mmap("bar", 5), Remove("bar"))))
    check_placeable(program(device, calls=(mmap("bar", 4), Remove("bar"))))
    with pytest.raises(Misuse, match="after the slot of moved"):
        check_placeable(program(device, calls=(Remove("bar"), RescanMoved("bar"), mmap("moved", 5))))


def test_a_later_page_may_be_claimed_anywhere() -> None:
    """The second page of a device is no first page of the BAR."""
    claim = program(Device("bar", "pci", 4), calls=(RequestMemRegion(Span("bar", 1, 2)),))
    windows = Windows(BAR)
    placed(windows, claim)

    assert placed(windows, claim).places.devices["bar"].start > BAR.start


def test_no_other_device_beside_a_claimed_first_page() -> None:
    """All devices are windows of one BAR, so the claim would be theirs as well."""
    devices = (Device("one", "pci", 1), Device("two", "pci", 1))

    with pytest.raises(Misuse, match="claims the first page of two"):
        check_placeable(program(*devices, calls=(RequestMemRegion(Span("two", 0, 1)),)))


def test_only_one_device_can_be_last() -> None:
    """Two devices mapped past their ends cannot both lie at the end of the BAR."""
    devices = (Device("one", "pci", 1), Device("two", "pci", 1))

    with pytest.raises(Misuse, match="one and two"):
        check_placeable(program(*devices, calls=(mmap("one", 2), mmap("two", 2))))


def test_too_much_low_memory_is_misuse() -> None:
    """No guest has more pages below 1 MiB to give."""
    with pytest.raises(Misuse, match="lowmem"):
        check_placeable(program(Device("low", "lowmem", LOWMEM.nr + 1)))


def test_too_large_devices_are_misuse() -> None:
    """A device no BAR can hold is refused before anything boots."""
    with pytest.raises(Misuse, match="declare at most"):
        check_placeable(program(Device("bar", "pci", 1 << 28)))


def test_a_full_guest_says_so() -> None:
    """When no window is free there is no placement."""
    windows = Windows(BAR)
    placed(windows, program(Device("bar", "pci", 200)))

    assert windows.place(program(Device("bar", "pci", 100))) is None


def test_a_clean_window_is_handed_out_again() -> None:
    """Nothing was left, so the next program may have the same pages."""
    windows = Windows(BAR)
    what = program(Device("bar", "pci", 16))
    first = placed(windows, what)

    windows.release(first)

    assert first == placed(windows, what)


def test_a_window_with_a_leak_is_not() -> None:
    """A book entry somebody forgot would change what the next program gets."""
    windows = Windows(BAR)
    what = program(Device("bar", "pci", 16))
    first = placed(windows, what)

    windows.release(first, [PfnRange(0xF8004, 0xF8008)])

    assert BAR.start + 64 == placed(windows, what).places.devices["bar"].start


def test_a_leak_costs_only_its_own_window() -> None:
    """The other device's window is free again."""
    windows = Windows(BAR)
    what = program(Device("one", "pci", 16), Device("two", "pci", 16))
    first = placed(windows, what)

    windows.release(first, [PfnRange(0xF8000, 0xF8008)])

    assert first.windows["two"] == placed(windows, program(Device("bar", "pci", 1))).windows["bar"]


def test_a_written_window_is_not_handed_out_again() -> None:
    """BAR memory keeps what was stored, and a program expects it to be zero."""
    windows = Windows(BAR)
    what = program(Device("bar", "pci", 16))
    first = placed(windows, what)

    windows.release(first, written={"bar"})

    assert first != placed(windows, what)


def test_stores_to_private_mappings_leave_the_device_alone() -> None:
    """Only a shared mapping carries a store to the device."""
    store = Write(Span("a", 0, 1), 1)

    assert frozenset() == program(calls=(mmap("bar", 1, shared=False), store)).needs.stored_to
    assert frozenset({"bar"}) == program(calls=(mmap("bar", 1), store)).needs.stored_to


@for_each("pages, mib", [(1, 256), (65_537, 512), (131_073, 4096), (1 << 20, 4096), ((1 << 20) + 1, 16_384)])
def test_large_bars_have_few_sizes(pages: int, mib: int) -> None:
    """Up to 512 MiB as large as needed, so below 4 GiB; then one of two sizes."""
    assert mib == bar_mib_given(program(Device("bar", "pci", pages)))


@for_each("pages, mib", [(131_073, 4096), ((1 << 20) + 1, 8192)])
def test_a_device_with_resets_shares_guests_up_to_a_size(pages: int, mib: int) -> None:
    """Such a guest takes seconds to boot; above 4 GiB its memory is as large as needed."""
    assert mib == bar_mib_given(program(Device("bar", "pci", pages), calls=(VfioReset("bar"),)))


DEVICES = st.lists(st.tuples(st.sampled_from(["pci", "lowmem"]), st.integers(1, 130)), min_size=1, max_size=3)


@given(st.lists(st.tuples(DEVICES, st.none() | st.integers(0, 7)), max_size=8))
def test_windows_of_programs_at_work_are_disjoint(
    programs: list[tuple[list[tuple[DeviceKind, int]], int | None]],
) -> None:
    """Whatever was released before, no two programs at work share a page, and each device is inside."""
    windows = Windows(PfnRange(0x1000, 0x1000 + 1024))
    at_work: list[Placement] = []
    for shapes, ended in programs:
        what = program(
            *(
                Device(f"d{number}", kind, pages if kind == "pci" else 1 + pages % 8)
                for number, (kind, pages) in enumerate(shapes)
            )
        )
        placement = windows.place(what)
        if placement is not None:
            at_work.append(placement)
        if at_work and ended is not None:
            windows.release(at_work.pop(ended % len(at_work)))
        held = sorted(window for one in at_work for window in one.windows.values())
        assert all(one.end <= other.start for one, other in pairwise(held))
        for one in at_work:
            assert all(one.windows[name].contains(pfns) for name, pfns in one.places.devices.items())


def test_what_a_guest_has_once_is_one_programs() -> None:
    """Two programs with an isa device do not share a guest at the same time, whatever their sizes."""
    windows = Windows(BAR)
    small, large = program(Device("hole", "isa", 1)), program(Device("hole", "isa", 0x70))
    placement = placed(windows, small)

    assert windows.place(large) is None
    windows.release(placement)
    assert PfnRange(0x98, 0x108) == placed(windows, large).places.devices["hole"]


def test_an_entry_left_spoils_the_guest() -> None:
    """The next program with that device needs another guest, others do not."""
    windows = Windows(BAR)
    what = program(Device("hole", "isa", 16))

    windows.release(placed(windows, what), [PfnRange(0x9E, 0xA2)])

    assert windows.place(what) is None
    assert windows.place(program(Device("low", "lowmem", 4))) is not None


def test_the_top_ends_with_the_physical_addresses() -> None:
    """Of 46 bits the last pages are others than of 40."""
    what = program(Device("last", "top", 4))

    assert PfnRange((1 << 28) - 4, 1 << 28) == placed(Windows(BAR), what).places.devices["last"]
    wide = placed(Windows(BAR, phys_bits=46), what)
    assert PfnRange((1 << 34) - 4, 1 << 34) == wide.places.devices["last"]


def test_the_limit_ends_with_all_bits() -> None:
    """The limit device ends at 2^52, and only a guest with so wide a processor is asked for it."""
    what = program(Device("last", "limit", 4))

    assert PfnRange((1 << 40) - 4, 1 << 40) == placed(Windows(BAR, phys_bits=52), what).places.devices["last"]
    assert [True, False] == [what.needs.wide, program(Device("last", "top", 4)).needs.wide]


def test_what_takes_no_store_is_never_written() -> None:
    """A store to where nothing answers is lost, so that the guest is as it was."""
    store = Write(Span("a", 0, 1), 1)

    assert frozenset() == program(Device("last", "top", 4), calls=(mmap("last", 1), store)).needs.stored_to
