"""Variations: programs whose mappings are all changed in the same way."""

from __future__ import annotations

from for_each import for_each

from pfnlab.hunt.fuzz.variations import VARIATIONS, doubled
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.printer import op_lines

HEADER = "pfnlab program 1\ndevice bar: pci, 16 pages\n"
PROGRAM = "a = mmap bar[2:4] wc shared rw\nread a[1]\nb = mmap anon[0:2] private rw\n"


def test_twice_the_pages() -> None:
    """An access stays one of a single page, at twice its place."""
    twice = doubled(load_text(HEADER + PROGRAM))

    assert twice is not None
    assert [32] == [device.pages for device in twice.devices]
    assert ["a = mmap bar[4:8] wc shared rw", "read a[2]", "b = mmap anon[0:4] private rw"] == op_lines(twice)


@for_each(
    ("number", "mapped"),
    [
        (1, "a = mmap bar[2:4] uc shared rw"),
        (2, "a = mmap bar[2:4] wc private rw"),
        (3, "a = mmap bar[2:4] wc shared rw populate"),
    ],
)
def test_one_respect_of_every_mapping_of_a_device(number: int, mapped: str) -> None:
    """Ordinary memory stays as it is."""
    varied = VARIATIONS[number](load_text(HEADER + PROGRAM))

    assert varied is not None
    assert [mapped, "read a[1]", "b = mmap anon[0:2] private rw"] == op_lines(varied)


@for_each("number", [1, 2, 3])
def test_a_program_that_stays_the_same_is_no_variation(number: int) -> None:
    """It maps no device."""
    assert None is VARIATIONS[number](load_text(HEADER + "a = mmap anon[0:2] private rw\n"))


def test_what_would_be_no_program_is_no_variation() -> None:
    """An area has so many pages and no more."""
    largest = load_text(HEADER + "area a: 4 TiB\na = mmap bar[0] wc shared rw\n")

    assert None is doubled(largest)
