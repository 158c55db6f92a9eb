"""Walker programs: every way to access a page other than through the processor, at each kind of entry.

``docs/walkers.md`` lists their results on the models in a table.
"""

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program

#: The kinds of entries, each with the lines that create one at ``a[0]``.
KINDS: dict[str, tuple[str, ...]] = {
    "special": ("a = mmap bar[0:1] wc shared rw", "write a[0] 7"),
    "copied": ("a = mmap bar[0:1] wc private rw", "write a[0] 7"),
    "empty": ("a = mmap bar[0:1] driver remap wc shared rw", "write a[0] 7", "zap_vma_ptes a"),
    "special, PROT_NONE": ("a = mmap bar[0:1] wc shared rw", "write a[0] 7", "mprotect a none"),
    "copied, PROT_NONE": ("a = mmap bar[0:1] wc private rw", "write a[0] 7", "mprotect a none"),
    "large": ("a = mmap bar[0:512] vfio shared rw", "write a[0] 7"),
    "no VMA": ("a = mmap bar[0:1] wc shared rw", "munmap a"),
}

#: The walkers, each with its operation.
WALKERS: dict[str, str] = {
    "load": "read a[0]",
    "pipe_write": "pipe_write a[0]",
    "/proc/self/mem, read": "mem_read a[0]",
    "/proc/self/mem, write": "mem_write a[0] 9",
    "process_vm_readv": "process_vm_readv a[0]",
    "process_vm_writev": "process_vm_writev a[0] 9",
    **{verb: f"{verb} a[0]" for verb in ("vmsplice", "futex_wake", "move_pages", "mincore", "pagemap")},
    **{verb: f"{verb} a[0]" for verb in ("pagemap_scan", "numa_maps", "smaps", "smaps_rollup")},
    "userfaultfd": "userfaultfd a[0]",
}


def cell_program(walker: str, kind: str) -> Program:
    """The program for one cell; its last operation is the walker's."""
    lines = "\n".join((*KINDS[kind], WALKERS[walker]))
    text = f"pfnlab program 1\ntitle {walker} at {kind}\ndevice bar: pci, 512 pages\n\n{lines}\n"
    return load_text(text)
