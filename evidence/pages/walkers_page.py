"""The walker table: the result of each walker at each kind of entry, on every series.

The page ``docs/walkers.md`` comes from running :func:`pfnlab.hunt.meeting.walkers.cell_program` on the model
for every cell; ``python -m evidence.pages walkers --write`` writes it. The lab compares every cell with
kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby

from evidence.pages import markdown
from pfnlab.hunt.meeting.walkers import KINDS, WALKERS, cell_program
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run

#: Cells for walkers that completed with nothing to report.
_SILENT = {"pagemap_scan": "nothing found", "numa_maps": "nothing counted", "smaps": "nothing"}

_HEAD = """\
# What walkers see

Other ways to a page than the processor's own, and what each finds in a device mapping that
remap_pfn_range filled. `tests/lab/test_walkers.py` asks kernels about every cell.

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


def cell(walker: str, run: Run) -> str:
    """Return the text for a cell, from the *run* of its program."""
    step = run.steps[-2]
    # mincore at a hole reports the errno and the pages before the hole; here there are none.
    failed = walker == "mincore" and step.result != "ok"
    if step.value is not None and not failed:
        # Files that list VMAs name the VMA first.
        return str(step.value).rpartition("] ")[2]
    return _SILENT.get(walker, "ok") if step.result == "ok" else step.result


def table(ask: Callable[[str, Program], Run]) -> str:
    """Return the table, one row per walker.

    :param ask: runs a program on a series and returns the run
    """
    rows = []
    for walker in WALKERS:
        programs = [cell_program(walker, kind) for kind in KINDS]
        cells = [{series: cell(walker, ask(series, program)) for series in CONFIRMED} for program in programs]
        rows.append([walker, *map(_collapsed, cells)])
    return markdown.table(["walker", *KINDS], rows)


def _collapsed(values: Mapping[str, str]) -> str:
    """List every value with its series; if there is only one value, without series."""
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
    """Return the whole page, from the model."""
    return f"{_HEAD}\n{table(lambda series, program: ModelMachine(series).run_one(program))}"
