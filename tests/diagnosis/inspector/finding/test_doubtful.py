"""Entries and mappings that are left out as being in order are in order, page by page."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from inspector.machines import BASE, SIZE, entry, mapping, whole

from pfnlab.diagnosis.inspector.host_snapshot import PciFunction
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pci_regions import Bar

_PAGES = SIZE >> 12
_PARTS = st.tuples(st.integers(0, _PAGES - 1), st.integers(1, 6)).map(
    lambda part: (part[0], min(part[0] + part[1], _PAGES))
)
_ENTRIES = st.lists(_PARTS, max_size=5, unique=True)
_MAPPED = st.lists(_PARTS, max_size=5)


def _pages(parts: list[tuple[int, int]]) -> set[int]:
    return {page for first, last in parts for page in range(first, last)}


def _sizes(**parts: Any) -> Counter[str]:
    # Pages by kind.
    found: Counter[str] = Counter()
    for one in whole(**parts):
        found[one.kind] += one.size >> 12
    return found


@given(_ENTRIES, _MAPPED)
def test_entries_by_who_maps_them(entries: list[tuple[int, int]], mapped: list[tuple[int, int]]) -> None:
    """An entry that nothing maps is a leak, one that is mapped in part is too long by the rest."""
    used = _pages(mapped)
    expected: Counter[str] = Counter()
    for first, last in entries:
        free = set(range(first, last)) - used
        if free:
            kind = "leaked_reservation" if len(free) == last - first else "over_tracking"
            expected[kind] += len(free)

    found = _sizes(
        book=tuple(entry(*part) for part in sorted(entries)),
        mappings=tuple(mapping(*part, pid=at) for at, part in enumerate(mapped)),
    )

    assert expected["leaked_reservation"] == found["leaked_reservation"]
    assert expected["over_tracking"] == found["over_tracking"]


@given(_ENTRIES, _MAPPED, st.sampled_from((CacheMode.WC, CacheMode.UC_MINUS)))
def test_mappings_by_what_is_reserved(
    entries: list[tuple[int, int]], mapped: list[tuple[int, int]], mode: CacheMode
) -> None:
    """A page of a mapping is reserved in the mode asked for, in another, or not at all."""
    reserved = _pages(entries)
    free = sum(len(set(range(*part)) - reserved) for part in mapped)
    other = sum(len(set(range(*part)) & reserved) for part in mapped) if mode is not CacheMode.WC else 0

    found = _sizes(
        book=tuple(entry(*part, mode) for part in sorted(entries)),
        mappings=tuple(mapping(*part, pid=at) for at, part in enumerate(mapped)),
    )

    assert (free, other) == (found["mapping_without_reservation"], found["uc_where_wc_asked"])


#: The BAR of a device for its virtual functions, and two of these functions.
_PHYSICAL = PciFunction(
    "0000:01:00.0", "8086:10fb", "020000", "ixgbe", (Bar(7, BASE, BASE + SIZE, prefetchable=True),)
)


def _virtual(number: int, driver: str | None) -> PciFunction:
    start = BASE + number * 0x8000
    bar = Bar(0, start, start + 0x8000, prefetchable=True)
    return PciFunction(f"0000:01:10.{number}", "8086:10ed", "020000", driver, (bar,))


def test_a_virtual_function_is_in_no_two_bars() -> None:
    """The device's BAR for virtual functions has the function's own in it."""
    both = (_PHYSICAL, _virtual(0, "ixgbevf"), _virtual(1, "ixgbevf"))

    assert Counter[str]() == _sizes(devices=both, book=(entry(0, 4), entry(8, 16)), mappings=())


def test_a_leak_of_a_virtual_function_is_its_own() -> None:
    """The driver of the device itself holds nothing there."""
    [leak] = whole(devices=(_PHYSICAL, _virtual(0, None), _virtual(1, "ixgbevf")), book=(entry(0, 4),))

    assert ("leaked_reservation", "0000:01:10.0", 0) == (leak.kind, leak.device, leak.bar)


def test_the_bar_of_functions_that_are_not_there_is_the_devices() -> None:
    """Nobody made virtual functions."""
    undriven = PciFunction(_PHYSICAL.address, _PHYSICAL.ids, _PHYSICAL.kind, None, _PHYSICAL.bars)

    [leak] = whole(devices=(undriven,), book=(entry(0, 4),), resources=())

    assert (_PHYSICAL.address, 7) == (leak.device, leak.bar)
