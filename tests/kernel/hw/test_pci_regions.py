"""Regions of PCI devices as files ``resource`` have them."""

from __future__ import annotations

from pfnlab.kernel.hw.pci_regions import Bar, bars

MEMORY = b"0x00000000e0000000 0x00000000efffffff 0x000000000014220c\n"
PORTS = b"0x000000000000e000 0x000000000000e03f 0x0000000000040101\n"
UNSET = b"0x0000000000000000 0x0000000000003fff 0x0000000020040200\n"
NONE = b"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"


def test_only_regions_in_memory_that_have_a_place_are_bars() -> None:
    """The numbers are those of the lines."""
    assert (Bar(1, 0xE0000000, 0xF0000000, True),) == bars(PORTS + MEMORY + UNSET + NONE * 10, bridge=False)


def test_windows_of_a_bridge_are_no_bars() -> None:
    """They are the last four lines; of another device those are of virtual functions."""
    lines = NONE * 13 + MEMORY * 4

    assert ((), 4) == (bars(lines, bridge=True), len(bars(lines, bridge=False)))
