"""Findings about reservations: owners decide."""

from __future__ import annotations

from typing import Any

import msgspec
from for_each import for_each
from inspector.machines import ADDRESS, BASE, DEVICE, SIZE, entries, entry, found, mapping, whole

from pfnlab.diagnosis.inspector.host_snapshot import (
    Access,
    Bar,
    DirectAlias,
    IomemLine,
    MtrrRegister,
    PciFunction,
    Process,
    Reservation,
    SnapshotSource,
)
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType


def test_an_entry_without_an_owner_is_leaked() -> None:
    """No driver, no mapping, no claim: the finding has size, device, BAR and the bug of this kernel."""
    (leak,) = whole(book=(entry(0, 8),))

    assert ("leaked_reservation", 0x8000, ADDRESS, 2) == (leak.kind, leak.size, leak.device, leak.bar)
    assert "A06" in [bug.id for bug in leak.bugs]


def test_a_leak_of_a_kernel_that_counts_is_no_bug_of_a_split() -> None:
    """6.16 has A06 no more: the same leak has another cause there."""
    (leak,) = whole(book=(entry(0, 8),), kernel="6.16.3")

    assert "A06" not in [bug.id for bug in leak.bugs]


def test_entries_of_one_bar_are_one_finding() -> None:
    """Two pieces are added up."""
    (leak,) = whole(book=(entry(0, 2), entry(4, 8)))

    assert (2, 0x6000) == (leak.count, leak.size)


def test_what_is_mapped_is_not_leaked() -> None:
    """A process has it."""
    assert [] == found(book=(entry(0, 8),), mappings=(mapping(0, 8),))


def test_what_a_driver_may_hold_is_not_leaked() -> None:
    """A bound driver can reserve without any mapping."""
    assert [] == found(book=(entry(0, 8),), devices=(msgspec.structs.replace(DEVICE, driver="bochs-drm"),))


def test_a_stand_in_holds_nothing() -> None:
    """vfio-pci without an open group has no reservation of its own."""
    held = msgspec.structs.replace(DEVICE, driver="vfio-pci", group="5")

    assert ["leaked_reservation"] == found(book=(entry(0, 8),), devices=(held,))
    assert [] == found(
        book=(entry(0, 8),), devices=(held,), processes=(Process(9, "qemu", ("/dev/vfio/5",)),)
    )


def test_what_was_claimed_is_not_leaked() -> None:
    """A resource in the BAR has an owner who may have mapped it."""
    claim = IomemLine(BASE, BASE + SIZE, "BOOTFB", 2)

    assert [] == found(book=(entry(0, 16),), resources=(claim,))


def test_what_the_kernel_maps_is_not_leaked() -> None:
    """An ioremap of it is seen in the kernel's own page tables."""
    assert [] == found(
        book=(entry(0, 8),), aliases=(DirectAlias(BASE, BASE + 0x8000, CacheMode.WC, "ioremap"),)
    )


def test_without_the_mappings_nothing_is_called_leaked() -> None:
    """Whoever could not read other processes' mappings cannot say that nobody maps it."""
    refused = (SnapshotSource("/proc/*/smaps", Access.CUT, "not root"),)

    assert ["perhaps_leaked"] == found(book=(entry(0, 8),), sources=refused)
    assert ["perhaps_leaked"] == found(book=(entry(0, 8),), mappings=None)


@for_each("name", ["mappings", "processes", "/proc/*/fd", "resource tree"])
def test_a_part_that_was_cut_leaves_owners_out(name: str) -> None:
    """Who maps or claims the range may be in what was not read, of a core too."""
    cut = (SnapshotSource(name, Access.CUT, "a page is not in the core"),)

    assert ["perhaps_leaked"] == found(book=(entry(0, 8),), sources=cut)


def test_without_the_resources_nothing_is_called_leaked() -> None:
    """Who claims the range is not known."""
    assert ["perhaps_leaked"] == found(book=(entry(0, 8),), resources=None)


def test_entries_outside_of_bars_are_nobodys_business() -> None:
    """Firmware and platform reserve; that they nest and repeat is normal."""
    platform = entry(0x1000, 0x1001, CacheMode.UC_MINUS)

    assert [] == found(book=(platform, platform))


def test_a_part_that_is_unmapped_stays_reserved() -> None:
    """A note: the rest is mapped."""
    (note,) = whole(book=(entry(0, 16),), mappings=(mapping(0, 4), mapping(8, 16)))

    assert ("over_tracking", 0x4000) == (note.kind, note.size)


def test_an_entry_over_two_bars() -> None:
    """It begins in one BAR and ends in another."""
    other = PciFunction("0000:00:05.0", "1:2", "020000", "e1000", (Bar(0, BASE + SIZE, BASE + 2 * SIZE),))
    book = (entry(8, 24, CacheMode.UC_MINUS),)

    assert ["spans_bars"] == found(book=book, devices=(DEVICE, other))


def test_a_resource_over_two_bars_is_a_window() -> None:
    """An entry of exactly a resource has a reason."""
    other = PciFunction("0000:00:05.0", "1:2", "020000", "e1000", (Bar(0, BASE + SIZE, BASE + 2 * SIZE),))
    window = IomemLine(BASE, BASE + 2 * SIZE, "PCI Bus 0000:01")

    assert [] == found(book=(entry(0, 32),), devices=(DEVICE, other), resources=(window,))


def test_lines_of_the_log_are_evidence() -> None:
    """A free that failed there says who did it."""
    line = "x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"

    (leak,) = whole(book=(entry(0, 8),), log=("unrelated", line))

    assert [line] == [one.line for one in leak.evidence if one.source == "kernel log"]


@for_each(
    "line",
    [
        "[    9.000000] x86/PAT: Xorg:1234 freeing invalid memtype [mem 0x1f8000000-0x1f8003fff]",
        "[    9.000000] x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8008000-0xf800bfff]",
        "[  f8.000000] x86/PAT: f80:1234 freeing invalid memtype [mem 0x1000-0x1fff]",
    ],
)
def test_a_line_of_another_range_is_no_evidence(line: str) -> None:
    """Its numbers may look alike."""
    (leak,) = whole(book=(entry(0, 8),), log=(line,))

    assert [] == [one for one in leak.evidence if one.source == "kernel log"]


def test_old_wordings_are_evidence_too() -> None:
    """Up to 3.4 the range has no frame."""
    line = "[    9.000000] Xorg:1234 freeing invalid memtype f8004000-f8008000"

    (leak,) = whole(book=(entry(0, 8),), log=(line,))

    assert [line] == [one.line for one in leak.evidence if one.source == "kernel log"]


def test_a_whole_mapping_has_no_note() -> None:
    """Entries of page tables count as the file's offsets do."""
    all_of_it = mapping(0, 16, entries=entries(0, 16, CacheMode.WC))

    assert [] == found(book=(entry(0, 16),), mappings=(all_of_it,))


APERTURE = 0x38_0000_0000


def test_a_large_uncached_entry_of_a_prefetchable_bar_is_a_finding() -> None:
    """Its driver did not ask for write-combining; a small entry, or another BAR, may be registers."""
    card = _card()

    assert ["uncached_prefetchable"] == _of_aperture(card)
    assert [] == _of_aperture(card, size=64 << 20)
    assert [] == _of_aperture(card, mode=CacheMode.WC)
    assert [] == _of_aperture(_card(prefetchable=False))


def test_a_bar_for_a_guest_is_rightly_uncached() -> None:
    """vfio-pci maps all of a BAR that way."""
    assert "uncached_prefetchable" not in _of_aperture(_card(driver="vfio-pci"))


def test_an_mtrr_may_make_an_uncached_bar_write_combining() -> None:
    """Then nothing is slow."""
    combining = MtrrRegister(APERTURE, APERTURE + (256 << 20), MtrrType.WC)

    assert ["mtrr_decides"] == _of_aperture(_card(), mtrrs=(combining,))


def _card(*, driver: str = "carddrm", prefetchable: bool = True) -> PciFunction:
    bar = Bar(1, APERTURE, APERTURE + (256 << 20), prefetchable=prefetchable)
    return PciFunction("0000:65:00.0", "1234:2222", "030000", driver, (bar,))


def _of_aperture(
    card: PciFunction, *, size: int = 256 << 20, mode: CacheMode = CacheMode.UC_MINUS, **parts: Any
) -> list[str]:
    """The kinds of findings if one entry reserves the first bytes of the card's BAR."""
    return found(book=(Reservation(APERTURE, APERTURE + size, mode),), devices=(card,), **parts)
