"""The walkers' table: the result of each way to a page at each kind of entry, on every series.

The page ``docs/walkers.md`` is made of the model's runs of :func:`cell_program` for every cell;
``make pages`` writes it anew, and the lab holds every cell against kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby

from pfnlab.policies.releases import CONFIRMED
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.observation import Run
from pfnlab.report import markdown

#: The kinds of entries, each with the lines that make one at ``a[0]``.
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
    "vmsplice": "vmsplice a[0]",
    "futex_wake": "futex_wake a[0]",
    "move_pages": "move_pages a[0]",
    "mincore": "mincore a[0]",
    "pagemap": "pagemap a[0]",
    "numa_maps": "numa_maps a[0]",
    "smaps": "smaps a[0]",
    "userfaultfd": "userfaultfd a[0]",
}

#: The cells of walkers that are done and found nothing to tell.
_SILENT = {"numa_maps": "nothing counted", "smaps": "nothing"}

_HEAD = """\
# What walkers see

Other ways to a page than the processor's own, and what each finds in a device mapping that
remap_pfn_range filled. The model made this page (`make pages`), and
`tests/lab/test_walkers.py` asks kernels about every cell.

The columns are kinds of page-table entries:

- **special**: a device page, mapped shared and writable; its first word is 7.
- **copied**: a page copied by a write of 7 to a private mapping: ordinary memory in a PFN mapping.
- **empty**: no entry, because a driver has cleared it; its fault handler would fill it again.
- **PROT_NONE**: the same entries after mprotect took all access away.
- **large**: a device page of a vfio-pci mapping of 2 MiB, one leaf where the kernel makes such (6.12, 7.2).
- **no VMA**: nothing is mapped there any more.

A cell is the result: an errno, the value read, what is told of the page, or `ok`. Where series differ,
each value stands behind the series it holds for. The operations are those of [programs](programs.md);
`load` is the task's own, for comparison; Rss is in kB.
"""


def cell_program(walker: str, kind: str) -> Program:
    """The program of one cell; its last operation is the walker's."""
    lines = "\n".join((*KINDS[kind], WALKERS[walker]))
    text = f"pfnlab program 1\ntitle {walker} at {kind}\ndevice bar: pci, 512 pages\n\n{lines}\n"
    return load_text(text)


def cell(walker: str, run: Run) -> str:
    """The text of a cell, from *run* of its program."""
    step = run.steps[-2]
    # mincore at a hole has the errno, and the pages before it, of which there are none here.
    failed = walker == "mincore" and step.result != "ok"
    if step.value is not None and not failed:
        # Files that speak of VMAs say first of which.
        return str(step.value).rpartition("] ")[2]
    return _SILENT.get(walker, step.result)


def table(ask: Callable[[str, Program], Run]) -> str:
    """The table, a row a walker.

    :param ask: gives the run of a program on a series
    """
    rows = []
    for walker in WALKERS:
        programs = [cell_program(walker, kind) for kind in KINDS]
        cells = [{series: cell(walker, ask(series, program)) for series in CONFIRMED} for program in programs]
        rows.append([walker, *map(_collapsed, cells)])
    return markdown.table(["walker", *KINDS], rows)


def _collapsed(values: Mapping[str, str]) -> str:
    """Every value with the series it holds for, alone where it is the only one."""
    groups = [(value, list(members)) for value, members in groupby(values, lambda series: values[series])]
    if len(groups) == 1:
        return f"`{groups[0][0]}`"
    last = groups[-1][1]
    return ", ".join(f"{_range(members, members is last)} `{value}`" for value, members in groups)


def _range(series: list[str], open_end: bool) -> str:
    if open_end:
        return f"{series[0]}.."
    return series[0] if len(series) == 1 else f"{series[0]}..{series[-1]}"


def page() -> str:
    """The whole page, as the model has it."""
    return f"{_HEAD}\n{table(lambda series, program: ModelMachine(series).run_one(program))}"


if __name__ == "__main__":
    print(page(), end="")
