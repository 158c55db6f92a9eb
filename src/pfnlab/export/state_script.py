# PFN mappings of one kernel, as its own structures have them: the memtype tree (the book), and every VMA that
# maps physical memory by page frame number. It needs drgn and the kernel's types, and no pfnlab:
#
#     drgn SCRIPT                         this machine, as root
#     drgn -c VMCORE SCRIPT               a core
#     drgn SCRIPT f8000000-fbffffff ...   only these ranges of physical memory, as /proc/iomem has them
#
# Every kernel from 6.1 on: up to 6.15 a tracked VMA has the flag VM_PAT; since 6.16 it has a
# pfnmap_track_ctx, which counts the VMAs that own the reservation.

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from drgn import FaultError, ObjectNotFoundError
from drgn.helpers.linux.mm import follow_pfn, for_each_vma
from drgn.helpers.linux.pid import for_each_task
from drgn.helpers.linux.rbtree import rbtree_inorder_for_each_entry

PAGE_SHIFT = 12
VM_PFNMAP, VM_IO, VM_LOCKED, VM_MIXEDMAP, VM_PAT = 0x400, 0x4000, 0x2000, 0x10000000, 0x1000000
FLAGS = {"pfnmap": VM_PFNMAP, "io": VM_IO, "locked": VM_LOCKED, "mixedmap": VM_MIXEDMAP}
MODES = {"WB": "wb", "WC": "wc", "UC_MINUS": "uc-", "UC": "uc", "WT": "wt", "WP": "wp"}
# The cache bits of a page-table entry, PAT (7), PCD (4) and PWT (3), with the PAT as Linux sets it up.
ENTRY_MODES = ("wb", "wc", "uc-", "uc", "wb", "wp", "uc-", "wt")


def ranges_of(words: list[str]) -> list[tuple[int, int]]:
    """The requested ranges of physical memory, as half-open addresses."""
    ranges = []
    for word in words:
        first, _, last = word.partition("-")
        try:
            ranges.append((int(first, 16), int(last or first, 16) + 1))
        except ValueError:
            sys.exit(f"{word}: this is not a range of physical memory: write f8000000-fbffffff")
    return ranges


def is_asked(start: int, end: int, ranges: list[tuple[int, int]]) -> bool:
    """True if any byte is in one of *ranges*, or no range was given."""
    return not ranges or any(start < last and first < end for first, last in ranges)


def memtypes(prog: Any) -> Iterator[tuple[int, int, str]]:
    """The reservations in order: first address, end address, cache mode."""
    modes = {value: name for name, value in prog.type("enum page_cache_mode").enumerators}
    root = prog["memtype_rbroot"].rb_root.address_of_()
    for entry in rbtree_inorder_for_each_entry("struct memtype", root, "rb"):
        name = modes.get(entry.type.value_(), "?").removeprefix("_PAGE_CACHE_MODE_")
        yield entry.start.value_(), entry.end.value_(), MODES.get(name, name.lower())


def entry_mode(protection: int) -> str:
    """The cache mode of page-table entries with this protection."""
    return ENTRY_MODES[(protection >> 7 & 1) << 2 | (protection >> 4 & 1) << 1 | (protection >> 3 & 1)]


def first_pfn(prog: Any, mm: Any, vma: Any) -> int | None:
    """The page frame at the start of *vma*; None if the entry is empty."""
    try:
        return int(follow_pfn(mm, vma.vm_start).value_())
    except (FaultError, NotImplementedError, LookupError, ValueError):
        return None


def said(prog: Any, vma: Any) -> str:
    """The kernel's record of the reservation of *vma*."""
    try:
        context = vma.pfnmap_track_ctx
    except AttributeError:
        return "VM_PAT" if vma.vm_flags.value_() & VM_PAT else "no VM_PAT"
    if not context:
        return "no context"
    count = context.kref.refcount.refs.counter.value_()
    pfn, size = context.pfn.value_(), context.size.value_()
    return (
        f"context {context.value_():#x} refs {count} of {span(pfn << PAGE_SHIFT, (pfn << PAGE_SHIFT) + size)}"
    )


def span(start: int, end: int) -> str:
    """Addresses in the format of /proc/iomem, and the number of pages."""
    return f"{start:08x}-{end - 1:08x} ({(end - start) >> PAGE_SHIFT} pages)"


def vmas(prog: Any, ranges: list[tuple[int, int]]) -> Iterator[str]:
    """One line for each VMA that maps by page frame number."""
    seen = set()
    for task in for_each_task(prog):
        mm = task.mm
        if not mm or mm.value_() in seen:
            continue
        seen.add(mm.value_())
        for vma in for_each_vma(mm):
            flags = vma.vm_flags.value_()
            if not flags & (VM_PFNMAP | VM_MIXEDMAP):
                continue
            start, end = vma.vm_start.value_(), vma.vm_end.value_()
            pfn = first_pfn(prog, mm, vma)
            # In the files of PCI devices and in /dev/mem the offset is the page frame.
            first = (vma.vm_pgoff.value_() if pfn is None else pfn) << PAGE_SHIFT
            unknown = pfn is None and not vma.vm_file
            if (unknown and ranges) or not is_asked(first, first + end - start, ranges):
                continue
            words = " ".join(word for word, bit in FLAGS.items() if flags & bit)
            shows = "empty" if pfn is None else f"pfn {pfn:#x}"
            mode = entry_mode(vma.vm_page_prot.pgprot.value_())
            name = task.comm.string_().decode(errors="backslashreplace")
            yield (
                f"{name} {task.tgid.value_()}  {start:x}-{end:x} ({(end - start) >> PAGE_SHIFT} pages)  "
                f"first entry {shows}  {mode}  {words}  {said(prog, vma)}"
            )


def main(prog: Any, words: list[str]) -> None:
    """Print the state."""
    ranges = ranges_of(words)
    print("memtype tree:")
    try:
        for start, end, mode in memtypes(prog):
            if is_asked(start, end, ranges):
                print(f"  {span(start, end)} {mode}")
    except (ObjectNotFoundError, KeyError, LookupError):
        sys.exit("this kernel has no memtype_rbroot, or drgn has no types of it: PAT is off, or install them")
    print("VMAs:")
    for line in vmas(prog, ranges):
        print(f"  {line}")


if __name__ == "__main__":
    main(globals()["prog"], sys.argv[1:])
