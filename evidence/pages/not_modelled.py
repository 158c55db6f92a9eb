"""The page ``docs/not-modelled.md``: what is not modelled, and why.

``python -m evidence.pages not-modelled --write`` writes it; the answers come from the language and the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evidence.pages.markdown import code, table
from pfnlab.base.errors import ProgramError, Undecided
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel


class Absence(NamedTuple):
    """A subject that is not modelled.

    :param subject: its name
    :param why: the reason, and any partial knowledge
    :param lines: a program that needs it, without its first line
    """

    subject: str
    why: str
    lines: Sequence[str]


#: The model that answers.
SERIES = "7.2"

_BAR = "device bar: pci, 4 pages"
_ANON = "a = mmap anon[0:4] private rw"

#: Memory other than PFN mappings: ordinary memory exists only as a neighbour of device mappings.
ORDINARY = (
    Absence(
        "hugetlb",
        "unmap_vmas() handles it separately, and no PFN mapping is hugetlb: the code that discussion 000 "
        "moves is next to hugetlb_zap_begin(), but does not interact with it.",
        (_BAR, "a = mmap hugetlb[0:512] wc private rw"),
    ),
    Absence(
        "huge pages in ordinary memory",
        "They have reverse maps, and other code splits and collapses them; leaves in device memory are "
        "modelled.",
        ("thp always", _BAR, "a = mmap anon[0:1024] private rw", "write a[512] 1"),
    ),
    Absence(
        "memory that may be freed, merged or swapped out",
        "Guests have no swap, so MADV_PAGEOUT on copied pages is modelled only as far as it gets without "
        "swap. Lazy freeing removes pages at unpredictable times.",
        (_BAR, _ANON, "write a[0] 1", "madvise a free"),
    ),
    Absence(
        "KSM",
        "It merges pages at unpredictable times; it does not touch VM_PFNMAP mappings.",
        (_BAR, _ANON, "madvise a mergeable"),
    ),
    Absence(
        "userfaultfd on ordinary memory",
        "A PFN mapping refuses it, which is modelled; its effects elsewhere are out of scope.",
        (_BAR, _ANON, "userfaultfd a"),
    ),
    Absence(
        "remap_file_pages and MADV_PAGEOUT on shared anonymous memory",
        "Its pages are removed and brought back in ways that do not exist for PFN mappings.",
        (_BAR, "a = mmap anon[0:4] shared rw", "write a[0] 1", "madvise a pageout"),
    ),
)

#: Other users that hold, change or watch a mapping.
OTHERS = (
    Absence(
        "other callers of folio_walk_start (discussion 001)",
        "move_pages accounts for two, with and without a node, and is modelled. The others skip frame "
        "mappings before they walk, like move_pages to a node: KSM by testing the VMA's flags, "
        "split_huge_pages by vma_is_special_huge(), make_device_exclusive() by get_user_pages. For uprobes "
        "see below; the remaining callers are in s390 code.",
        (_BAR, "a = mmap bar[0] wc private rw", "split_huge_pages a[0]"),
    ),
    Absence(
        "uprobes",
        "uprobe_munmap() looks for breakpoints only in executable mappings of regular files.",
        (_BAR, "a = mmap bar[0] wc shared rw", "uprobe a[0]"),
    ),
    Absence(
        "io_uring",
        "Up to 6.9 its rings were mapped by remap_pfn_range; from 6.10 on they are inserted as pages (F20 "
        "in [bugs](bugs.md)). Rings are RAM, which is never reserved in the book.",
        (_BAR, "io_uring"),
    ),
    Absence(
        "KVM",
        "It reads frames from a PFN mapping (follow_pfnmap_start(), formerly follow_pfn()) and learns of "
        "removed entries through MMU notifiers; neither changes the mapping. Testing it needs a guest "
        "inside a guest.",
        (_BAR, "kvm"),
    ),
    Absence(
        "limits while a program maps its own memory",
        "A thread has a stack, and an exec maps another program; their sizes depend on the program. For "
        "other operations RLIMIT_AS, RLIMIT_DATA and RLIMIT_MEMLOCK are modelled, as are max_map_count and "
        "the size of the address space, with the kernel's defaults.",
        (_BAR, "setrlimit as +16 pages", "t = thread"),
    ),
    Absence(
        "failing allocations for the program's own memory",
        "A thread has a stack, an exec another program, and a fork copies them last; how often they "
        "allocate depends on the program. In any other operation, a failing allocation of a page table or a"
        " VMA copy is modelled (S5.16).",
        (_BAR, "a = mmap bar[0] wc shared rw", "fail __pte_alloc 1: t = thread"),
    ),
    Absence(
        "failing allocations, except for five",
        "The allocation of a page table, a VMA copy, a book entry, a VMA's context or a batch of page "
        "tables can be made to fail, because the error paths from there undo PFN mappings. Other "
        "allocations, and their places, change with every release.",
        (_BAR, "a = mmap bar[0] wc shared rw", "fail kmem_cache_alloc 1: c = fork"),
    ),
    Absence(
        "devices that come or go while a driver claims pages",
        "The guest driver's claim belongs to no device, so if the device or the claim gives up the resource"
        " first, that is the driver's own fault. The device of a real driver (`bind`) can be unplugged.",
        (_BAR, "request_mem_region bar[0]", "unplug bar"),
    ),
)

#: Corner cases in modelled parts that cannot be tested on a kernel without stopping it.
CORNERS = (
    Absence(
        "cutting a 1 GiB leaf inside a page table",
        "Splitting such a leaf twice has not been tested on kernels yet.",
        ("thp always", "device bar: pci, 1 GiB", "a = mmap bar vfio shared rw", "read a[0]", "munmap a[1]"),
    ),
    Absence(
        "a fork while a VMA has part of a 1 GiB leaf",
        "What a child gets from such a leaf has not been tested on kernels yet.",
        (
            *("device bar: pci, 1 GiB", "a = mmap bar driver fault_pud shared rw", "write a[0] 1"),
            *("madvise a[0:512] dontfork", "c = fork"),
        ),
    ),
    Absence(
        "vvar while a processor is held, `[vvar_vclock]`, and time namespaces",
        "`vvar` is modelled for a process in the initial time namespace, on a machine without hypervisor "
        "clocks (S9.11.3), which have separate pages. To find out where vvar is, a task takes locks that a "
        "held task may have.",
        (
            *(_BAR, "a = mmap bar[0] wc shared rw", "t = thread", "hold unmap_vmas: munmap a"),
            *("t: v = mremap vvar 4 pages maymove fixed", "release"),
        ),
    ),
    Absence(
        "perf buffers of more than 129 pages",
        "The number of pages that a user may lock beyond that depends on the number of processors (S9.10.7).",
        (_BAR, "a = mmap perf[0:65] shared rw", "b = mmap perf[0:65] shared rw"),
    ),
    Absence(
        "the end of a process with slightly fewer page tables than are freed in one batch",
        "From 6.15 on a flush comes whenever 509 tables are waiting. The tables of the process's own memory"
        " count too, and their number depends on the machine (S8.1.11).",
        ("device bar: pci, 256000 pages", "a = mmap bar[0:256000] wc shared rw"),
    ),
    Absence(
        "more memory than every machine has",
        "Whether it is granted depends on the machine's RAM and overcommit setting.",
        (_BAR, "a = mmap anon[0:100000000] private rw"),
    ),
    Absence(
        "more than 65,536 pages filled or queried one by one",
        "mlock, MAP_POPULATE, MADV_POPULATE_READ, pagemap, mincore and move_pages visit each page, and so "
        "does the model. PFN mappings are not filled, whatever their size.",
        (_BAR, "a = mmap anon[0:65537] private r", "mlock a"),
    ),
)

#: The chapters with their headings.
CHAPTERS = (
    ("Memory that is not a PFN mapping", ORDINARY),
    ("Others that hold, change or watch a mapping", OTHERS),
    ("Corners", CORNERS),
)

_INTRO = """\
# What is not modelled, and why

The model never guesses.
A program that needs a rule it lacks is **undecided**: exit code 3, with the sentence below.
On a kernel (`--on qemu:7.2`) such a program still runs.
A program with a word that the language lacks is a mistake: exit code 2.
"""

_ELSEWHERE = """\
## Other architectures

pfnlab is about x86-64, the only architecture with a book: only x86 defines `__HAVE_PFNMAP_TRACKING`.
On others, `pfnmap_track()` and a VMA's context (formerly VM_PAT) do nothing.
Two mappings of a frame may silently differ in cache mode there, as with the policy `untracked`.
Everything that is not specific to an architecture still holds:
"""

#: The rules on other architectures: subject, chapters, and the exceptions.
_CHAPTERS_ELSEWHERE = (
    ("what VMAs, mremap, fork, munmap and exit do with PFN mappings", "S5", "the same code"),
    (
        "when a flush is forced before a VMA is unlinked",
        "S8",
        "the same code, in the generic mmu_gather; how a flush is carried out, and which processors receive"
        " it, differs",
    ),
    (
        "faults and leaves",
        "S6",
        "leaves if ARCH_SUPPORTS_HUGE_PFNMAP is selected: x86-64 and arm64, with transparent huge pages",
    ),
    (
        "walkers and get_user_pages",
        "S7",
        "the same if entries have a special bit; otherwise vm_normal_page() counts from vm_pgoff",
    ),
    ("claims, revocations, removal", "S9", "the same code; /dev/mem only if it is built"),
    ("memtype list, PAT, MTRR, direct map", "S1 to S4", "not present"),
)

_SETTINGS = """\
This table comes from reading the source: no kernel of another architecture was tested.

## Settings of a machine

Guests have PAT, no IOMMU for ordinary programs, one memory node, `iomem=relaxed`, and the distribution's
configuration.
Machines without PAT, or with other MTRR types, are modelled (`hw/platform.py`) but not confirmed on a kernel.
"""


def answer(lines: Sequence[str]) -> tuple[int, str]:
    """Return the exit code of ``pfnlab run`` for a program on the model, and its message; 0 if it runs."""
    text = "\n".join(("pfnlab program 1", *lines, ""))
    try:
        (run,) = ModelMachine(SERIES, LookLevel.MEMORY).run([load_text(text)])
    except ProgramError as error:
        # The list of permitted words is long.
        return ProgramError.exit_code, error.message.partition(": write")[0]
    return (0, "") if run.undecided is None else (Undecided.exit_code, run.undecided)


def not_modelled() -> str:
    """The page."""
    parts = [_INTRO]
    for heading, absences in CHAPTERS:
        rows = table(("subject", "why", "a program that needs it", "exit code and sentence"), _rows(absences))
        parts.append(f"## {heading}\n\n{rows}")
    elsewhere = table(("subject", "steps", "elsewhere"), _CHAPTERS_ELSEWHERE)
    return "\n".join([*parts, _ELSEWHERE, elsewhere, _SETTINGS])


def _rows(absences: Sequence[Absence]) -> Iterator[Sequence[str]]:
    for absence in absences:
        exit_code, sentence = answer(absence.lines)
        yield absence.subject, absence.why, code(absence.lines), f"{exit_code}: {sentence}"
