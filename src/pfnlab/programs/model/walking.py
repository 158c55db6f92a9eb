"""The results of a program's walkers: what the modelled kernel answers, in the form of observations."""

from pfnlab.base.errors import Defect
from pfnlab.base.units import PAGE_SIZE
from pfnlab.kernel.mm.kernel import Task
from pfnlab.kernel.mm.more import pagemap, readers, remote
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import ByteRange, ProcessVmReadv, Walk
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.texts import ascending, moved_text

#: The number of bytes in a word, which is what moves if an operation names no bytes.
WORD = 4

#: The words for a page in /proc/PID/pagemap, ordered by bit, highest first.
PAGEMAP_WORDS = ("present", "swapped", "file", "guard", "uffd-wp", "exclusive", "soft-dirty")

#: The words for a page's categories in PAGEMAP_SCAN, with the kernel's bits (PAGE_IS_*).
CATEGORIES = {
    "present": 1 << 3,
    "swapped": 1 << 4,
    "file": 1 << 2,
    "guard": 1 << 8,
    "written": 1 << 1,
    "pfnzero": 1 << 5,
    "huge": 1 << 6,
    "soft-dirty": 1 << 7,
}


def walked(task: Task, call: Walk, places: Places) -> int | str | None:
    """The value that *call* returns to *task*.

    :raises ModelledErrno: the system call's error
    """
    mm, span = task.mm, call.span
    vpn, end = places.pages(span)
    match call.walker:
        case "mem_read" | "mem_write" | "process_vm_writev":
            return _moved(task, call, vpn * PAGE_SIZE)
        case "pipe_write":
            return readers.pipe_write(mm, task.tlb, vpn)
        case "vmsplice":
            return readers.vmsplice(mm, vpn)
        case "futex_wake":
            return readers.futex_wake(mm, vpn)
        case "move_pages":
            return " ".join(readers.move_pages(mm, vpn, end, moves=call.node is not None))
        case "pagemap":
            return " ".join(map(_pagemap_text, pagemap.pagemap(mm, vpn, end)))
        case "pagemap_scan":
            found = pagemap.pagemap_scan(mm, vpn, end)
            return "; ".join(_region_text(region, call.span, vpn) for region in found) or None
        case "numa_maps":
            return "; ".join(_numa_text(counts, places) for counts in readers.numa_maps(mm, vpn, end)) or None
        case "smaps":
            return "; ".join(_smap_text(smap, places) for smap in readers.smaps(mm, vpn, end)) or None
        case "smaps_rollup":
            return rollup_text(*readers.smaps_rollup(mm, vpn, end))
        case "userfaultfd":
            readers.userfaultfd(mm, vpn, end)
        case _:
            raise Defect(f"no walker {call.walker}")
    return None


def _moved(task: Task, call: Walk, page: int) -> int | str | None:
    """The result of a walker that takes bytes; if no bytes are named, the first word.

    :raises ModelledErrno: the system call's error
    """
    part = call.bytes or ByteRange(0, WORD)
    start, stored = page + part.offset, None
    if call.value is not None:
        stored = ascending(call.value, part.length) if call.bytes else call.value.to_bytes(WORD, "little")
    if call.walker == "process_vm_writev":
        count = remote.process_vm_writev(task.mm, start, stored or b"")
        return moved_text(count) if call.bytes else None
    moved = remote.mem_rw(task.mm, start, part.length, stored)
    if call.bytes:
        return moved_text(len(moved), moved if stored is None else None)
    return int.from_bytes(moved, "little") if stored is None else None


def process_vm_readv(task: Task, call: ProcessVmReadv, places: Places) -> str | None:
    """The result of process_vm_readv for *task*; None if no particular bytes are requested.

    :raises ModelledErrno: EFAULT
    """
    part = call.bytes or ByteRange(0, WORD)
    start = places.pages(call.span)[0] * PAGE_SIZE + part.offset
    moved = remote.process_vm_readv(task.mm, start, part.length)
    return moved_text(len(moved), moved) if call.bytes else None


def pagemap_text(words: list[str]) -> str:
    """One page in a pagemap: its words, or ``-``."""
    return "+".join(word for word in PAGEMAP_WORDS if word in words) or "-"


def _pagemap_text(page: pagemap.Pagemap) -> str:
    flags = {"present": page.present, "file": page.file, "exclusive": page.exclusive}
    return pagemap_text([word for word, is_set in (flags | {"soft-dirty": page.softdirty}).items() if is_set])


def region_text(span: Span, words: list[str]) -> str:
    """Pages of the same categories found by a scan: ``a[0:4] present+written``."""
    return f"{span} {'+'.join(word for word in CATEGORIES if word in words)}"


def _region_text(region: pagemap.Region, span: Span, vpn: int) -> str:
    start = span.start - vpn
    return region_text(Span(span.name, start + region.start, start + region.end), region.categories())


def _numa_text(counts: readers.NumaCounts, places: Places) -> str:
    span = places.area_span(counts.start, counts.start + 1)
    assert span is not None
    words = [f"{span.name}[{span.start}]"]
    words += [f"anon={counts.anonymous}"] * (counts.anonymous > 0)
    words += [f"dirty={counts.dirty}"] * (counts.dirty > 0)
    words += [f"mapped={counts.pages}"] * (counts.pages not in (counts.anonymous, counts.dirty))
    words += [f"mapmax={counts.mapmax}"] * (counts.mapmax > 1)
    return " ".join([*words, f"N0={counts.pages}"])


def smap_text(span: Span, rss: int) -> str:
    """One VMA in smaps: ``a[0:4] Rss=16``, in kB."""
    return f"{span} Rss={rss}"


def _smap_text(smap: readers.Smap, places: Places) -> str:
    span = places.area_span(smap.start, smap.end)
    assert span is not None
    return smap_text(span, smap.rss)


def rollup_text(rss: int, anonymous: int) -> str:
    """The amounts that VMAs contribute to the sums in smaps_rollup: ``Rss=16 Anonymous=8``, in kB."""
    return f"Rss={rss} Anonymous={anonymous}"


def status_text(status: readers.LockedMemory) -> str:
    """``VmLck=16 VmPin=0``, in kB; N for a number that depends on the machine."""
    return f"VmLck={'N' if status.locked is None else status.locked} VmPin={status.pinned}"
