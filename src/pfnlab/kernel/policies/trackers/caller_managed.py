"""The mapping code reserves and frees for itself; the memory core does nothing (discussion 003).

"Maybe relevant/all? caller should just manage the PAT side independently" does not say for how long. Here, it
is for as long as the file has mappings. A driver reserves what it maps unless it has already done so, counts
its VMAs (vm_ops->open and close), and frees everything with the last one, like drivers that reserve an
aperture with memtype_reserve_io. Splits, moves, zaps and forks change nothing, and nothing is ever leaked or
freed twice. However, a range stays reserved as long as any other mapping of the same file exists.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, ClassVar

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.pfnmap import lookup_prot, pfnmap_track, pfnmap_untrack
from pfnlab.kernel.mm.tracker import Tracked
from pfnlab.kernel.mm.vma import MappedFile, Vma
from pfnlab.kernel.policies.trackers.untracked import Untracked

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel


class FileReservation:
    """One driver's reservations for one of its files, and the number of VMAs of that file."""

    __slots__ = ("file", "reserved", "vmas")

    def __init__(self, file: MappedFile | None) -> None:
        self.file = file
        self.reserved: list[PfnRange] = []
        self.vmas = 0


class CallerManaged(Untracked):
    """The drivers' own bookkeeping: ``vma.pfnmap`` is the :class:`FileReservation` that covers the VMA."""

    #: One reservation: its range, as a list.
    BYTES_PER_CONTEXT: ClassVar = 32

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._callers: list[FileReservation] = []

    def remap_pfn_range(self, vma: Vma, start: int, pfns: PfnRange, prot: int) -> int:
        """The driver reserves before it maps, whether a whole VMA or a part."""
        caller = next(
            (reservation for reservation in self._callers if reservation.file == vma.file), None
        ) or FileReservation(vma.file)
        if any(reserved.contains(pfns) for reserved in caller.reserved):
            prot = lookup_prot(self._kernel.book, pfns, prot)
        else:
            try:
                prot = pfnmap_track(self._kernel, pfns, prot)
            except ModelledErrno:
                raise ModelledErrno(errno.EINVAL) from None
            caller.reserved.append(pfns)
        if vma.pfnmap is None:
            vma.pfnmap = caller
            caller.vmas += 1
        if caller not in self._callers:
            self._callers.append(caller)
        return prot

    def remap_pfn_range_failed(self, vma: Vma, pfns: PfnRange) -> None:
        """Do nothing: the VMA counts until it is freed."""

    def memremap_pages(self, pfns: PfnRange, prot: int) -> int:
        """The owner of the struct pages records the range."""
        return pfnmap_track(self._kernel, pfns, prot)

    def memunmap_pages(self, pfns: PfnRange) -> None:
        """Free the range exactly as reserved."""
        pfnmap_untrack(self._kernel, pfns)

    def vmf_insert_pfn(self, vma: Vma, vpn: int, pfns: PfnRange, prot: int) -> int:
        """The memtype list supplies the mode of the first frame."""
        return lookup_prot(self._kernel.book, PfnRange(pfns.start, pfns.start + 1), prot)

    def vm_area_dup(self, orig: Vma, new: Vma) -> None:
        """vm_ops->open: one more VMA."""
        if orig.pfnmap is not None:
            new.pfnmap = orig.pfnmap
            orig.pfnmap.vmas += 1

    def vm_area_free(self, vma: Vma) -> None:
        """vm_ops->close: with the file's last VMA, everything is freed."""
        caller: FileReservation | None = vma.pfnmap
        if caller is None:
            return
        vma.pfnmap = None
        caller.vmas -= 1
        if caller.vmas:
            return
        self._callers.remove(caller)
        for pfns in caller.reserved:
            pfnmap_untrack(self._kernel, pfns)

    def tracked(self, vmas: list[Vma]) -> list[Tracked]:
        """Every reservation, with all VMAs of its file."""
        return [
            Tracked([vma for vma in vmas if vma.pfnmap is caller], pfns, caller.vmas)
            for caller in self._callers
            for pfns in caller.reserved
        ]

    def _check(self, vmas: list[Vma]) -> None:
        for caller in self._callers:
            assert caller.vmas == sum(vma.pfnmap is caller for vma in vmas), (caller.file, caller.vmas)
        assert all(vma.pfnmap is None or vma.pfnmap in self._callers for vma in vmas)
