"""S5.1, S5.3: one VMA, and when two are one."""

from __future__ import annotations

from typing import Any

import pytest

from pfnlab.hw.platform import qemu_q35
from pfnlab.mm.flags import (
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
from pfnlab.mm.kernel import Kernel
from pfnlab.mm.users.devmem import DevMem
from pfnlab.mm.users.pci import PciBar
from pfnlab.mm.vma import AnonVma, MappedFile, Vma
from pfnlab.policies.profiles import PROFILES
from pfnlab.policies.trackers import TRACKERS
from pfnlab.units import PfnRange

SYSFS = PciBar(PfnRange(0, 16), False, True, 0)
PROC = PciBar(PfnRange(0, 16), True, True, 0)
MEM = DevMem(False, False)


def vma(start: int, end: int, *, pgoff: int = 0, flags: int = VM_READ, file: MappedFile | None = None) -> Vma:
    """A VMA of an address space of its own."""
    mm = Kernel(PROFILES["7.2"], qemu_q35(), TRACKERS["track_ctx"]).start_task("demo").mm
    return Vma(mm, start, end, pgoff=pgoff, flags=flags, page_prot=0x25 | 0x08, file=file)


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("flag", [VM_IO, VM_DONTEXPAND, VM_PFNMAP, VM_MIXEDMAP])
def test_special(flag: int) -> None:
    """Any one of the four flags makes a VMA special (S5.1.2)."""
    assert vma(0, 4, flags=VM_READ | flag).special


def test_pages() -> None:
    """A VMA holds the pages from its first up to its end."""
    assert 4 == vma(4, 8).nr


@pytest.mark.parametrize(
    ("changes", "merges"),
    [
        ({}, True),
        ({"flags": VM_READ | VM_SOFTDIRTY}, True),
        ({"flags": VM_READ | VM_WRITE}, False),
        ({"flags": VM_READ | VM_PFNMAP}, False),
        ({"pgoff": 5}, False),
        ({"start": 5}, False),
        ({"file": MEM}, False),
    ],
)
def test_merge(changes: dict[str, Any], merges: bool) -> None:
    """Only adjacent anonymous memory of equal flags and consecutive offsets merges (S5.3.2)."""
    upper = vma(changes.pop("start", 4), 8, **{"pgoff": 4, **changes})

    assert merges == upper.can_merge(vma(0, 4))


def test_special_vmas_never_merge() -> None:
    """Two adjacent equal PFN mappings stay two (S5.3.2)."""
    flags = VM_READ | VM_PFNMAP

    assert not vma(4, 8, pgoff=4, flags=flags, file=MEM).can_merge(vma(0, 4, flags=flags, file=MEM))


@pytest.mark.parametrize("one", [False, True])
def test_merge_with_pages(one: bool) -> None:
    """Memory that holds pages merges with memory that holds none, not with other pages."""
    lower, upper = vma(0, 4), vma(4, 8, pgoff=4)
    lower.anon_vma = AnonVma()
    upper.anon_vma = None if one else AnonVma()

    assert one == upper.can_merge(lower)


def test_dup_shares_nothing_of_the_tracker() -> None:
    """A copy has the flags and offsets, but what the tracker knows is the tracker's to copy."""
    original = vma(0, 4, pgoff=7, flags=VM_READ | VM_PFNMAP, file=MEM)
    original.pfnmap = object()

    copy = original.dup(original.mm)

    assert (0, 4, 7, original.flags, original.page_prot, MEM, None) == (
        *(copy.start, copy.end, copy.pgoff, copy.flags, copy.page_prot, copy.file, copy.pfnmap),
    )


@pytest.mark.parametrize(
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
    assert notify == vma(0, 4, flags=flags, file=file).wants_writenotify()


def test_page_prot_keeps_its_mode() -> None:
    """A new protection keeps the cache bits of vm_page_prot (S5.10.2)."""
    changed = vma(0, 4, flags=VM_READ | VM_WRITE | VM_SHARED)

    changed.set_page_prot()

    assert (0x08, 0x02) == (changed.page_prot & 0x98, changed.page_prot & 0x02)
