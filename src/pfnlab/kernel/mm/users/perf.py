"""The perf_event_open(2) buffer: ordinary kernel pages, mapped as frames or as pages (S9.10)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pfnlab.base.errors import ModelledErrno, machine_decides, no_end, no_rule
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.pgtable import Page
from pfnlab.kernel.mm.fault import Signal, finish_fault
from pfnlab.kernel.mm.flags import VM_DONTCOPY, VM_DONTDUMP, VM_DONTEXPAND, VM_SHARED, vm_get_page_prot
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.mm.remap import remap_pfn_range
from pfnlab.kernel.mm.vma import MappedFile, Vma
from pfnlab.kernel.mm.zap import zap_page_range_single

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel

#: The frames used for every buffer in the model. Their content is never observed, so all buffers share them.
PERF_PFN = 0x5000

#: Number of buffer pages that a user may lock on a machine with one processor (perf_event_mlock_kb).
LOCKED_PAGES = 129


@dataclass(eq=False)
class PerfFile(MappedFile):
    """An open event; it is disabled, and belongs to the task that opened it.

    :param profile: the kernel's rules
    :ivar pages: if faults map pages: those that were touched, by number
    """

    profile: Profile
    pages: dict[int, Page] = field(default_factory=dict)

    kind = "perf"
    mapping = "perf"

    @property
    def may_split_errno(self) -> int:
        """perf_mmap_may_split."""
        return errno.EINVAL if self.profile.perf_stays_whole else 0

    @property
    def has_pfn_mkwrite(self) -> bool:
        """True if the buffer is mapped as frames."""
        return self.profile.perf_maps_ahead

    @property
    def has_page_mkwrite(self) -> bool:
        """True if the buffer is mapped as pages."""
        return not self.profile.perf_maps_ahead

    @property
    def noexec(self) -> bool:
        """Some release made its file system noexec."""
        return self.profile.anon_inodes_noexec

    def mmap(self, vma: Vma) -> None:
        """perf_mmap: map the event's page, followed by zero or a power of two data pages.

        :raises ModelledErrno: EINVAL for a private mapping or any other number of pages; ENOMEM if no page
            table could be allocated
        :raises Undecided: if there are so many pages that it depends on the machine how they are locked; if
            the kernel waits for itself
        """
        data = vma.nr - 1
        if not vma.flags & VM_SHARED or data & (data - 1):
            raise ModelledErrno(errno.EINVAL)
        _check_locked(vma)
        vma.flags |= VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP
        if not self.profile.perf_maps_ahead:
            return
        # The first write to each page calls the file (S9.10.3).
        prot = vm_get_page_prot(vma.flags & ~VM_SHARED, keys=self.profile.configuration.protection_keys)
        try:
            for number in range(vma.nr):
                pfn = PERF_PFN + number
                remap_pfn_range(vma, vma.start + number, PfnRange(pfn, pfn + 1), prot)
        except ModelledErrno:
            if self.profile.perf_waits_for_itself:
                raise no_end("perf_mmap waits for ever for the lock of its buffer, which it holds") from None
            zap_page_range_single(vma, vma.start, vma.end)
            raise

    def mkwrite(self, vma: Vma, vpn: int) -> None:
        """perf_mmap_fault, perf_mmap_pfn_mkwrite: a task may write only to the event's page.

        :raises Signal: SIGBUS for a data page
        """
        if vma.pgoff + vpn - vma.start:
            raise Signal("SIGBUS", 2)

    @property
    def fault(self) -> Callable[[Vma, int, bool], None] | None:
        """The fault handler, if mmap maps nothing."""
        return None if self.profile.perf_maps_ahead else self._fault

    def _fault(self, vma: Vma, vpn: int, write: bool) -> None:
        """perf_mmap_fault: return the page to the kernel."""
        if write:
            self.mkwrite(vma, vpn)
        page = self.pages.setdefault(vma.pgoff + vpn - vma.start, Page(0, anonymous=False))
        finish_fault(vma, vpn, page, write=write)


def open_event(kernel: Kernel) -> PerfFile:
    """perf_event_open(2) of a disabled event (S9.10).

    :raises Undecided: if the first event needs code patched, of which a held processor must be notified; or
        if this operation is to be held at a flush, because patching flushes
    """
    if kernel.processors.held:
        raise no_rule("opening an event while a processor is held")
    if kernel.processors.place == "flush_tlb_mm_range":
        raise machine_decides(
            "whether code is patched, with flushes, for an event depends on whether it is the first"
        )
    return PerfFile(kernel.profile)


def _check_locked(vma: Vma) -> None:
    """Check that all buffers stay below what any user may lock, so that no page is pinned (S9.10.7)."""
    kernel = vma.mm.kernel
    mapped = [other for task in kernel.processes() for other in task.mm if isinstance(other.file, PerfFile)]
    if sum(other.nr for other in mapped) + vma.nr > LOCKED_PAGES:
        raise machine_decides(
            f"how many pages beyond {LOCKED_PAGES} a user may lock for perf depends on the processors"
        )
