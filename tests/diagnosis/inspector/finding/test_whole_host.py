"""Findings about the machine as a whole."""

from __future__ import annotations

from typing import Any

import msgspec
from for_each import for_each
from inspector.machines import BASE, DEVICE, SIZE, entry, found, snapshot, whole

from pfnlab.diagnosis.inspector.host_snapshot import Access, IomemLine, MtrrRegister, SnapshotSource
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pci_regions import Bar

_FRAMEBUFFER = (IomemLine(BASE, BASE + SIZE, "BOOTFB", 2),)


def test_a_boot_framebuffer_in_the_way() -> None:
    """The device is to be given away, and its BAR is claimed."""
    given = (msgspec.structs.replace(DEVICE, driver="vfio-pci"),)

    assert ["claimed_by_another"] == found(devices=given, resources=_FRAMEBUFFER)


def test_a_boot_framebuffer_under_its_driver_is_healthy() -> None:
    """A display driver's device may still have it."""
    used = (msgspec.structs.replace(DEVICE, driver="i915"),)

    assert [] == found(devices=used, resources=_FRAMEBUFFER)


def test_the_stand_ins_own_claim_is_no_other() -> None:
    """vfio-pci claims what it gives away."""
    given = (msgspec.structs.replace(DEVICE, driver="vfio-pci"),)

    for name in ("vfio-pci", "vfio", "vfio sub-page reserved"):
        assert [] == found(devices=given, resources=(IomemLine(BASE, BASE + SIZE, name, 2),))


def test_the_copy_of_a_rom_is_in_nobodys_way() -> None:
    """The firmware leaves a display's ROM below 1 MiB, and the kernel claims it as RAM it must not use."""
    shadow = Bar(6, 0xC0000, 0xE0000)
    given = (msgspec.structs.replace(DEVICE, driver="vfio-pci", bars=(*DEVICE.bars, shadow)),)

    assert [] == found(devices=given, resources=(IomemLine(0xC0000, 0xC9C00, "Video ROM"),))


def test_hidden_addresses_are_said() -> None:
    """A note, no more."""
    hidden = (SnapshotSource("/proc/iomem", Access.HIDDEN), SnapshotSource("/proc/*/smaps", Access.READ))

    assert ["iomem_hidden"] == found(sources=hidden)


@for_each(
    ("parts", "line"),
    [
        ({"options": "quiet nopat"}, "nopat"),
        ({"config": {"CONFIG_X86_PAT": "n"}}, "# CONFIG_X86_PAT is not set"),
        ({"processor": ("mtrr",)}, "flags without pat"),
    ],
)
def test_pat_that_is_off_says_why(parts: dict[str, Any], line: str) -> None:
    """The command line, the configuration and the processor decide, also where the boot log is gone."""
    (one,) = whole(pat=None, **parts)

    assert ("pat_without_wc", [line]) == (one.kind, [part.line for part in one.evidence])


def test_xen_has_a_pat_of_its_own() -> None:
    """A guest of Xen's that is paravirtual has no flag of it."""
    assert [] == found(pat=None, processor=("mtrr",), virtual="Xen PV")


def test_an_mtrr_makes_uncached_minus_write_combining() -> None:
    """S1.6.2; the list alone misleads."""
    kinds = found(
        book=(entry(0, 16, CacheMode.UC_MINUS),),
        devices=(msgspec.structs.replace(DEVICE, driver="x"),),
        mtrrs=(MtrrRegister(BASE, BASE + SIZE, MtrrType.WC),),
    )

    assert ["mtrr_decides"] == kinds


def test_uncached_mtrrs_leave_write_combining_alone() -> None:
    """S1.6.2: an entry that says WC is write-combining under every MTRR."""
    machine = JoinedHost(snapshot(mtrrs=(MtrrRegister(BASE, BASE + SIZE, MtrrType.UC),)))

    assert CacheMode.WC is machine.effective(BASE, BASE + SIZE, CacheMode.WC)


def test_unknown_mtrrs_leave_uncached_minus_open() -> None:
    """Nothing is said where it is not known."""
    machine = JoinedHost(snapshot(mtrrs=None))

    assert machine.effective(BASE, BASE + SIZE, CacheMode.UC_MINUS) is None
