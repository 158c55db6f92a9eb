"""The rules behind operations and log lines: steps and sections of docs/semantics by number."""

from __future__ import annotations

import re

#: The rules of an operation by its verb; the first word that is found counts.
_VERBS = {
    "munmap": "S8.2",
    "mremap": "S5.8",
    "mprotect": "S5.10",
    "madvise": "S5.9",
    "fork": "S3.5 S5.11",
    "read": "S6.2",
    "write": "S6.2 S6.4",
    "unmap_mapping_range": "S6.7 S8.3",
    "zap_vma_ptes": "S6.7",
    "remap_pfn_range": "S4.6",
    "ioremap": "S9.6",
    "memremap": "S9.7",
    "process_vm_readv": "S7.1",
    "exit": "S8.2.8",
    "kill": "S8.2.8",
    "exec": "S8.2.9",
    "end": "S8.2.8",
    "remap_file_pages": "S5.10",
    "mmap": "S4.7",
    **dict.fromkeys(("mlock", "munlock", "mlockall", "munlockall", "msync", "mseal", "userfaultfd"), "S5.10"),
    **dict.fromkeys(("pagemap", "numa_maps", "smaps", "mincore", "move_pages"), "S7.5"),
    **dict.fromkeys(("mem_read", "mem_write", "pipe_write", "vmsplice", "futex_wake"), "S7.6"),
    "process_vm_writev": "S7.1",
    **dict.fromkeys(("memremap_pages", "memunmap_pages"), "S4.9"),
    **dict.fromkeys(("io_mapping_create_wc", "io_mapping_free"), "S4.10"),
    **dict.fromkeys(("set_memory_wb", "set_memory_wc", "set_memory_uc"), "S2.9"),
    "iounmap": "S9.6",
    "memunmap": "S9.7",
    "arch_io_reserve_memtype_wc": "S9.8",
    "arch_io_free_memtype_wc": "S9.8",
    "arch_phys_wc_add": "S9.8",
    **dict.fromkeys(("memory_disable", "memory_enable", "vfio_reset", "d3", "d0", "vfio_close"), "S9.4"),
    **dict.fromkeys(("bind", "unbind", "remove", "rescan", "rescan_moved", "unplug", "plug"), "S9.9"),
    **dict.fromkeys(("request_mem_region", "release_mem_region"), "S9.9"),
}

#: The interface behind a mapping.
_VIAS = {"wc": "S9.2", "uc": "S9.2", "devmem": "S9.1", "devmem-sync": "S9.1", "vfio": "S9.4"}
_VIAS |= {"proc-wc": "S9.3", "proc-uc": "S9.3"}

_LINES = (
    ("freeing invalid memtype", "S2.4.5"),
    ("conflicting memory types", "S2.3.5"),
    ("memtype_reserve failed", "S2.2.2"),
)

_PREFIX = re.compile(r"^(?:[^\s:]+: |(?:hold|skip|fail) [^:]+: )+|^[^\s=]+ = ")


def op_rules(op: str) -> str:
    """The rules of an operation in a program's words; empty where none stands for it alone."""
    rest = _PREFIX.sub("", _PREFIX.sub("", op))
    words = rest.split()
    if not words:
        return ""
    rules = _VERBS.get(words[0], "")
    if words[0] == "mmap":
        rules = " ".join([next((_VIAS[word] for word in words if word in _VIAS), ""), rules]).strip()
    return rules


def log_rules(line: str) -> str:
    """The rule that prints a line of the kernel's log."""
    return next((rule for words, rule in _LINES if words in line), "S10.5")
