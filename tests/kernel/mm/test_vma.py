"""S5.1, S5.3: one VMA, and when two are one."""

from __future__ import annotations

from typing import Any

from for_each import for_each

from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.flags import (
    VM_DONTEXPAND,
    VM_IO,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_MIXEDMAP,
    VM_PFNMAP,
    VM_READ,
    VM_SHARED,
    VM_SOFTDIRTY,
    VM_WRITE,
    is_cow_mapping,
)
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.users.devmem import DevMem
from pfnlab.kernel.mm.users.pci import PciBar
from pfnlab.kernel.mm.vma import AnonVma, MappedFile, Origin, Vma
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers import TRACKERS

SYSFS = PciBar(PfnRange(0, 16), False, True, 0)
PROC = PciBar(PfnRange(0, 16), True, True, 0)
MEM = DevMem(False, False)


def vma(
    start: int,
    end: int,
    *,
    pgoff: int = 0,
    flags: int = VM_READ,
    file: MappedFile | None = None,
    series: str = "7.2",
) -> Vma:
    """A VMA of an address space of its own."""
    mm = Kernel(PROFILES[series], qemu_q35(), TRACKERS["track_ctx"]).start_task("demo").mm
    return Vma(mm, start, end, pgoff=pgoff, flags=flags, page_prot=0x25 | 0x08, file=file)


@for_each(
    ("flags", "cow"),
    [
        (VM_MAYWRITE, True),
        (VM_MAYWRITE | VM_READ, True),
        (VM_SHARED | VM_MAYSHARE | VM_MAYWRITE, False),
        (VM_MAYSHARE, False),
    ],
)
def test_cow_mapping(flags: int, cow: bool) -> None:
    """Every private mapping is COW, a shared one never, even opened read-only (S5.1.1)."""
    assert cow == is_cow_mapping(flags)


@for_each("flag", [VM_IO, VM_DONTEXPAND, VM_PFNMAP, VM_MIXEDMAP])
def test_special(flag: int) -> None:
    """Any one of the four flags makes a VMA special (S5.1.2)."""
    assert vma(0, 4, flags=VM_READ | flag).special


def test_pages() -> None:
    """A VMA holds the pages from its first up to its end."""
    assert 4 == vma(4, 8).nr


@for_each(
    ("changes", "continues"),
    [
        ({}, True),
        ({"flags": VM_READ | VM_SOFTDIRTY}, True),
        ({"flags": VM_READ | VM_WRITE}, False),
        ({"pgoff": 5}, False),
        ({"start": 5}, False),
        ({"file": MEM}, False),
    ],
)
def test_continues(changes: dict[str, Any], continues: bool) -> None:
    """Adjacent memory of one file, equal flags and consecutive offsets could be one VMA (S5.3.2)."""
    upper = vma(changes.pop("start", 4), 8, **{"pgoff": 4, **changes})

    assert continues == upper.continues(vma(0, 4))


def test_protection_may_differ() -> None:
    """Flags one does not mind do not tell VMAs apart."""
    assert vma(4, 8, pgoff=4, flags=VM_READ | VM_WRITE).continues(vma(0, 4), VM_WRITE)


NONE, OWN, INHERITED = None, AnonVma(), AnonVma(inherited=True)


@for_each(
    ("series", "mine", "theirs", "origin", "joins"),
    [
        ("6.1", NONE, NONE, "changed", True),
        ("6.1", OWN, OWN, "changed", True),
        ("6.1", OWN, AnonVma(), "changed", False),
        ("6.1", INHERITED, INHERITED, "changed", True),
        ("6.1", NONE, OWN, "changed", True),
        ("6.1", NONE, INHERITED, "mapped", False),
        ("6.1", OWN, NONE, "changed", False),
        ("6.12", OWN, NONE, "copied", False),
        ("6.16", OWN, NONE, "changed", True),
        ("6.16", INHERITED, NONE, "changed", False),
        ("6.16", INHERITED, NONE, "copied", True),
        ("7.2", INHERITED, NONE, "copied", False),
        ("7.2", INHERITED, NONE, "grown", True),
    ],
)
def test_joins(
    series: str, mine: AnonVma | None, theirs: AnonVma | None, origin: Origin, joins: bool
) -> None:
    """Which anonymous pages go into one VMA: fork and the kernel decide (S5.3.2; litmus/*/merge-*)."""
    lower, upper = vma(0, 4), vma(4, 8, pgoff=4, series=series)
    upper.anon_vma, lower.anon_vma = mine, theirs

    assert joins == upper.joins(lower, origin)


@for_each(("anon_vma", "lent"), [(NONE, NONE), (OWN, OWN), (INHERITED, NONE)])
def test_reusable_anon_vma(anon_vma: AnonVma | None, lent: AnonVma | None) -> None:
    """A neighbour lends its reverse map of anonymous pages unless it came by fork."""
    lender = vma(0, 4)
    lender.anon_vma = anon_vma

    assert lent is lender.reusable_anon_vma()


def test_dup_shares_nothing_of_the_tracker() -> None:
    """A copy has the flags and offsets, but what the tracker knows is the tracker's to copy."""
    original = vma(0, 4, pgoff=7, flags=VM_READ | VM_PFNMAP, file=MEM)
    original.pfnmap = object()

    copy = original.dup(original.mm)

    assert (0, 4, 7, original.flags, original.page_prot, MEM, None) == (
        *(copy.start, copy.end, copy.pgoff, copy.flags, copy.page_prot, copy.file, copy.pfnmap),
    )


@for_each(
    ("file", "flags", "notify"),
    [
        (SYSFS, VM_WRITE | VM_SHARED, True),
        (SYSFS, VM_WRITE, False),
        (SYSFS, VM_SHARED, False),
        (PROC, VM_WRITE | VM_SHARED, False),
        (MEM, VM_WRITE | VM_SHARED, False),
        (None, VM_WRITE | VM_SHARED, False),
    ],
)
def test_writenotify(file: MappedFile | None, flags: int, notify: bool) -> None:
    """Only shared writable sysfs mappings want to hear of writes (S5.10.2, measured)."""
    assert notify == vma(0, 4, flags=flags | VM_SOFTDIRTY, file=file).wants_writenotify()


@for_each(("flags", "notify"), [(VM_WRITE | VM_SHARED, True), (VM_WRITE, False), (VM_SHARED, False)])
def test_writenotify_without_the_mark(flags: int, notify: bool) -> None:
    """Every shared writable mapping, so that its entries can tell what was written (S7.7.4)."""
    assert notify == vma(0, 4, flags=flags, file=MEM).wants_writenotify()


def test_page_prot_keeps_its_mode() -> None:
    """A new protection keeps the cache bits of vm_page_prot (S5.10.2)."""
    changed = vma(0, 4, flags=VM_READ | VM_WRITE | VM_SHARED | VM_SOFTDIRTY)

    changed.set_page_prot()

    assert (0x08, 0x02) == (changed.page_prot & 0x98, changed.page_prot & 0x02)
