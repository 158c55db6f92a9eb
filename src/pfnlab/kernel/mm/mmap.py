"""mmap(2), including MAP_FIXED over existing mappings (S4.7, S4.8, S5.10.6)."""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.mm.flags import (
    VM_ACCOUNT,
    VM_EXEC,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_SHARED,
    VM_SOFTDIRTY,
    VM_WRITE,
    vm_get_page_prot,
)
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.populate import mm_populate
from pfnlab.kernel.mm.rlimit import may_expand_vm
from pfnlab.kernel.mm.space import MAX_MAP_COUNT, TASK_PAGES, MmStruct
from pfnlab.kernel.mm.unmap import clear_vmas, detach, free_vmas, gather_munmap, zap_vma
from pfnlab.kernel.mm.vma import MappedFile, Vma, accounted


def do_mmap(
    mm: MmStruct,
    start: int,
    nr: int,
    access: int,
    *,
    file: MappedFile | None,
    pgoff: int = 0,
    shared: bool,
    fixed: bool,
    locked: bool = False,
    populated: bool = False,
) -> None:
    """Map *nr* pages at virtual page *start*.

    :param access: VM_READ, VM_WRITE, VM_EXEC
    :param file: the file to map, open for reading and writing; None for anonymous memory
    :param pgoff: the file offset, in pages
    :param fixed: MAP_FIXED, which replaces existing mappings; otherwise MAP_FIXED_NOREPLACE
    :raises ModelledErrno: the system call's error; a MAP_FIXED that fails leaves a hole (S4.7.4, measured)
    """
    if nr <= 0:
        raise ModelledErrno(errno.EINVAL)
    end = start + nr
    if end > TASK_PAGES:
        raise ModelledErrno(errno.ENOMEM)
    if mm.map_count > MAX_MAP_COUNT:
        raise ModelledErrno(errno.ENOMEM)
    with mm.mmap_lock.write():
        fills = map_locked(
            mm, start, nr, access, file=file, pgoff=pgoff, shared=shared, fixed=fixed, locked=locked
        )
    if populated or fills:
        mm_populate(mm, start, end)


def map_locked(
    mm: MmStruct,
    start: int,
    nr: int,
    access: int,
    *,
    file: MappedFile | None,
    pgoff: int,
    shared: bool,
    fixed: bool,
    locked: bool,
) -> bool:
    """Map like :func:`do_mmap`, with mmap_lock held for writing, and without populating the mapping.

    :return: True if it must be populated because locking was requested, even if it ends up not locked
    :raises ModelledErrno: as :func:`do_mmap`
    """
    end = start + nr
    if file is not None and file.placement_errno:
        raise ModelledErrno(file.placement_errno)
    if not fixed and mm.vmas_in(start, end):
        raise ModelledErrno(errno.EEXIST)
    flags = _vm_flags(mm, access, file, shared) | (VM_LOCKED if locked else 0)
    vma = Vma(
        mm,
        start,
        end,
        pgoff=start if file is None else pgoff,
        flags=flags,
        page_prot=vm_get_page_prot(flags, keys=mm.kernel.profile.configuration.protection_keys),
        file=file,
    )
    mm.start_write(vma)
    _mmap_region(vma)
    return bool(flags & VM_LOCKED)


def _vm_flags(mm: MmStruct, access: int, file: MappedFile | None, shared: bool) -> int:
    """The initial flags of a new VMA; EPERM for PROT_EXEC if the file does not allow it."""
    flags = access | mm.def_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
    if shared:
        flags |= VM_SHARED | VM_MAYSHARE
    elif access & VM_WRITE:
        flags |= VM_ACCOUNT
    if file is not None and file.noexec:
        if access & VM_EXEC:
            raise ModelledErrno(errno.EPERM)
        flags &= ~VM_MAYEXEC
    return flags


def _mmap_region(vma: Vma) -> None:
    """Remove existing mappings, have the file fill the new VMA, and link it."""
    mm, file, profile = vma.mm, vma.file, vma.mm.kernel.profile
    two_phases = file is not None and file.mmap_prepare
    if profile.fixed_frees_before_mmap:
        _check_limits(vma)
    replaced = _cut_out(vma)
    if not profile.fixed_frees_before_mmap:
        _check_limits(vma, replaced)
    mm.kernel.commit(accounted([vma]))
    taken_over = accounted(replaced) if vma.flags & VM_ACCOUNT else 0
    # Replaced VMAs stay in the tree until the new VMA takes their place, except in the oldest kernels.
    in_tree = replaced
    if profile.fixed_frees_before_mmap:
        detach(mm, replaced)
        in_tree = []
    clear_vmas(mm, replaced)
    if profile.fixed_frees_before_mmap:
        free_vmas(mm, replaced)
        replaced = []
    try:
        if file is not None and two_phases:
            file.prepare(vma)
    except ModelledErrno:
        detach(mm, in_tree)
        free_vmas(mm, replaced)
        if not profile.refused_stays_committed:
            mm.kernel.uncommit(accounted([vma]))
        raise
    if two_phases:
        # The new VMA is linked, and the old ones removed, before it is filled (S4.7).
        _enter(vma, in_tree)
        free_vmas(mm, replaced)
        in_tree = replaced = []
    try:
        if file is not None:
            file.mmap(vma)
    except ModelledErrno:
        if vma.file is not file and not mm.kernel.profile.error_puts_vm_file:
            # The guest driver detects that its other file is never released (S9.12.4).
            mm.kernel.trace.printk("pfnlab: a mapping that failed holds its file")
        _teardown(vma, linked=two_phases)
        detach(mm, in_tree)
        free_vmas(mm, replaced)
        if profile.replaced_stays_committed and not two_phases:
            # The new mapping uncommits only the pages it has beyond those of the replaced mappings.
            mm.kernel.commit(taken_over)
        raise
    if not two_phases:
        # The file may have filled it, but revocation cannot find it yet (S8.3.10).
        with mm.kernel.processors.inside("vma_link"):
            _enter(vma, in_tree)
    _finish(vma)
    free_vmas(mm, replaced)


def _cut_out(vma: Vma) -> list[Vma]:
    """Return the VMAs to be replaced, split at both ends of the new one.

    :raises ModelledErrno: if one cannot be split; the oldest kernels return ENOMEM for any reason (S9.10.4)
    """
    try:
        return gather_munmap(vma.mm, vma.start, vma.end)
    except ModelledErrno:
        if vma.mm.kernel.profile.fixed_frees_before_mmap:
            raise ModelledErrno(errno.ENOMEM) from None
        raise


def _check_limits(vma: Vma, replaced: list[Vma] | None = None) -> None:
    """Check the limits for the pages by which the new mapping exceeds those it replaces (S5.14.3).

    :param replaced: the replaced mappings; if not split yet (None), the limits are first
        checked for all new pages
    :raises ModelledErrno: ENOMEM; splits are not undone
    """
    mm = vma.mm
    if replaced is None:
        if may_expand_vm(mm, vma.flags, vma.nr):
            return
        taken = sum(
            min(old.end, vma.end) - max(old.start, vma.start) for old in mm.vmas_in(vma.start, vma.end)
        )
    else:
        taken = sum(old.nr for old in replaced)
    if not may_expand_vm(mm, vma.flags, vma.nr - taken):
        raise ModelledErrno(errno.ENOMEM)


def _enter(vma: Vma, replaced: list[Vma]) -> None:
    """Put the VMA into the address space in place of *replaced*, and into its file's reverse map."""
    with vma.mm.entering(vma):
        detach(vma.mm, replaced)
        vma.mm.link(vma)


def _teardown(vma: Vma, *, linked: bool) -> None:
    """Remove a VMA whose mmap failed, with its entries; it is linked only in a two-phase mmap (S4.7)."""
    mm, kernel, processors = vma.mm, vma.mm.kernel, vma.mm.kernel.processors
    if linked:
        detach(mm, [vma])
    tlb = MmuGather(mm, "munmap")
    with processors.inside("unmap_vmas"):
        kernel.tracker.unmap_vmas(vma)
        zap_vma(tlb, vma, vma.start, vma.end)
    tlb.flushes.unmap_region(tlb, vma)
    with processors.inside("free_pgtables"), kernel.failures.inside("free_pgtables"):
        kernel.trace.event("free_pgtables")
        tlb.flushes.tlb_free_vmas(tlb, vma)
        tlb.flushes.tlb_free_vma(tlb, vma)
        with processors.inside("unlink"):
            if linked:
                kernel.unlink_file(vma)
                kernel.trace.event("unlink", vma.start)
        tlb.free_tables(*mm.gap_around(vma.start, vma.end))
    tlb.finish()
    free_vmas(mm, [vma])


def _finish(vma: Vma) -> None:
    """The final steps of mmap; special VMAs stay unlocked (S5.10.1)."""
    if vma.mm.kernel.profile.configuration.soft_dirty:
        vma.flags |= VM_SOFTDIRTY
    if vma.special:
        vma.flags &= ~VM_LOCKED
    vma.set_page_prot()
    vma.mm.merge_around(vma, "mapped")
