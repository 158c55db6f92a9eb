"""How often a call flushes, by the distance of its mappings: placements and kernels (discussion 004).

``python -m pfnlab.report.flush_distance > docs/flush-distance.md`` writes the page. Its rows are programs of
``litmus/``; a placement's columns are runs of the model, a kernel's are read from the programs' goldens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pfnlab.errors import Misuse
from pfnlab.policies.flushes import FLUSHES
from pfnlab.programs.lang.load import load_program, program_files
from pfnlab.programs.lang.needs import needs_driver
from pfnlab.programs.lang.ops import Madvise, Mprotect, Munmap, Op, Program
from pfnlab.programs.library import library_folder
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.observation import Step
from pfnlab.report.golden import golden_path, golden_run, newest_version, read_golden
from pfnlab.report.markdown import table

#: The kernels with a placement: ``end_vma`` in the first two, ``free_vmas`` in the others.
KERNELS = ("6.1", "6.12", "6.16", "7.2")

#: Of those, the kernels that the guest driver can be built for.
WITH_DRIVER = ("6.1", "6.12", "7.2")

#: The model the placements are tried on.
BASE = "7.2"

#: The distances of the mappings, each with its word in the names of programs.
DISTANCES = {
    "side by side": "adjacent",
    "in one page table": "same-table",
    "2 MiB apart": "next-table",
    "8 MiB apart": "far",
}

#: What the first mapping and every second one is, each with its word in the names of programs.
KINDS = {
    "PFN": "pfn",
    "PFN, mixed": "mixed",
    "PFN, ordinary": "ordinary",
    "ordinary, PFN": "behind",
}

#: The programs whose last operation takes no page table away, each with what it works on.
ADVICE = {
    "flushes-madvise-ordinary": "MADV_DONTNEED, ordinary",
    "flushes-madvise-mixed": "MADV_DONTNEED, mixed",
    "flushes-madvise-both": "MADV_DONTNEED, mixed, ordinary, mixed",
    "flushes-mprotect": "mprotect, PFN",
}


class Count(NamedTuple):
    """What one operation did.

    :param gathers: how many gathers it began
    """

    gathers: int
    flushes: int


def programs() -> Iterator[tuple[str, str, str]]:
    """The rows of the first table: distance, kinds, and the program's name."""
    for kinds, kinds_word in KINDS.items():
        for distance, distance_word in DISTANCES.items():
            yield distance, kinds, f"flushes-{distance_word}-{kinds_word}"


def counts(program: Program, steps: Sequence[Step]) -> list[Count]:
    """The counts of the operations that are asked about: every munmap, or the last operation without one."""
    asked = [number for number, op in enumerate(program.ops) if isinstance(op.call, Munmap)]
    return [_count(steps[number], program.ops[number]) for number in asked or (len(program.ops) - 1,)]


def _count(step: Step, op: Op) -> Count:
    if step.result != "ok" or step.flushes is None or step.events is None:
        raise Misuse(f"{step.op} ended with {step.result}, or its flushes were not counted")
    if not isinstance(op.call, Munmap | Madvise | Mprotect):
        raise Misuse(f"{step.op} is no operation of this page")
    return Count(sum(event == "gather" for event in step.events), step.flushes)


def model_counts(machine: str, program: Program) -> list[Count]:
    """The counts on a model."""
    return counts(program, ModelMachine(machine).run_one(program).steps)


def kernel_counts(series: str, path: Path) -> list[Count] | None:
    """The counts on the newest kernel of *series* in the golden beside *path*; None without a driver there.

    :raises Misuse: there is no golden, or none of that series
    """
    program, golden = load_program(path), read_golden(golden_path(path))
    if needs_driver(program) and series not in WITH_DRIVER:
        return None
    newest = newest_version(golden, series) if golden is not None else None
    run = golden_run(golden, newest) if golden is not None and newest is not None else None
    if run is None:
        raise Misuse(f"{path} has no golden of {series}")
    return counts(program, run.steps)


def munmap_table(litmus: Mapping[str, Path]) -> str:
    """The first table: the flushes of a munmap of two, three and four mappings."""
    head = ("distance", "mappings", *(f"`{name}`" for name in FLUSHES), *KERNELS)
    rows = []
    for distance, kinds, name in programs():
        program = load_program(litmus[name])
        cells = [_flushes(model_counts(f"{BASE},flush={flush}", program)) for flush in FLUSHES]
        cells += [_flushes(kernel_counts(series, litmus[name])) for series in KERNELS]
        rows.append((f"[{distance}]({_link(litmus[name])})", kinds, *cells))
    return table(head, rows)


def by_distance(litmus: Mapping[str, Path]) -> dict[str, dict[str, list[int]]]:
    """By what is mapped and placement: the flushes of a munmap of four mappings, by :data:`DISTANCES`."""
    found: dict[str, dict[str, list[int]]] = {}
    for _, kinds, name in programs():
        program = load_program(litmus[name])
        for flush in FLUSHES:
            *_, four = model_counts(f"{BASE},flush={flush}", program)
            found.setdefault(kinds, {}).setdefault(flush, []).append(four.flushes)
    return found


def advice_table(litmus: Mapping[str, Path]) -> str:
    """The second table: gathers and flushes of calls that free no VMA."""
    machines = [f"{BASE},flush={flush}" for flush in ("end_vma", "in_loop", "free_vmas")]
    machines.append("6.1,flush=free_vmas")
    rows = []
    for name, title in ADVICE.items():
        program = load_program(litmus[name])
        cells = [_both(model_counts(machine, program)) for machine in machines]
        cells += [_both(kernel_counts(series, litmus[name])) for series in KERNELS]
        rows.append((f"[{title}]({_link(litmus[name])})", *cells))
    return table(("three VMAs", *(f"`{machine}`" for machine in machines), *KERNELS), rows)


def _flushes(seen: list[Count] | None) -> str:
    return "-" if seen is None else " ".join(str(count.flushes) for count in seen)


def _both(seen: list[Count] | None) -> str:
    return "-" if seen is None else ", ".join(f"{count.gathers} / {count.flushes}" for count in seen)


def _link(path: Path) -> str:
    return f"../litmus/{path.parent.name}/{path.name}"


_HEAD = """\
# Flushes against distance

Generated by `python -m pfnlab.report.flush_distance`; do not edit. How often a call flushes the TLB for PFN
mappings depends on where the flush is forced, and on how far apart the mappings lie. Discussion 004 is about
both. The columns of [placements](policies.md#flushes) are runs of `model:7.2,flush=NAME`. Those of kernels
are the goldens of the programs: 6.1 and 6.12 have `end_vma`, 6.16 and 7.2 have `free_vmas`. The rules are
in [S8](semantics/S8.md).

## munmap

One munmap takes two, three and four mappings of a page each. A cell is the number of flushes for each:
`3 4 5` are 3 flushes for two mappings, 4 for three, 5 for four. *Mixed* is a VM_MIXEDMAP, filled by its
driver's fault handler; *ordinary* is anonymous memory. Two words are the mappings in turn: PFN, mixed, PFN,
mixed. The last flush is for the page tables, which go with the mappings. `-`: no driver can be built for
6.16.

"""

_JUDGED = """
A 1 is no success: `none` flushes when the VMAs are unlinked already, and so do `first_vma` and
`outside_loop` where the first mapping is ordinary. A revocation then returns too early (S8.3).

What each author was right about:

- Peter Zijlstra's first try, one call before the loop that tests the flags of the VMA it is given
  (`outside_loop`): the place is the one that landed, and the number is right at every distance. The test is
  what is wrong. With an ordinary mapping in front nothing is forced, and behind a PFN mapping it spares
  nothing, since a munmap unlinks every VMA it has cleared.
- Roman Gushchin's question whether more than one VMA is freed by one free_pgtables(), so that each VMA's
  flags would have to be tested in the loop: yes, the rows `ordinary, PFN` are that case.
- His worry that the loop brings the multiple flushes back: for mappings more than 2 MiB apart it does.
  There `in_loop` flushes as often as `end_vma`, in every row. For all nearer ones it flushes as often as
  what landed.
- Peter Zijlstra's answer, that it should be in the loop, and that he is not sure how this would cause more
  flushes: the loop is a safe place, and up to a distance of 2 MiB it causes none. free_pgtables() works on
  groups of VMAs. Those at most 2 MiB apart are unlinked together, then their page tables are freed. Behind
  the flush for the first PFN VMA of a group nothing is pending, so the others of the group flush nothing.
  But the page tables of that group are pending when the next one begins, and its first PFN VMA flushes
  them: once for each group.

So the landed call stands before the loop and asks for nobody's flags (`free_vmas`). At the head of
free_pgtables() everything is cleared, nothing is unlinked, and no page table is freed yet: one flush serves
all VMAs at any distance. The gather remembers that a PFN VMA was among them, so their order does not
matter. The page tables are flushed in tlb_finish_mmu(), which is early enough for them.

## Calls that free no VMA

Peter Zijlstra adds that in the loop nothing is flushed "where no page-tables are dropped, eg. MADV", for
which the change was begun. Each call here is for three adjacent VMAs of a page, touched before; a cell is
the number of gathers that it begins and of flushes, `3 / 3`. MADV_DONTNEED of a PFN mapping is EINVAL
(S5.9), so these are shown with mprotect.

"""

_ADVICE_JUDGED = """
- That holds: `in_loop` and `free_vmas` force nothing here. The three flushes of `end_vma` become one, at
  the end.
- It takes more than the placement, though. 6.1 and 6.12 begin a gather for each VMA of an madvise, and each
  gather ends with its flush, for ordinary memory too: with the landed placement 6.1 would still flush three
  times. 6.16 has both the placement and one gather for the whole call (`madvise_gathers_once`).
- mprotect has one gather on all series. There the placement alone makes one flush of three.
"""


def page(litmus: Mapping[str, Path]) -> str:
    """The page.

    :param litmus: the files of programs by name
    """
    return f"{_HEAD}{munmap_table(litmus)}{_JUDGED}{advice_table(litmus)}{_ADVICE_JUDGED}"


if __name__ == "__main__":
    print(page(program_files(library_folder())), end="")
