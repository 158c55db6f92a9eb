"""A virtual memory area, and as much of its file as the memory core uses."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.hw.entry import pgprot_modify
from pfnlab.kernel.mm.flags import (
    VM_ACCOUNT,
    VM_SHARED,
    VM_SOFTDIRTY,
    VM_SPECIAL,
    VM_WRITE,
    is_execute_only,
    vm_get_page_prot,
)

if TYPE_CHECKING:
    from pfnlab.kernel.mm.space import MmStruct


#: The reverse map that a mapping is in: that of all physical memory, which revocations search, that
#: of its file, or that of shared anonymous memory. In a kernel, every mapping of shared anonymous
#: memory has a separate one.
AddressSpace = Literal["iomem", "uc", "wc", "proc", "driver", "export", "vfio", "shmem", "perf"]


class MappedFile:
    """A mapping's file, as far as the memory core uses it (S9).

    By default it has no operations: its mappings may be split anywhere, nothing faults, and every first write
    is allowed.

    :ivar mmap_prepare: it maps in two phases (S4.7), with replaced mappings completely removed in between
    :ivar fallocate_errno: the errno that MADV_REMOVE returns (S5.9)
    :ivar fault_reconstructs: its fault handlers restore every entry of a mapping, in a child too (S5.11.1a)
    :ivar huge_fault: vm_ops->huge_fault: fill an entry above the lowest level; False to use smaller ones
    :ivar opened: vm_ops->open, called with a copied VMA and its original before the copy can be found
    :ivar closed: vm_ops->close, and the reference to the file; a VMA releases both
    :ivar base_pfn: the frame of a mapping's first page, if the driver supplies it; no kernel has this hook
    """

    mmap_prepare: bool = False
    fallocate_errno: int = errno.ENODEV
    fault_reconstructs: bool = False
    huge_fault: Callable[[Vma, int, int], bool] | None = None
    opened: Callable[[Vma, Vma], None] | None = None
    closed: Callable[[Vma], None] | None = None
    base_pfn: Callable[[Vma], int] | None = None

    @property
    def kind(self) -> str:
        """The name used in observations: ``wc uc mem proc``."""
        raise NotImplementedError

    @property
    def mapping(self) -> AddressSpace | None:
        """The address space object for its mappings; None if it is not a file (a special mapping)."""
        return None

    @property
    def noexec(self) -> bool:
        """True if PROT_EXEC is refused and VM_MAYEXEC cleared (S9.2.5)."""
        return False

    @property
    def has_pfn_mkwrite(self) -> bool:
        """True if its vm_ops have pfn_mkwrite, called for the first write to a frame (S6.4.2a)."""
        return False

    @property
    def has_page_mkwrite(self) -> bool:
        """True if its vm_ops have page_mkwrite, called for the first write to a page (S6.4.2a)."""
        return False

    @property
    def write_notify(self) -> bool:
        """True if it has either of these, so that first writes fault (S5.10.2)."""
        return self.has_pfn_mkwrite or self.has_page_mkwrite

    @property
    def may_split_errno(self) -> int:
        """The errno with which vm_ops->may_split refuses to split its mappings; 0 if absent (S5.3.1)."""
        return 0

    @property
    def own_placement(self) -> bool:
        """True if it has a get_unmapped_area hook, so mremap only moves its mappings one at a time (S5.8)."""
        return False

    @property
    def placement_errno(self) -> int:
        """The errno that this hook returns once the file has been removed; 0 before that."""
        return 0

    @property
    def fsync_errno(self) -> int:
        """The result of msync(MS_SYNC): 0 or an errno."""
        return errno.EINVAL

    @property
    def has_access(self) -> bool:
        """True if its vm_ops have access, through which a debugger can reach frames (generic_access_phys)."""
        return False

    @property
    def fault(self) -> Callable[[Vma, int, bool], None] | None:
        """The fault handler: it fills the entry for a virtual page, for a write if
        passed True, else for a read.

        It may raise a signal instead. The property is None if the file has no handler.
        """
        return None

    @property
    def has_fault(self) -> bool:
        """True if its vm_ops have a fault handler, even one that only refuses (like the sysfs wrapper's)."""
        return self.fault is not None

    def mkwrite(self, vma: Vma, vpn: int) -> None:
        """Call page_mkwrite or pfn_mkwrite, if any, which raises a signal if it does not allow the write."""

    def prepare(self, vma: Vma) -> None:
        """The first phase of a two-phase mmap: errors that come before there is a VMA (S4.7.1)."""

    def mmap(self, vma: Vma) -> None:
        """The driver's mmap; raises :class:`~pfnlab.base.errors.ModelledErrno` to refuse."""


class SpecialMapping(MappedFile):
    """A mapping that the kernel installs in every process (vm_special_mapping): it
    has operations but no file.

    It cannot be split, and first writes call no handler.
    """

    kind = "special"
    has_fault = True
    may_split_errno = errno.EINVAL
    fsync_errno = 0
    fallocate_errno = errno.EINVAL

    @property
    def refuses_remote(self) -> bool:
        """True if its handler fills no entries for other processes."""
        return False


#: The reasons for VMAs to merge: a VMA's flags changed, it grew, mremap copied it, or it is new.
Origin = Literal["changed", "grown", "copied", "mapped"]


class AnonVma:
    """The identity of a reverse map for anonymous pages, which decides whether VMAs may merge.

    :ivar inherited: created by fork, so it may contain pages from the parent (vma_is_fork_child)
    """

    __slots__ = ("inherited",)

    def __init__(self, *, inherited: bool = False) -> None:
        self.inherited = inherited


def accounted(vmas: Iterable[Vma]) -> int:
    """Number of pages committed for *vmas* (VM_ACCOUNT)."""
    return sum([vma.end - vma.start for vma in vmas if vma.flags & VM_ACCOUNT])


#: The memory policy of a VMA that has none of its own.
DEFAULT_POLICY = "default"


class Vma:
    """One VMA in one address space.

    :ivar start: first virtual page
    :ivar end: the page after the last
    :ivar pgoff: vm_pgoff, in pages
    :ivar flags: VM_* bits
    :ivar page_prot: vm_page_prot, in the 4K layout
    :ivar file: None for anonymous memory
    :ivar anon_vma: set once it contains anonymous pages
    :ivar mempolicy: vm_policy for node 0, as programs write it: ``default``, ``preferred`` or ``bind``
    :ivar pfnmap: the tracker's record for this VMA, private to the tracker
    :ivar freed: the VMA has been freed and must not be used
    """

    __slots__ = (
        "anon_vma",
        "end",
        "file",
        "flags",
        "freed",
        "mempolicy",
        "mm",
        "page_prot",
        "pfnmap",
        "pgoff",
        "start",
    )

    def __init__(
        self,
        mm: MmStruct,
        start: int,
        end: int,
        *,
        pgoff: int,
        flags: int,
        page_prot: int,
        file: MappedFile | None,
    ) -> None:
        self.mm = mm
        self.freed = False
        self.start = start
        self.end = end
        self.pgoff = pgoff
        self.flags = flags
        self.page_prot = page_prot
        self.file = file
        self.mempolicy = DEFAULT_POLICY
        self.anon_vma: AnonVma | None = None
        #: The tracker's own record for this VMA, whose type only that tracker knows.
        self.pfnmap: Any = None

    def __repr__(self) -> str:
        return f"Vma({self.start:#x}..{self.end:#x} pgoff={self.pgoff:#x} flags={self.flags:#x})"

    @property
    def nr(self) -> int:
        """Number of pages."""
        return self.end - self.start

    @property
    def special(self) -> bool:
        """True if it has any VM_SPECIAL flag, so it never merges and is never locked (S5.1.2)."""
        return bool(self.flags & VM_SPECIAL)

    @property
    def i_mapping(self) -> AddressSpace | None:
        """The address space object whose reverse map contains it; None if it has no file (vm_file)."""
        return None if self.file is None else self.file.mapping

    @property
    def is_shmem(self) -> bool:
        """True if it maps shared anonymous memory, like vma_is_shmem()."""
        return self.file is not None and self.file.mapping == "shmem"

    @property
    def is_anonymous(self) -> bool:
        """vma_is_anonymous(): it has no file, or a file without operations where the kernel adds
        no dummy ones (S6.2.5a).
        """
        if self.file is None:
            return True
        bare = not (self.file.has_fault or self.file.has_access or self.file.write_notify)
        return bare and not self.mm.kernel.profile.dummy_vm_ops

    @property
    def has_file_pages(self) -> bool:
        """True if the pages of its file know which file they belong to (folio->mapping)."""
        return self.file is not None and self.file.mapping in ("shmem", "perf")

    @property
    def refills(self) -> bool:
        """True if the file's handler may refill a cleared entry in this PFN mapping (S6.2.3)."""
        return self.file is not None and (self.file.fault is not None or self.file.huge_fault is not None)

    def dup(self, mm: MmStruct) -> Vma:
        """vm_area_dup without the tracker's part: copy the VMA for *mm*."""
        new = Vma(
            mm,
            self.start,
            self.end,
            pgoff=self.pgoff,
            flags=self.flags,
            page_prot=self.page_prot,
            file=self.file,
        )
        new.mempolicy, new.anon_vma = self.mempolicy, self.anon_vma
        return new

    def tracked_like(self, orig: Vma) -> None:
        """The tracker's part of vm_area_dup: track this copy of *orig* too.

        :raises ModelledErrno: if the tracker refuses; the copy is then freed like any complete VMA
        """
        kernel = self.mm.kernel
        try:
            kernel.tracker.vm_area_dup(orig, self)
        except ModelledErrno:
            kernel.trace.event("free", self.start)
            raise

    def wants_writenotify(self) -> bool:
        """vma_wants_writenotify: shared writable entries start out read-only so that writes fault."""
        shared = self.flags & (VM_WRITE | VM_SHARED) == VM_WRITE | VM_SHARED
        return shared and (self.file_wants_writenotify or self.tracks_soft_dirty)

    @property
    def file_wants_writenotify(self) -> bool:
        """True if first writes must be reported to the file."""
        return self.file is not None and self.file.write_notify

    @property
    def tracks_soft_dirty(self) -> bool:
        """vma_soft_dirty_enabled: its entries record which pages were written since the mark was cleared."""
        return self.mm.kernel.profile.configuration.soft_dirty and not self.flags & VM_SOFTDIRTY

    def set_page_prot(self) -> None:
        """vma_set_page_prot: set page_prot from the flags, keeping its cache mode (S5.10.2)."""
        flags = self.flags & ~VM_SHARED if self.wants_writenotify() else self.flags
        self.page_prot = pgprot_modify(self.page_prot, vm_get_page_prot(flags, keys=self._keys))

    def flags_page_prot(self) -> int:
        """vma_get_page_prot: page_prot from the flags alone, so write-back, whatever mode a driver chose."""
        return vm_get_page_prot(self.flags, keys=self._keys)

    @property
    def execute_only(self) -> bool:
        """True if a protection key prevents all reads (S5.10.2e; not if there are no keys, S13.5)."""
        return self._keys and is_execute_only(self.flags)

    @property
    def _keys(self) -> bool:
        return self.mm.kernel.profile.configuration.protection_keys

    def continues(self, below: Vma, ignored: int = VM_SOFTDIRTY) -> bool:
        """True if it continues *below* as if the two were one VMA, not considering
        their reverse maps (S5.3.2).

        :param ignored: flags that may differ
        """
        return (
            below.end == self.start
            and below.pgoff + below.nr == self.pgoff
            and not (self.flags ^ below.flags) & ~ignored
            and self.file is below.file
            and self.mempolicy == below.mempolicy
        )

    def joins(self, neighbour: Vma, origin: Origin) -> bool:
        """is_mergeable_anon_vma(): True if the anonymous pages of both may share one reverse map (S5.3.2)."""
        anon_vma, other = self.anon_vma, neighbour.anon_vma
        if anon_vma is None:
            return other is None or not other.inherited
        if other is not None:
            return anon_vma is other
        profile = self.mm.kernel.profile
        if not profile.faulted_joins_unfaulted:
            return False
        minds_fork = origin == "changed" or (origin == "copied" and profile.copy_minds_fork)
        return not (anon_vma.inherited and minds_fork)

    def reusable_anon_vma(self) -> AnonVma | None:
        """Its reverse map, if a neighbour's first anonymous page may go there too."""
        return None if self.anon_vma is None or self.anon_vma.inherited else self.anon_vma
