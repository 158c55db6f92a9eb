"""Findings about mappings."""

from __future__ import annotations

import msgspec
from inspector.machines import ADDRESS, BASE, DEVICE, SIZE, entries, entry, found, mapping, whole

from pfnlab.diagnosis.inspector.host_snapshot import (
    DirectAlias,
    Entries,
    HostMapping,
    IomemLine,
    MtrrRegister,
)
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pat import PatConfig

#: A driver may hold what it likes.
_DRIVEN = msgspec.structs.replace(DEVICE, driver="x")

_NO_WC = PatConfig.from_msr(0x0007040600070406)


def test_a_mapping_that_should_be_reserved() -> None:
    """sysfs reserves; where the list has nothing, one page was zapped or tracking was lost."""
    (one,) = whole(mappings=(mapping(0, 8),))

    assert ("mapping_without_reservation", 0x8000, (7,)) == (one.kind, one.size, one.pids)


def test_a_claim_revokes() -> None:
    """With a claimant in the BAR the mapping's entries are gone: nothing is wrong."""
    claim = (IomemLine(BASE, BASE + SIZE, "edu", 2),)
    bound = (msgspec.structs.replace(DEVICE, driver="edu"),)

    assert ["revoked_mapping"] == found(mappings=(mapping(0, 8),), resources=claim, devices=bound)


def test_a_mapping_without_entries_needs_no_reservation() -> None:
    """Its page tables are empty, so no two modes can meet."""
    assert [] == found(mappings=(mapping(0, 8, entries=()),))


def test_vfio_reserves_nothing() -> None:
    """Its mappings are not looked for in the list."""
    assert [] == found(mappings=(mapping(0, 8, path="anon_inode:[vfio-device]"),))


def test_without_pat_nothing_is_reserved() -> None:
    """A kernel with `nopat` has no list."""
    assert [] == found(mappings=(mapping(0, 8),), options="root=/dev/sda nopat")
    assert ["pat_without_wc"] == found(mappings=(mapping(0, 8),), pat=_NO_WC)


def test_ram_and_the_isa_hole_are_never_reserved() -> None:
    """/dev/mem shows both."""
    low = HostMapping(7, 0x7000, 0x8000, "rw-s", "/dev/mem", 0xA0000, physical=(0xA0000, 0xA1000))
    ram = HostMapping(7, 0x9000, 0xA000, "rw-s", "/dev/mem", 0x2000, physical=(0x2000, 0x3000))

    assert [] == found(mappings=(low, ram))


def test_write_combining_was_asked_and_not_granted() -> None:
    """resource2_wc over an entry that is uncached-minus."""
    (one,) = whole(mappings=(mapping(0, 8),), book=(entry(0, 8, CacheMode.UC_MINUS),))

    assert ("uc_where_wc_asked", ADDRESS) == (one.kind, one.device)


def test_who_asked_for_nothing_gets_what_he_asked() -> None:
    """resource2 is uncached-minus by itself."""
    plain = mapping(0, 8, path=f"/sys/devices/pci0000:00/{ADDRESS}/resource2")

    assert [] == found(mappings=(plain,), book=(entry(0, 8, CacheMode.UC_MINUS),))


def test_a_mapping_over_two_modes() -> None:
    """Half of it has another mode."""
    kinds = found(
        mappings=(mapping(0, 8, path=f"/sys/devices/pci0000:00/{ADDRESS}/resource2"),),
        book=(entry(0, 4), entry(4, 8, CacheMode.UC_MINUS)),
    )

    assert ["two_modes"] == kinds


def test_two_processes_in_two_modes() -> None:
    """Only page tables show it, and only where both are."""
    kinds = found(
        mappings=(
            mapping(0, 8, entries=entries(0, 8, CacheMode.WC)),
            mapping(4, 8, pid=8, entries=entries(4, 8, CacheMode.UC)),
        ),
        book=(entry(0, 8),),
    )

    assert ["conflicting_alias"] == kinds


def test_uc_and_uc_minus_are_one_mode() -> None:
    """Both are uncached where no MTRR says otherwise."""
    kinds = found(
        mappings=(
            mapping(0, 8, entries=entries(0, 8, CacheMode.UC_MINUS)),
            mapping(0, 8, pid=8, entries=entries(0, 8, CacheMode.UC)),
        ),
        book=(entry(0, 8, CacheMode.UC_MINUS), entry(0, 8, CacheMode.UC_MINUS)),
        devices=(msgspec.structs.replace(DEVICE, driver="x"),),
    )

    assert "conflicting_alias" not in kinds


_TWO_ENTRIES = (
    mapping(0, 8, entries=entries(0, 8, CacheMode.UC_MINUS)),
    mapping(0, 8, pid=8, entries=entries(0, 8, CacheMode.WB)),
)


def test_an_mtrr_can_make_two_modes_one() -> None:
    """Under UC write-back is uncached as well; under no register the default decides, which is not known."""
    under_uc = (MtrrRegister(BASE, BASE + SIZE, MtrrType.UC),)
    parts = {"book": (entry(0, 8, CacheMode.UC_MINUS),), "devices": (_DRIVEN,)}

    assert "conflicting_alias" not in found(mappings=_TWO_ENTRIES, mtrrs=under_uc, **parts)
    assert "conflicting_alias" in found(mappings=_TWO_ENTRIES, mtrrs=(), **parts)


def test_an_mtrr_can_make_one_mode_two() -> None:
    """Under write-combining UC- combines, and UC does not."""
    users = (
        mapping(0, 8, entries=entries(0, 8, CacheMode.UC_MINUS)),
        mapping(0, 8, pid=8, entries=entries(0, 8, CacheMode.UC)),
    )
    combining = (MtrrRegister(BASE, BASE + SIZE, MtrrType.WC),)

    assert "conflicting_alias" in found(mappings=users, mtrrs=combining, devices=(_DRIVEN,))


def test_a_driver_beside_a_process() -> None:
    """The kernel's own mapping has another mode."""
    (one,) = whole(
        mappings=(mapping(0, 8, entries=entries(0, 8, CacheMode.WC)),),
        book=(entry(0, 8),),
        aliases=(DirectAlias(BASE + 0x2000, BASE + 0x3000, CacheMode.UC_MINUS, "ioremap"),),
    )

    assert ("conflicting_alias", 0x1000) == (one.kind, one.size)


def test_a_page_copied_on_write_is_ram_in_another_mode() -> None:
    """N05: the copy is RAM mapped write-combining, and the kernel has it write-back."""
    run = Entries(0x7F0000000000, 0x5000, 0x6000, CacheMode.WC)

    assert "conflicting_alias" in found(mappings=(mapping(0, 1, entries=(run,)),), book=(entry(0, 1),))


def test_a_removed_device() -> None:
    """Its file is deleted, or its address is on no bus."""
    path = "/sys/devices/pci0000:00/0000:00:09.0/resource2"
    gone = HostMapping(7, 0x7000, 0x8000, "rw-s", f"{path} (deleted)", 0)

    assert ["removed_device"] == found(mappings=(gone,))
    assert ["removed_device"] == found(mappings=(msgspec.structs.replace(gone, path=path),))
