"""The vDSO's clock pages, ``[vvar]``, which every process has from the start (S9.11)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pfnlab.kernel.hw.pgtable import Page
from pfnlab.kernel.mm.fault import Signal, finish_fault
from pfnlab.kernel.mm.flags import (
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_IO,
    VM_MAYREAD,
    VM_MIXEDMAP,
    VM_PFNMAP,
    VM_READ,
    VM_SOFTDIRTY,
    vm_get_page_prot,
)
from pfnlab.kernel.mm.insert import vmf_insert_pfn
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.mm.space import OWN_PAGE, MmStruct
from pfnlab.kernel.mm.vma import SpecialMapping, Vma

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel

#: Its usual number of pages, and their place in the model while they are frames.
VVAR_PAGES = 4
VVAR_PFN = 0x5800

#: The page for the time, and the page for random numbers.
_TIME, _RNG = 0, 2


@dataclass(eq=False)
class VvarMapping(SpecialMapping):
    """The special mapping in one kernel: the same pages in every process.

    :param profile: the kernel's rules
    :ivar pages: if pages are reference-counted: those that were touched, by number
    """

    profile: Profile
    pages: dict[int, Page]

    kind = "vvar"

    @property
    def refuses_remote(self) -> bool:
        """True if other processes must be refused, as VM_IO does not keep them out."""
        return self.profile.vvar_whole

    def fault(self, vma: Vma, vpn: int, write: bool) -> None:
        """vvar_fault: map the page if it exists, otherwise raise SIGBUS. None of the pages is writable."""
        number = vma.pgoff + vpn - vma.start
        if number not in _existing(self.profile):
            raise Signal("SIGBUS", 2)
        if self.profile.vvar_counted:
            page = self.pages.setdefault(number, Page(0, anonymous=False))
            finish_fault(vma, vpn, page, write=write)
        else:
            vmf_insert_pfn(vma, vpn, VVAR_PFN + number, vma.page_prot)


def _existing(profile: Profile) -> tuple[int, ...]:
    """The numbers of the pages that exist (S9.11.3)."""
    if profile.vvar_whole:
        return tuple(range(VVAR_PAGES))
    return (_TIME, _RNG) if profile.vvar_rng_page else (_TIME,)


def give_vvar(kernel: Kernel) -> None:
    """Give every process the pages at OWN_PAGE; call this before the first process starts."""
    kernel.additional_pages = partial(_install, VvarMapping(kernel.profile, {}))


def _install(mapping: VvarMapping, mm: MmStruct) -> None:
    """vdso_install_vvar_mapping: install *mapping* in a new address space."""
    start, profile = OWN_PAGE, mm.kernel.profile
    flags = VM_READ | VM_MAYREAD | VM_DONTEXPAND | VM_DONTDUMP
    flags |= VM_MIXEDMAP if profile.vvar_counted else VM_PFNMAP
    if not profile.vvar_whole:
        flags |= VM_IO
    if profile.configuration.soft_dirty:
        flags |= VM_SOFTDIRTY
    prot = vm_get_page_prot(flags, keys=profile.configuration.protection_keys)
    end = start + _size(profile)
    # Other memory of the process has entries nearby.
    mm.tables.allocate(start, end)
    mm.link(Vma(mm, start, end, pgoff=0, flags=flags, page_prot=prot, file=mapping))


def _size(profile: Profile) -> int:
    """Its number of pages: fewer after the hypervisor pages went and before later additions (S9.11.1)."""
    return 2 if profile.vvar_clocks_apart and not profile.vvar_rng_page else VVAR_PAGES
