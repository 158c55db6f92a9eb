"""The page ``docs/not-modelled.md``: the parts that are not modelled, and why.

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
    :param why: the reason, and what is known nevertheless
    :param lines: a program that needs it, without its first line
    """

    subject: str
    why: str
    lines: Sequence[str]


#: The model that gives the answers.
SERIES = "7.2"

_BAR = "device bar: pci, 4 pages"
_ANON = "a = mmap anon[0:4] private rw"

#: Memory that is not a PFN mapping: ordinary memory exists only as the neighbour of device mappings.
ORDINARY = (
    Absence(
        "hugetlb",
        "unmap_vmas() has a path of its own for it, and no PFN mapping is one: what discussion 000 moves "
        "stands beside hugetlb_zap_begin() and does not meet it.",
        (_BAR, "a = mmap hugetlb[0:512] wc private rw"),
    ),
    Absence(
        "huge pages of ordinary memory",
        "They have reverse maps and are split and collapsed by others; leaves of device memory are modelled.",
        ("thp always", _BAR, "a = mmap anon[0:1024] private rw", "write a[512] 1"),
    ),
    Absence(
        "memory that may be freed, merged or swapped out",
        "Guests have no swap, so MADV_PAGEOUT of copied pages is modelled as far as it comes without. Lazy "
        "freeing takes pages away at a time of its own choice.",
        (_BAR, _ANON, "write a[0] 1", "madvise a free"),
    ),
    Absence(
        "KSM",
        "It merges pages at a time of its own choice; VM_PFNMAP mappings it leaves alone.",
        (_BAR, _ANON, "madvise a mergeable"),
    ),
    Absence(
        "userfaultfd on ordinary memory",
        "A PFN mapping refuses it, which is modelled; what it does elsewhere is no question here.",
        (_BAR, _ANON, "userfaultfd a"),
    ),
    Absence(
        "remap_file_pages and MADV_PAGEOUT of shared anonymous memory",
        "Its pages leave it and come back by ways that no PFN mapping has.",
        (_BAR, "a = mmap anon[0:4] shared rw", "write a[0] 1", "madvise a pageout"),
    ),
)

#: Other users that hold, change or watch a mapping.
OTHERS = (
    Absence(
        "other callers of folio_walk_start (discussion 001)",
        "move_pages is two, with a node and without, and is modelled. The others leave frame mappings out "
        "before they walk, as move_pages to a node does: KSM by its test of the VMA's flags, "
        "split_huge_pages by vma_is_special_huge(), make_device_exclusive() by get_user_pages; uprobes as "
        "below; the rest is s390's.",
        (_BAR, "a = mmap bar[0] wc private rw", "split_huge_pages a[0]"),
    ),
    Absence(
        "uprobes",
        "uprobe_munmap() looks for breakpoints in executable mappings of regular files alone.",
        (_BAR, "a = mmap bar[0] wc shared rw", "uprobe a[0]"),
    ),
    Absence(
        "io_uring",
        "Up to 6.9 its rings were mapped by remap_pfn_range, from 6.10 on they are inserted as pages (F20 of "
        "[bugs](bugs.md)); rings are RAM, for which nothing is booked.",
        (_BAR, "io_uring"),
    ),
    Absence(
        "KVM",
        "It reads frames of a PFN mapping (follow_pfnmap_start(), before that follow_pfn()) and hears of "
        "what goes by MMU notifiers; the mapping does not change by that. Asking needs a guest in a guest.",
        (_BAR, "kvm"),
    ),
    Absence(
        "limits while a program maps memory of its own",
        "A thread has a stack, and an exec maps another program, of sizes that depend on the program. For "
        "other operations RLIMIT_AS, RLIMIT_DATA and RLIMIT_MEMLOCK are modelled; so are max_map_count and "
        "the size of address space, with the kernel's defaults.",
        (_BAR, "setrlimit as +16 pages", "t = thread"),
    ),
    Absence(
        "allocations that fail for memory of the program's own",
        "A thread has a stack, an exec another program, and a fork copies them last; how often they allocate "
        "depends on the program. Where a page table or the copy of a VMA fails in any other operation is "
        "modelled (S5.16).",
        (_BAR, "a = mmap bar[0] wc shared rw", "fail __pte_alloc 1: t = thread"),
    ),
    Absence(
        "allocations that fail, but for five",
        "A page table, the copy of a VMA, an entry of the book, what a VMA points to and a batch of page "
        "tables can be made to fail, because the way back from there undoes PFN mappings; what else is "
        "allocated, and where, changes with every release.",
        (_BAR, "a = mmap bar[0] wc shared rw", "fail kmem_cache_alloc 1: c = fork"),
    ),
    Absence(
        "devices that come or go while a driver claims pages",
        "The guest driver's claim belongs to no device: which of the two gives up the resource first is the "
        "driver's own fault. A real driver (`bind`) can be unplugged.",
        (_BAR, "request_mem_region bar[0]", "unplug bar"),
    ),
)

#: Corner cases of the modelled parts that cannot be tested on a kernel without stopping it.
CORNERS = (
    Absence(
        "cutting a leaf of 1 GiB inside a page table",
        "Splitting such a leaf twice has not been settled with kernels yet.",
        ("thp always", "device bar: pci, 1 GiB", "a = mmap bar vfio shared rw", "read a[0]", "munmap a[1]"),
    ),
    Absence(
        "a fork while a VMA has a part of a leaf of 1 GiB",
        "What a child gets of such a leaf has not been settled with kernels yet.",
        (
            *("device bar: pci, 1 GiB", "a = mmap bar driver fault_pud shared rw", "write a[0] 1"),
            *("madvise a[0:512] dontfork", "c = fork"),
        ),
    ),
    Absence(
        "vvar while a processor is held, `[vvar_vclock]`, and time namespaces",
        "`vvar` is modelled for a process of the first time namespace on a machine without the clocks of a "
        "hypervisor (S9.11.3); those have pages of their own. Where it is, a task learns under locks that a "
        "held one may have.",
        (
            *(_BAR, "a = mmap bar[0] wc shared rw", "t = thread", "hold unmap_vmas: munmap a"),
            *("t: v = mremap vvar 4 pages maymove fixed", "release"),
        ),
    ),
    Absence(
        "buffers of perf of more than 129 pages",
        "How many pages beyond that a user may lock depends on the number of processors (S9.10.7).",
        (_BAR, "a = mmap perf[0:65] shared rw", "b = mmap perf[0:65] shared rw"),
    ),
    Absence(
        "the end of a process with just fewer page tables than are freed at once",
        "From 6.15 on a flush comes whenever 509 tables wait, and those of the process's own memory count: "
        "their number depends on the machine (S8.1.11).",
        ("device bar: pci, 256000 pages", "a = mmap bar[0:256000] wc shared rw"),
    ),
    Absence(
        "memory beyond what every machine has",
        "Whether it is granted depends on the machine's RAM and its overcommit setting.",
        (_BAR, "a = mmap anon[0:100000000] private rw"),
    ),
    Absence(
        "more than 65,536 pages that are filled, or asked for, one by one",
        "mlock, MAP_POPULATE, MADV_POPULATE_READ, pagemap, mincore and move_pages come to each page, and so "
        "does the model. PFN mappings are not filled, whatever their size.",
        (_BAR, "a = mmap anon[0:65537] private r", "mlock a"),
    ),
)

#: Each chapter with its heading.
CHAPTERS = (
    ("Memory that is no PFN mapping", ORDINARY),
    ("Others that hold, change or watch a mapping", OTHERS),
    ("Corners", CORNERS),
)

_INTRO = """\
# What is not modelled, and why

What the model has no rule for it refuses:
such a program is **undecided**, exit code 3, with the sentence below; on a kernel it runs all the same
(`--on qemu:7.2`). What the language has no word for is a mistake in the program, exit code 2. Nothing is
guessed.
"""

_ELSEWHERE = """\
## Other architectures

pfnlab is about x86-64. Only there is there a book: `__HAVE_PFNMAP_TRACKING` is defined by x86 alone, so
elsewhere `pfnmap_track()` and the context of a VMA, and VM_PAT before them, do nothing, and two mappings of a
frame may disagree in their cache mode without a word, as under the policy `untracked`. What no architecture
does by itself still holds:
"""

#: The rules on other architectures: subject, chapters, and the exceptions.
_CHAPTERS_ELSEWHERE = (
    ("what VMAs, mremap, fork, munmap and exit do with PFN mappings", "S5", "the same code"),
    (
        "when a flush is forced before a VMA is unlinked",
        "S8",
        "the same code, in the generic mmu_gather; how a flush is carried out, and who hears of it, differs",
    ),
    (
        "faults and leaves",
        "S6",
        "leaves where ARCH_SUPPORTS_HUGE_PFNMAP is selected: x86-64 and arm64, with transparent huge pages",
    ),
    (
        "walkers and get_user_pages",
        "S7",
        "the same where entries have a special bit; elsewhere vm_normal_page() counts from vm_pgoff",
    ),
    ("claims, revocations, removal", "S9", "the same code; /dev/mem only where it is built"),
    ("memtype list, PAT, MTRR, direct map", "S1 to S4", "nothing of it"),
)

_SETTINGS = """\
Nobody has asked a kernel of another architecture; this table is read, not measured.

## Settings of a machine

Guests have PAT, no IOMMU for ordinary programs, one node of memory, `iomem=relaxed`, and the distribution's
configuration. Machines without PAT and with MTRRs of other types are in the model (`hw/platform.py`) and not
confirmed on a kernel.
"""


def answer(lines: Sequence[str]) -> tuple[int, str]:
    """The exit code of ``pfnlab run`` for a program on the model, and its sentence; 0 if it runs."""
    text = "\n".join(("pfnlab program 1", *lines, ""))
    try:
        (run,) = ModelMachine(SERIES, LookLevel.MEMORY).run([load_text(text)])
    except ProgramError as error:
        # The list of permitted words is long.
        return ProgramError.exit_code, error.message.partition(": write")[0]
    return (0, "") if run.undecided is None else (Undecided.exit_code, run.undecided.says)


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
