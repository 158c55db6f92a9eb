"""Flushes per call, by the distance between mappings, for placements and kernels (discussion 004).

``python -m evidence.pages flush-distance --write`` writes the page. Its rows are programs in ``litmus/``. The
placement columns are model runs; the kernel columns come from the programs' goldens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from evidence.pages.flushed_counts import (
    DISTANCES,
    SERIES,
    FlushedCount,
    counts,
    model_counts,
    programs,
)
from evidence.pages.markdown import table
from evidence.pages.reached import Reach, model_reach
from pfnlab.base.errors import Misuse
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program, program_files
from pfnlab.programs.runs.golden import golden_path, golden_run, newest_version, read_golden

#: The kernels to show, with their placement: ``end_vma`` in the first two, ``free_vmas`` in the others.
KERNELS = ("6.1", "6.12", "6.16", "7.2")

#: The subset for which the guest driver can be built.
WITH_DRIVER = ("6.1", "6.12", "7.2")

#: Programs whose munmap finds nothing to clear in a mapping, each with the reason.
EMPTIED = {
    "flushes-adjacent-revoked": "unmap_mapping_range, side by side",
    "flushes-same-table-revoked": "unmap_mapping_range, in one page table",
    "flushes-next-table-revoked": "unmap_mapping_range, 2 MiB apart",
    "flushes-far-revoked": "unmap_mapping_range, 8 MiB apart",
    "flushes-far-disabled": "vfio-pci, memory off, 8 MiB apart",
    "flushes-untouched-first": "never touched, in front of ordinary memory and behind it",
}

#: Programs whose last operation removes no page table, each with what the operation acts on.
ADVICE = {
    "flushes-madvise-ordinary": "MADV_DONTNEED, ordinary",
    "flushes-madvise-mixed": "MADV_DONTNEED, mixed",
    "flushes-madvise-both": "MADV_DONTNEED, mixed, ordinary, mixed",
    "flushes-mprotect": "mprotect, PFN",
}


#: Kernels with counted interrupts, by their name in the counts file, each with its model.
REACHING = {
    "6.12": "6.12",
    "7.2": "7.2",
    "flush-end_vma": "7.2,flush=end_vma",
}

#: The distances with counted interrupts, in pages, by the words of :data:`DISTANCES`.
REACHED_AT = {"side by side": 1, "2 MiB apart": 512, "8 MiB apart": 2048}

#: Processor counts of the guests that counted interrupts.
PROCESSORS = (2, 4, 8)

_COUNTS = Path(__file__).with_name("reached_processors.json")


def kernel_reach(kernel: str, mode: str, distance: str, processors: int) -> Reach | None:
    """Return the processors reached by a munmap of four mappings on a kernel.

    :param mode: ``running`` or ``sleeping``: the threads on the other processors
    :return: None if this was not counted on this kernel
    """
    kept = json.loads(_COUNTS.read_text(encoding="utf-8")).get(kernel)
    if kept is None:
        return None
    return Reach(*kept["counts"][str(processors)][mode][str(REACHED_AT[distance])])


def predicted_reach(litmus: Mapping[str, Path], kernel: str, distance: str, processors: int) -> Reach:
    """Return the same for that kernel's model, with running threads."""
    program = load_program(litmus[f"flushes-{DISTANCES[distance]}-pfn"])
    return model_reach(REACHING[kernel], program, processors)


def kernel_counts(series: str, path: Path) -> list[FlushedCount] | None:
    """Return the counts on the newest *series* kernel, from the golden next to *path*; None without a driver.

    :raises Misuse: if there is no golden, or none for that series
    """
    program, golden = load_program(path), read_golden(golden_path(path))
    if program.needs.driver and series not in WITH_DRIVER:
        return None
    newest = newest_version(golden, series) if golden is not None else None
    run = golden_run(golden, newest) if golden is not None and newest is not None else None
    if run is None:
        raise Misuse(f"{path} has no golden of {series}")
    return counts(program, run.steps)


def munmap_table(litmus: Mapping[str, Path]) -> str:
    """The first table: the flushes of a munmap of two, three and four mappings."""
    rows = {
        f"[{distance}]({_link(litmus[name])}) | {kinds}": litmus[name] for distance, kinds, name in programs()
    }
    return _by_placement("distance | mappings", rows, KERNELS)


def emptied_table(litmus: Mapping[str, Path]) -> str:
    """The second table: the flushes of a munmap of mappings without entries."""
    rows = {f"[{title}]({_link(litmus[name])})": litmus[name] for name, title in EMPTIED.items()}
    return _by_placement("mappings without entries", rows, WITH_DRIVER)


def _by_placement(head: str, rows: Mapping[str, Path], kernels: Sequence[str]) -> str:
    """Make a column per placement (shared if they flush the same in every row), and one per kernel."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for flush in FLUSHES:
        column = tuple(
            _flushes(model_counts(f"{SERIES},flush={flush}", load_program(path))) for path in rows.values()
        )
        alike.setdefault(column, []).append(f"`{flush}`")
    columns = [*alike, *([_flushes(kernel_counts(one, path)) for path in rows.values()] for one in kernels)]
    heads = (*head.split(" | "), *(", ".join(names) for names in alike.values()), *kernels)
    return table(heads, [(*name.split(" | "), *cells) for name, *cells in zip(rows, *columns, strict=True)])


def advice_table(litmus: Mapping[str, Path]) -> str:
    """The third table: gathers and flushes of calls that free no VMA."""
    machines = [f"{SERIES},flush={flush}" for flush in ("end_vma", "gather_v4", "free_vmas")]
    machines.append("6.1,flush=free_vmas")
    rows = []
    for name, title in ADVICE.items():
        program = load_program(litmus[name])
        cells = [_both(model_counts(machine, program)) for machine in machines]
        cells += [_both(kernel_counts(series, litmus[name])) for series in KERNELS]
        rows.append((f"[{title}]({_link(litmus[name])})", *cells))
    return table(("three VMAs", *(f"`{machine}`" for machine in machines), *KERNELS), rows)


def reach_table(litmus: Mapping[str, Path]) -> str:
    """The fourth table: flushes, processors and interrupts for a munmap of four mappings, threads running."""
    columns = [f"{machine} `{name}`" for name in REACHING for machine in ("model", "kernel")]
    rows = []
    for distance in REACHED_AT:
        for processors in PROCESSORS:
            cells = []
            for name in REACHING:
                cells.append(_reach(predicted_reach(litmus, name, distance, processors)))
                cells.append(_reach(kernel_reach(name, "running", distance, processors)))
            rows.append((distance, str(processors), *cells))
    return table(("distance", "processors", *columns), rows)


def sleeping_table() -> str:
    """The fifth table: the same with sleeping threads, on kernels."""
    rows = [
        (
            *(distance, str(processors)),
            *(_reach(kernel_reach(name, "sleeping", distance, processors)) for name in REACHING),
        )
        for distance in REACHED_AT
        for processors in PROCESSORS
    ]
    return table(("distance", "processors", *(f"kernel `{name}`" for name in REACHING)), rows)


def _counted() -> str:
    """Describe the kernels with counts, each with its command."""
    kept = json.loads(_COUNTS.read_text(encoding="utf-8"))
    lines = [f"- `{name}`: {one['version']}, `{one['made_by']}`\n" for name, one in kept.items()]
    return f"\nCounted on these kernels, each with its command:\n\n{''.join(lines)}"


def _reach(seen: Reach | None) -> str:
    return "-" if seen is None else f"{seen.flushes} / {seen.processors} / {seen.interrupts}"


def _flushes(seen: list[FlushedCount] | None) -> str:
    return "-" if seen is None else " ".join(str(count.flushes) for count in seen)


def _both(seen: list[FlushedCount] | None) -> str:
    return "-" if seen is None else ", ".join(f"{count.gathers} / {count.flushes}" for count in seen)


def _link(path: Path) -> str:
    return f"../litmus/{path.parent.name}/{path.name}"


_HEAD = """\
# Flushes against distance

How often a call flushes the TLB for PFN
mappings depends on where the flush is forced, and on how far apart the mappings lie. Discussion 004 is about
both. The columns of [placements](policies.md#flushes) are runs of `model:7.2,flush=NAME`, one for all that
flush alike in each row. Those of kernels are the goldens of the programs: 6.1 and 6.12 have `end_vma`, 6.16
and 7.2 have `free_vmas`. The rules are in [S8](semantics/S8.md).

## munmap

One munmap takes two, three and four mappings of a page each. A cell is the number of flushes for each:
`3 4 5` are 3 flushes for two mappings, 4 for three, 5 for four. *Mixed* is a VM_MIXEDMAP, filled by its
driver's fault handler; *ordinary* is anonymous memory. Two words are the mappings in turn: PFN, mixed, PFN,
mixed. The last flush is for the page tables, which go with the mappings. `-`: no driver can be built for
6.16.

"""

_JUDGED = """
A 1 is no success: `none` flushes when the VMAs are unlinked already. So do `first_vma` and `gather_draft`
where the first mapping is ordinary, and `gather_v1` where the last one is. A revocation then returns too
early (S8.3). And no number of this table shows what is wrong with `gather_v3`, `gather_v4` and `gather_v5`: a
flush inside of a VMA clears their flag ([check](check.md#races)).

What each author was right about:

- Peter Zijlstra's first try, one call before the loop that tests the flags of the VMA it is given
  (`gather_draft`): the place is the one that landed, and the number is right at every distance. The test is
  what is wrong. With an ordinary mapping in front nothing is forced, and behind a PFN mapping it spares
  nothing, since a munmap unlinks every VMA it has cleared.
- Roman Gushchin's question whether more than one VMA is freed by one free_pgtables(), so that each VMA's
  flags would have to be tested in the loop: yes, the rows `ordinary, PFN` are that case.
- His worry that the loop brings the multiple flushes back: it does not (`gather_v4`). The function clears the
  flag behind every flush, and no VMA sets it any more, so the loop flushes once, at any distance.
- Peter Zijlstra's answer, that he is not sure how this would cause more flushes: that is so. The page tables
  of the VMAs in front are pending when the next group of VMAs is unlinked (S8.2.4), and wait for the end.

So in the loop and before it the numbers are the same here. What landed (`free_vmas`, v6) stands before the
loop, asks for nobody's flags, and never clears that of the gather. At the head of free_pgtables() all is
cleared, nothing is unlinked, and no page table is freed yet: one flush serves all VMAs. The page tables are
flushed in tlb_finish_mmu(), which is early enough for them.

## munmap behind a revocation

A driver revokes its pages before the process unmaps them: with unmap_mapping_range(), or vfio-pci does, when
the device's memory is switched off. One munmap then takes two, three and four such mappings. They have no
entries any more, but page tables. In the last row a PFN mapping was never touched: one munmap takes it with
ordinary memory behind it, another one with ordinary memory in front of it.

"""

_EMPTIED_JUDGED = """
- Here the loop costs one flush more than the place before it: nothing was cleared, so no flush has cleared
  the flag, and the page tables of the first group are pending when the second begins. That flush clears the
  flag, and the others cost none.
- `free_vmas` may flush once more than `end_vma` did: where the PFN mapping has no entries and ordinary memory
  is behind it. The gather remembers that there was a PFN VMA, not that an entry of one is pending.

## Calls that free no VMA

Peter Zijlstra adds that in the loop nothing is flushed "where no page-tables are dropped, eg. MADV", for
which the change was begun. Each call here is for three adjacent VMAs of a page, touched before; a cell is
the number of gathers that it begins and of flushes, `3 / 3`. MADV_DONTNEED of a PFN mapping is EINVAL
(S5.9), so these are shown with mprotect.

"""

_ADVICE_JUDGED = """
- That holds: `gather_v4` and `free_vmas` force nothing here. The three flushes of `end_vma` become one, at
  the end.
- It takes more than the placement, though. 6.1 and 6.12 begin a gather for each VMA of an madvise, and each
  gather ends with its flush, for ordinary memory too: with the landed placement 6.1 would still flush three
  times. 6.16 has both the placement and one gather for the whole call (`madvise_gathers_once`).
- mprotect has one gather on all series. There the placement alone makes one flush of three.
"""


_COST = """
## What a flush costs

A flush interrupts every processor on which a thread of the process runs, and waits for it. A cell is three
numbers: how many flushes one of them takes part in, how many processors that are, and the interrupts of all
(`5 / 7 / 35`). The call is a munmap of four PFN mappings, and a thread runs on each of two, four and eight
processors. *model* counts how often the TLB of another processor is flushed. *kernel* is the line `TLB` of
/proc/interrupts. `flush-end_vma` is 7.2 with a [patch](../evidence/patches/README.md); 7.2 itself has
`free_vmas`.

"""

_COST_JUDGED = """
The calls alone hide it: the three flushes between `end_vma` and what landed are 21 interrupts on eight
processors. They grow with the threads of the process, not with what is unmapped.

### Threads that sleep

The same call while the threads on the other processors sleep. The model has no idle processor, so this is of
kernels alone. A forced flush passes over one, which flushes before it comes back to the process. A flush for
page tables interrupts it, since an idle processor may still walk them; it gives up the address space then
(arch/x86/mm/tlb.c). So a process pays one interrupt for each processor that sleeps.

"""


def page() -> str:
    """The page, from the programs in ``litmus/`` and the file of counts."""
    litmus = program_files(library_folder())
    munmaps = f"{_HEAD}{munmap_table(litmus)}{_JUDGED}{emptied_table(litmus)}{_EMPTIED_JUDGED}"
    advice = f"{advice_table(litmus)}{_ADVICE_JUDGED}"
    return f"{munmaps}{advice}{_COST}{reach_table(litmus)}{_COST_JUDGED}{sleeping_table()}{_counted()}"
