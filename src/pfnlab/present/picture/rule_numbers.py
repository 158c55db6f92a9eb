"""The rules behind operations and log lines: steps and sections of docs/semantics by number."""

from __future__ import annotations

import re

from pfnlab.programs.lang.words import ROWS, verbs_of

#: The rules of an operation by its verb; those of the table have them there.
_VERBS = {
    **{verb: row.rules for kind, row in ROWS.items() for verb in verbs_of(kind)},
    "mmap": "S4.7",
    "mremap": "S5.8",
    "remap_file_pages": "S5.10",
    "fork": "S3.5 S5.11",
    "unmap_mapping_range": "S6.7 S8.3",
    "userfaultfd": "S5.10",
    **dict.fromkeys(("process_vm_readv", "process_vm_writev"), "S7.1"),
    **dict.fromkeys(("pagemap", "pagemap_scan", "numa_maps", "smaps", "smaps_rollup", "move_pages"), "S7.5"),
    **dict.fromkeys(("mem_read", "mem_write", "pipe_write", "vmsplice", "futex_wake"), "S7.6"),
    "end": "S8.2.8",
}

#: The interface behind a mapping.
_VIAS = {"wc": "S9.2", "uc": "S9.2", "devmem": "S9.1", "devmem-sync": "S9.1", "vfio": "S9.4"}
_VIAS |= {"proc-wc": "S9.3", "proc-uc": "S9.3", "perf": "S9.10"}

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
        named = [word.partition("[")[0] for word in words]
        rules = " ".join([next((_VIAS[word] for word in named if word in _VIAS), ""), rules]).strip()
    return rules


def log_rules(line: str) -> str:
    """The rule that prints a line of the kernel's log."""
    return next((rule for words, rule in _LINES if words in line), "S10.5")
