"""remap_file_pages(2), now emulated as a MAP_FIXED mmap of the same file (S5.10.8)."""

import errno

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.mm.flags import VM_ACCESS, VM_LOCKED, VM_SHARED
from pfnlab.kernel.mm.mmap import map_locked
from pfnlab.kernel.mm.populate import mm_populate
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import Vma


def remap_file_pages(mm: MmStruct, start: int, end: int, pgoff: int) -> None:
    """Remap pages ``[start, end)`` of a shared mapping to its file's pages from *pgoff* on.

    :raises ModelledErrno: EINVAL unless the whole range is mapped shared, from one file, with the same flags;
        otherwise the error from mmap, which leaves a hole
    """
    kernel = mm.kernel
    kernel.pr_warn_once(
        f"mmap: {kernel.current_comm} ({kernel.current_pid}) uses deprecated remap_file_pages() syscall. "
        "See Documentation/mm/remap_file_pages.rst."
    )
    with mm.mmap_lock.read():
        vma = mm.vma_lookup(start)
        if vma is None or not vma.flags & VM_SHARED:
            raise ModelledErrno(errno.EINVAL)
        flags, file = vma.flags, vma.file
    with mm.mmap_lock.write():
        vma = mm.vma_lookup(start)
        changed = vma is None or (vma.flags, vma.file) != (flags, file)
        if vma is None or changed or not _continues(mm, vma, end):
            raise ModelledErrno(errno.EINVAL)
        map_locked(
            mm,
            start,
            end - start,
            flags & VM_ACCESS,
            file=file,
            pgoff=pgoff,
            shared=True,
            fixed=True,
            locked=bool(flags & VM_LOCKED),
        )
    mm_populate(mm, start, end)


def _continues(mm: MmStruct, vma: Vma, end: int) -> bool:
    """True if the mapping that begins with *vma* extends to page *end*, through any number of VMAs."""
    at = vma.end
    while at < end:
        next_vma = mm.vma_lookup(at)
        if next_vma is None or next_vma.file is not vma.file or next_vma.flags != vma.flags:
            return False
        at = next_vma.end
    return True
