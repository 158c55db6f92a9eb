"""Programs that cut mappings again and again, drawn: what a long run is made of, in a short one."""

from __future__ import annotations

from hypothesis import strategies as st

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program

_HEAD = (
    "pfnlab program 1\ntitle t\ndevice bar: pci, 1024 pages\ndevice low: lowmem, 8 pages\narea c: 16 pages\n"
)

#: How the first area is mapped.
_FIRST = (
    "a = mmap bar[0:12] wc shared rw",
    "a = mmap bar[0:12] uc private rw",
    "a = mmap bar[0:12] devmem shared rw",
    "a = mmap bar[0:12] vfio shared rw",
    "a = mmap bar[0:12] driver remap wc shared rw",
    "a = mmap bar[0:12] driver fault wc shared rw",
    "a = mmap bar[0:600] driver fault_pmd shared rw",
    "a = mmap low[0:8] devmem private rw",
)
_SECOND = (
    "b = mmap bar[4:16] uc shared rw",
    "b = mmap bar[0:12] proc-wc private rw",
    "b = mmap anon[0:12] private rw",
)
#: What may follow; ``P`` is an area with pages, ``Q`` one page of it.
_THEN = (
    *("munmap P", "munmap P", "mprotect P r", "mprotect P rw", "mprotect P none", "write Q 1", "read Q"),
    *(
        "madvise P dontneed",
        "mlock P",
        "mremap P 2 pages maymove",
        "mremap P 16 pages maymove fixed over c[0:16]",
    ),
    *("t = fork", "t: munmap P", "t: write Q 2", "t: exit", "unmap_mapping_range bar[2:6]"),
    *("request_mem_region bar[0:4]", "release_mem_region", "remove bar", "rescan bar"),
    *("mmap bar[3:5] wc shared rw over a[3:5]", "smaps a", "look", "memory_disable bar", "memory_enable bar"),
    *("ioremap wc bar[0:4]", "iounmap", "arch_io_reserve_memtype_wc bar[0:8]"),
    *("hold unmap_vmas: munmap P", "release", "mlockall", "munlockall"),
)


@st.composite
def cutting_programs(draw: st.DrawFn) -> Program:
    """Two mappings, and up to ten operations on parts of them; a line that does not fit is left out."""
    lines = [draw(st.sampled_from(_FIRST)), draw(st.sampled_from(_SECOND))]
    for _ in range(draw(st.integers(1, 10))):
        start = draw(st.integers(0, 10))
        pages = f"{draw(st.sampled_from('ab'))}[{start}:{start + draw(st.integers(1, 12 - start))}]"
        page = f"{draw(st.sampled_from('ab'))}[{start}]"
        line = draw(st.sampled_from(_THEN)).replace("P", pages).replace("Q", page)
        if _reads([*lines, line]):
            lines.append(line)
    return load_text(_text([*lines, "release"] if _reads([*lines, "release"]) else lines))


def _text(lines: list[str]) -> str:
    return _HEAD + "".join(f"{line}\n" for line in lines)


def _reads(lines: list[str]) -> bool:
    try:
        load_text(_text(lines))
    except ProgramError as error:
        # What is held is released in the end.
        return "release" in str(error) and "release" not in lines[-1] and _reads([*lines, "release"])
    return True
