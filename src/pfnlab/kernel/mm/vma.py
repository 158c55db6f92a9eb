"""A virtual memory area, and the file behind it as far as the memory core asks."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Protocol

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


#: The reverse map of a mapping: that of all physical memory, which revocations search, that of its file, or
#: that of shared anonymous memory. In a kernel every mapping of shared anonymous memory has one of its own.
AddressSpace = Literal["iomem", "uc", "wc", "proc", "driver", "export", "vfio", "shmem", "perf"]


class MappedFile(Protocol):
    """The file of a mapping, as far as the memory core uses it (S9)."""

    @property
    def kind(self) -> str:
        """How an observer names it: ``wc uc mem proc``."""

    @property
    def noexec(self) -> bool:
        """PROT_EXEC is refused and VM_MAYEXEC removed (S9.2.5)."""

    @property
    def write_notify(self) -> bool:
        """Its vm_ops carry page_mkwrite or pfn_mkwrite, so first writes fault (S5.10.2)."""

    @property
    def has_pfn_mkwrite(self) -> bool:
        """Its vm_ops carry pfn_mkwrite, which is called for the first write to a frame (S6.4.2a)."""

    @property
    def has_page_mkwrite(self) -> bool:
        """Its vm_ops carry page_mkwrite, which is called for the first write to a page (S6.4.2a)."""

    @property
    def may_split_errno(self) -> int:
        """The errno of vm_ops->may_split, which forbids to cut its mappings; 0 without one (S5.3.1)."""

    @property
    def own_placement(self) -> bool:
        """It has a get_unmapped_area hook, so mremap moves it only alone (S5.8)."""

    @property
    def placement_errno(self) -> int:
        """The errno that hook answers once the file was removed, else 0."""

    @property
    def mmap_prepare(self) -> bool:
        """It maps in two phases (S4.7): the mapping it replaces is completely gone in between."""

    @property
    def fsync_errno(self) -> int:
        """The result of msync(MS_SYNC): 0 or an errno."""

    @property
    def fallocate_errno(self) -> int:
        """The errno of MADV_REMOVE (S5.9)."""

    @property
    def mapping(self) -> AddressSpace | None:
        """The address space object its mappings belong to; None for what is no file (a special mapping)."""

    @property
    def has_fault(self) -> bool:
        """Its vm_ops carry a fault handler, be it one that only refuses (as sysfs' wrapper does)."""

    @property
    def has_access(self) -> bool:
        """Its vm_ops carry access: the kernel can reach the frames for a debugger (generic_access_phys)."""

    @property
    def fault(self) -> Callable[[Vma, int, bool], None] | None:
        """The fault handler: fills the entry of a virtual page for a read, or with True for a write.

        It may raise a signal instead; None without one.
        """

    def mkwrite(self, vma: Vma, vpn: int) -> None:
        """page_mkwrite or pfn_mkwrite, where it has one; raises a signal where it allows no write there."""

    @property
    def huge_fault(self) -> Callable[[Vma, int, int], bool] | None:
        """vm_ops->huge_fault: fills the entry at a level above the lowest; False to fall back."""

    @property
    def fault_reconstructs(self) -> bool:
        """Its fault handlers bring back every entry of a mapping as it was, be it in a child (S5.11.1a)."""

    @property
    def opened(self) -> Callable[[Vma, Vma], None] | None:
        """vm_ops->open, called with a new VMA and the one it was copied from, before it can be found."""

    @property
    def closed(self) -> Callable[[Vma], None] | None:
        """vm_ops->close and the reference to the file, both given up with a VMA."""

    @property
    def base_pfn(self) -> Callable[[Vma], int] | None:
        """The frame of a mapping's first page, where the driver says it: a hook no kernel has."""

    def prepare(self, vma: Vma) -> None:
        """The first phase of a two-phase mmap: the refusals before there is a VMA (S4.7.1)."""

    def mmap(self, vma: Vma) -> None:
        """The driver's mmap; raises :class:`~pfnlab.base.errors.ModelledErrno` when it refuses."""


class PlainFile:
    """Files whose mappings may be cut anywhere, and that allow every first write."""

    @property
    def may_split_errno(self) -> int:
        """There is no may_split."""
        return 0

    def mkwrite(self, vma: Vma, vpn: int) -> None:
        """Nothing is refused."""

    def prepare(self, vma: Vma) -> None:
        """There is only one phase."""


class SpecialMapping:
    """A mapping that the kernel gives every process (vm_special_mapping): it has operations, and is no file.

    Nobody may cut it, and a first write asks nobody.
    """

    kind: str = "special"
    noexec: bool = False
    write_notify: bool = False
    has_pfn_mkwrite: bool = False
    has_page_mkwrite: bool = False
    may_split_errno: int = errno.EINVAL
    own_placement: bool = False
    placement_errno: int = 0
    mmap_prepare: bool = False
    fsync_errno: int = 0
    fallocate_errno: int = errno.EINVAL
    mapping: None = None
    has_fault: bool = True
    has_access: bool = False
    huge_fault: None = None
    fault_reconstructs: bool = False
    opened: None = None
    closed: None = None
    base_pfn: None = None

    @property
    def refuses_remote(self) -> bool:
        """Its handler fills nothing for another process."""
        return False

    @property
    def fault(self) -> Callable[[Vma, int, bool], None] | None:
        """Its handler."""
        return None

    def mkwrite(self, vma: Vma, vpn: int) -> None:
        """There is none."""

    def prepare(self, vma: Vma) -> None:
        """No program maps it."""

    def mmap(self, vma: Vma) -> None:
        """No program maps it."""


#: Why a VMA may merge with a neighbour: its flags changed, it grew, it is a copy mremap made, or it is new.
Origin = Literal["changed", "grown", "copied", "mapped"]


class AnonVma:
    """The identity of a reverse map of anonymous pages; it decides which VMAs may merge.

    :ivar inherited: made by fork, so pages of the parent may be in it (vma_is_fork_child)
    """

    __slots__ = ("inherited",)

    def __init__(self, *, inherited: bool = False) -> None:
        self.inherited = inherited


def accounted(vmas: Iterable[Vma]) -> int:
    """The pages of *vmas* that are promised to them (VM_ACCOUNT)."""
    return sum(vma.nr for vma in vmas if vma.flags & VM_ACCOUNT)


#: The memory policy of a VMA that nobody gave another one.
DEFAULT_POLICY = "default"


class Vma:
    """One VMA of one address space.

    :ivar start: first virtual page
    :ivar end: the page after its last
    :ivar pgoff: vm_pgoff, in pages
    :ivar flags: VM_* bits
    :ivar page_prot: vm_page_prot, 4K layout
    :ivar file: None for anonymous memory
    :ivar anon_vma: set once it holds anonymous pages
    :ivar mempolicy: vm_policy, as programs write it: ``default``, ``preferred`` or ``bind``, of node 0
    :ivar pfnmap: the tracker's memory of it; others leave it alone
    :ivar freed: it is no VMA any more, and nobody may use it
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
        #: A tracker's own memory of this VMA; only that tracker knows the type.
        self.pfnmap: Any = None

    def __repr__(self) -> str:
        return f"Vma({self.start:#x}..{self.end:#x} pgoff={self.pgoff:#x} flags={self.flags:#x})"

    @property
    def nr(self) -> int:
        """Its pages."""
        return self.end - self.start

    @property
    def special(self) -> bool:
        """Any of VM_SPECIAL: never merged, never locked (S5.1.2)."""
        return bool(self.flags & VM_SPECIAL)

    @property
    def i_mapping(self) -> AddressSpace | None:
        """The address space object in whose reverse map it is; None without a file (vm_file)."""
        return None if self.file is None else self.file.mapping

    @property
    def is_shmem(self) -> bool:
        """True where it maps shared anonymous memory, as vma_is_shmem() says."""
        return self.file is not None and self.file.mapping == "shmem"

    @property
    def is_anonymous(self) -> bool:
        """vma_is_anonymous(): of no file, or of one without operations where there is no dummy (S6.2.5a)."""
        if self.file is None:
            return True
        bare = not (self.file.has_fault or self.file.has_access or self.file.write_notify)
        return bare and not self.mm.kernel.profile.dummy_vm_ops

    @property
    def has_file_pages(self) -> bool:
        """True where the pages of its file say which file has them (folio->mapping)."""
        return self.file is not None and self.file.mapping in ("shmem", "perf")

    @property
    def refills(self) -> bool:
        """Of a mapping of frames: whether its file's handler may fill a cleared entry again (S6.2.3)."""
        return self.file is not None and (self.file.fault is not None or self.file.huge_fault is not None)

    def dup(self, mm: MmStruct) -> Vma:
        """vm_area_dup without the tracker's part: the same VMA once more, for *mm*."""
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
        """The tracker's part of vm_area_dup: this copy of *orig* is tracked too.

        :raises ModelledErrno: the tracker refuses; the copy, which is a VMA by then, is freed like one
        """
        kernel = self.mm.kernel
        try:
            kernel.tracker.vm_area_dup(orig, self)
        except ModelledErrno:
            kernel.trace.event("free", self.start)
            raise

    def wants_writenotify(self) -> bool:
        """vma_wants_writenotify: shared writable entries start read-only so that writes fault."""
        shared = self.flags & (VM_WRITE | VM_SHARED) == VM_WRITE | VM_SHARED
        return shared and (self.file_wants_writenotify or self.tracks_soft_dirty)

    @property
    def file_wants_writenotify(self) -> bool:
        """True where it is the file that wants to know of first writes."""
        return self.file is not None and self.file.write_notify

    @property
    def tracks_soft_dirty(self) -> bool:
        """vma_soft_dirty_enabled: its entries say which pages were written since the mark was cleared."""
        return self.mm.kernel.profile.configuration.soft_dirty and not self.flags & VM_SOFTDIRTY

    def set_page_prot(self) -> None:
        """vma_set_page_prot: page_prot follows the flags, its cache mode stays (S5.10.2)."""
        flags = self.flags & ~VM_SHARED if self.wants_writenotify() else self.flags
        self.page_prot = pgprot_modify(self.page_prot, vm_get_page_prot(flags, keys=self._keys))

    def flags_page_prot(self) -> int:
        """vma_get_page_prot: what the flags alone make of page_prot, write-back whatever a driver chose."""
        return vm_get_page_prot(self.flags, keys=self._keys)

    @property
    def execute_only(self) -> bool:
        """True where a protection key keeps everybody from reading it (S5.10.2e; not without keys, S13.5)."""
        return self._keys and is_execute_only(self.flags)

    @property
    def _keys(self) -> bool:
        return self.mm.kernel.profile.configuration.protection_keys

    def continues(self, below: Vma, ignored: int = VM_SOFTDIRTY) -> bool:
        """True where it lies behind *below* as one VMA would, reverse maps aside (S5.3.2).

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
        """is_mergeable_anon_vma(): whether the anonymous pages of both may have one reverse map (S5.3.2)."""
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
        """Its reverse map, where a neighbour may put its first anonymous page there too."""
        return None if self.anon_vma is None or self.anon_vma.inherited else self.anon_vma
