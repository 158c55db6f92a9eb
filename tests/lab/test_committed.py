"""Committed memory that programs leave behind, on kernels and their models."""

import pytest
from having import ASKED, bootable

from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"
ANON = "a = mmap anon[0:8] private rw\n"

#: Mappings that fail, grow in vain, shrink, cannot be cut, stay, are copied in vain, and change.
PROGRAMS = (
    f"{ANON}fail __pte_alloc 1 in remap_pfn_range: mmap bar[0:4] wc private rw over a[0:4]\n",
    f"{ANON}write a[0] 1\nfail __pte_alloc 1: c = mremap a[0:8] 13 pages maymove fixed\n",
    f"{ANON}c = mremap a[0:8] 3 pages maymove fixed\n",
    f"{ANON}write a[2] 1\nfail vm_area_dup 2: c = mremap a[2:4] 2 pages maymove fixed\n",
    "a = mmap bar[0:8] wc shared rw\nfail vm_area_dup 2: c = mremap a[2:4] 2 pages maymove fixed\n",
    f"{ANON}write a[2] 1\nc = mremap a[0:8] 8 pages maymove fixed dontunmap\n",
    f"{ANON}b = mmap bar[0:8] wc private rw\nfail vm_area_dup 2: c = fork\nd = fork\n",
    "a = mmap anon[0:8] private r\nmprotect a[2:4] rw\nfail vm_area_dup 1: mprotect a[5:6] rw\n",
)


def left(run: Run) -> list[str]:
    """What a run says it has left committed."""
    assert run.unfinished is None, run.unfinished
    faults = (fault for memory in run.memory for fault in memory.faults)
    return [fault.says for fault in faults if fault.name == "committed_left"]


@pytest.mark.parametrize("series", [ASKED[0], ASKED[-1]])
def test_a_model_leaves_as_much_committed_as_its_kernel(series: str) -> None:
    """In pages, whatever the reason."""
    programs = [load_text(HEAD + text) for text in PROGRAMS]
    with QemuMachine(bootable(series), guests=1, look=LookLevel.MEMORY) as machine:
        kernels = machine.run(programs)

    models = ModelMachine(series).run(programs)

    assert [left(run) for run in kernels] == [left(run) for run in models]
    assert any(map(left, kernels))
