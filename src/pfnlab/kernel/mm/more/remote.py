"""Access to a task's memory as other processes do it: process_vm_readv, /proc/PID/mem (S7.6)."""

import errno
from collections.abc import Iterator

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PAGE_SIZE, PfnRange
from pfnlab.kernel.hw.entry import pte_write
from pfnlab.kernel.hw.pgtable import EntryRun, Page
from pfnlab.kernel.mm.content import bytes_at, with_bytes
from pfnlab.kernel.mm.flags import VM_IO, VM_PFNMAP
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.gup import get_user_page
from pfnlab.kernel.mm.more.memremap import ioremap, iounmap, is_memory, warn_about_ram
from pfnlab.kernel.mm.space import MmStruct


def process_vm_readv(mm: MmStruct, start: int, length: int) -> bytes:
    """Read *length* bytes from byte *start* on via get_user_pages, stopping at a refused page (S7.6.1).

    :raises ModelledErrno: EFAULT if the first page is refused
    """
    pages = _pinned(mm, start, length, write=False)
    parts = _parts(start, length)
    return b"".join(
        _load(mm, entry.pfn, entry.page, *part) for entry, part in zip(pages, parts, strict=False)
    )


def process_vm_writev(mm: MmStruct, start: int, stored: bytes) -> int:
    """Write bytes from byte *start* on via get_user_pages, stopping at a refused page (S7.6.1).

    :return: the number of bytes written
    :raises ModelledErrno: EFAULT if the first page is refused
    """
    pages = _pinned(mm, start, len(stored), write=True)
    moved = 0
    for entry, (offset, length) in zip(pages, _parts(start, len(stored)), strict=False):
        _store(mm, entry.pfn, entry.page, offset, stored[moved : moved + length])
        moved += length
    return moved


def _pinned(mm: MmStruct, start: int, length: int, *, write: bool) -> list[EntryRun]:
    """The pages containing the bytes, up to the first one that is refused twice.

    Pages before a refused one are copied, and the rest is retried (process_vm_rw_single_vec).
    """
    pinned: list[EntryRun] = []
    refused = -1
    vpn, end = start // PAGE_SIZE, -(-(start + length) // PAGE_SIZE)
    while vpn < end:
        try:
            pinned.append(get_user_page(mm, vpn, write=write, pin=True, remote=True))
            vpn += 1
        except ModelledErrno:
            if not pinned:
                raise ModelledErrno(errno.EFAULT) from None
            if refused == vpn:
                break
            refused = vpn
    return pinned


def _parts(start: int, length: int) -> Iterator[tuple[int, int]]:
    """The bytes from *start* on, page by page, as pairs of offset in the page and length."""
    while length:
        offset = start % PAGE_SIZE
        part = min(length, PAGE_SIZE - offset)
        yield offset, part
        start, length = start + part, length - part


def mem_rw(mm: MmStruct, start: int, length: int, stored: bytes | None = None) -> bytes:
    """Read or write bytes of /proc/self/mem, 4096 at a time, until one is not accessible (S7.6.5).

    :param stored: the *length* bytes to write; None to read
    :return: the bytes read or written
    :raises ModelledErrno: EIO if the first part is not accessible
    """
    moved = b""
    while len(moved) < length:
        size = min(length - len(moved), PAGE_SIZE)
        part = None if stored is None else stored[len(moved) : len(moved) + size]
        got = _access_remote_vm(mm, start + len(moved), size, part)
        if not got and not moved:
            raise ModelledErrno(errno.EIO)
        moved += got
        if not got:
            break
    return moved


def _access_remote_vm(mm: MmStruct, start: int, length: int, stored: bytes | None) -> bytes:
    """Access up to 4096 bytes: page by page like a debugger, or else the rest through the file (S7.6.2)."""
    force, moved = mm.kernel.profile.mem_forces, b""
    while len(moved) < length:
        vpn, offset = divmod(start + len(moved), PAGE_SIZE)
        size = min(length - len(moved), PAGE_SIZE - offset)
        part = None if stored is None else stored[len(moved) :]
        try:
            entry = get_user_page(mm, vpn, write=stored is not None, force=force, remote=True)
        except ModelledErrno:
            if not _finds_vma(mm, vpn):
                break
            try:
                moved += _access_phys(mm, vpn, offset, length - len(moved), part)
            except ModelledErrno:
                break
            continue
        if part is not None:
            _store(mm, entry.pfn, entry.page, offset, part[:size])
        moved += _load(mm, entry.pfn, entry.page, offset, size)
    return moved


def _finds_vma(mm: MmStruct, vpn: int) -> bool:
    """True if there is a VMA.

    If not, the kernel looks for a stack to expand, under the lock for writing.
    """
    with mm.mmap_lock.read():
        if mm.vma_lookup(vpn) is not None:
            return True
    if mm.kernel.profile.remote_access_expands:
        with mm.mmap_lock.write():
            pass
    return False


def _access_phys(mm: MmStruct, vpn: int, offset: int, length: int, stored: bytes | None) -> bytes:
    """generic_access_phys: map frames for the kernel, again if the entry changed; or EIO (S7.6.3, S7.6.5)."""
    kernel = mm.kernel
    if kernel.profile.access_phys_by_page:
        length = min(length, PAGE_SIZE - offset)
    with mm.mmap_lock.read():
        vma = mm.vma_lookup(vpn)
        if vma is None or vma.file is None or not vma.file.has_access:
            raise ModelledErrno(errno.EIO)
        if not vma.flags & (VM_IO | VM_PFNMAP):
            raise ModelledErrno(errno.EIO)
        pages, writes = -(-(offset + length) // PAGE_SIZE), stored is not None
        entry = _follow_pfnmap_start(mm, vpn)
        frames = _map_frames(kernel, entry, pages, writes=writes)
        while kernel.profile.access_phys_asks_again:
            again = _follow_pfnmap_start(mm, vpn, entry)
            if again == entry:
                break
            iounmap(kernel, frames)
            entry = again
            frames = _map_frames(kernel, entry, pages, writes=writes)
        start = frames.start * PAGE_SIZE + offset
        moved = b""
        for place, size in _parts(start, length):
            pfn = (start + len(moved)) // PAGE_SIZE
            if stored is not None:
                _store(mm, pfn, None, place, stored[len(moved) : len(moved) + size])
            moved += _load(mm, pfn, None, place, size)
        iounmap(kernel, frames)
        return moved


def _follow_pfnmap_start(mm: MmStruct, vpn: int, expected: EntryRun | None = None) -> EntryRun | None:
    """The entry for page *vpn*, with its table locked; a leaf is read before locking (S7.6.6).

    :param expected: access the frame of this entry, if the page still has this entry
    """
    while (seen := mm.tables.entry(vpn)) is not None and seen.level > 1:
        unlocked = mm.kernel.profile.leaf_read_unlocked
        if unlocked and seen == expected:
            mm.lookups.append(seen)
        with mm.kernel.processors.inside("follow_pfnmap_start"):
            locked = mm.table_locks.entry(vpn)
        if unlocked:
            # Whatever has happened to it in the meantime.
            mm.lookups[:] = [other for other in mm.lookups if other is not seen]
            return seen
        if locked is not None and locked.level > 1:
            return locked
    return mm.table_locks.entry(vpn)


def _map_frames(kernel: Kernel, entry: EntryRun | None, pages: int, *, writes: bool) -> PfnRange:
    """Map the frame of *entry* and the following ones for the kernel, in its mode; EIO if it has none."""
    if entry is None or (writes and not pte_write(entry.bits)):
        raise ModelledErrno(errno.EIO)
    frames = PfnRange(entry.pfn, entry.pfn + pages)
    if entry.page is not None or is_memory(kernel, frames):
        if not kernel.profile.access_phys_spares_ram:
            warn_about_ram(kernel)
        raise ModelledErrno(errno.EIO)
    try:
        ioremap(kernel, frames, kernel.platform.pat.pgprot2cachemode(entry.bits))
    except ModelledErrno:
        raise ModelledErrno(errno.EIO) from None
    return frames


def _load(mm: MmStruct, pfn: int, page: Page | None, offset: int, length: int) -> bytes:
    """Bytes from a page, or from a device frame if there is no page."""
    return bytes_at(mm.kernel.load(pfn) if page is None else page.value, offset, length)


def _store(mm: MmStruct, pfn: int, page: Page | None, offset: int, stored: bytes) -> None:
    """Set bytes in a page, or in a device frame if there is no page."""
    if page is None:
        mm.kernel.store(pfn, with_bytes(mm.kernel.load(pfn), offset, stored))
    else:
        page.value = with_bytes(page.value, offset, stored)
