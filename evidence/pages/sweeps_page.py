"""The page ``docs/sweeps.md``: what sweeps cover, and the results of kernels in each cell.

``python -m evidence.pages sweeps --write`` writes it from the files in ``evidence/pages/sweeps``; no kernel
is booted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from evidence.pages.markdown import table
from evidence.pages.recorded_sweep import RecordedSweep, recorded_sweeps
from pfnlab.hunt.fuzz.letters import KNOWN, LETTERS, NEW
from pfnlab.hunt.sweep.failing_cells import FAILURES
from pfnlab.hunt.sweep.swept_cells import ALL, cells_of, mappings_of, scopes
from pfnlab.hunt.sweep.swept_mappings import SweptCell
from pfnlab.kernel.policies.releases import version_key
from pfnlab.programs.lang.words import ANON

_INTRO = """\
# Sweeps

```console synopsis
pfnlab fuzz --enumerate pci --on qemu:7.3
```

A sweep is a hunt of [the fuzzer](fuzz.md) that enumerates its programs instead of drawing them.
A cell is one program: two operations, one after the other, on one kind of mapping.
Every ordered pair of operations has two cells: at aligned places, and at odd ones.
One of the two also forks between the operations, in turn from pair to pair.
After the last operation the task reads a page of its place, and so does the child.

Four scopes differ from that:

- `triples`: three operations in a row on huge-page mappings.
- `holds`: the first operation is held at a function of the kernel.
  Meanwhile a thread does the second one, or a child with an address space of its own.
- `neighbours`: two mappings next to each other, and one operation over both.
  They touch, overlap by a page, or leave a hole of one or two pages.
  Every gap in the area occurs with every gap on the device.
  One cell has the operation on the pages around the border, and one on all pages of both.
  The second mapping is behind the first, or in front of it, in turn; so is a fork after the operation.
- `failures`: one operation, in which one allocation fails ([S5.16](semantics/S5.md)).

Each cell runs on the kernel and on the model of its series, is compared after every step, and is judged.
A finding is repeated, shrunk and filed as [every difference](fuzz.md#handling-of-a-difference).
Every cell that differs is a finding: a sweep does not group them by cause.

| option | meaning |
| --- | --- |
| `--enumerate SCOPE` | one of the scopes below |
| `--on MACHINE` | kernels, one after the other, each with its model; all together if models are named |
| `--cells A:B` | only these cells of the scope, half-open: a shard |
| `--resume FILE` | as for all hunts, of one kernel |
| `--look LEVEL` | `memory` by default, for all cells |
| `--json` | the result as one JSON object per kernel |
| `--findings`, `--known`, `--stop-after`, `--jobs`, `--accel`, `--profile` | as for [all hunts](fuzz.md) |

Exit codes: 0 no difference, 1 a finding, known or new, 2 misuse, 3 undecided.
Undecided are differences that could not be reproduced, and cells that a machine cannot run.
[Campaigns](campaigns.md) run sweeps as `[[sweep]]`.

"""

_CALLS = """\
`move` is mremap to another place, `grow` the same to twice as many pages, `shrink` to half of them.
After an aligned `move`, the next operation follows the pages to their new place.
`mmap over` maps other pages of the device as the first operation, and ordinary memory as a later one.
`populate` is madvise with `populate_write`, `process_vm` is process_vm_readv.
`mmap` maps the same pages in another cache mode, `claim` is request_mem_region.
`fork exit` is a child that ends at once; `zap`, `unmap` and `remap` are operations of the guest driver.
`mbind` gives a policy, `pkey` is pkey_mprotect with a key, `rollup` reads smaps_rollup.
`clear refs` writes 1 to clear_refs as the first operation, and 4 as a later one.
`unmap` is unmap_mapping_range; `memory off` and `memory on` switch the device's memory through vfio-pci.

"""

_KERNELS = """\
## The kernels

A cell *differs* if it has a finding, known or new.
The second table has the known reasons, the third what was not compared; `-` is a scope not swept.
To print the cells of one kernel, a letter for each:

```console synopsis
python evidence/tools/print_sweep.py 6.1 all
```

"""


def page() -> str:
    """The page."""
    return "".join((_INTRO, *_scopes(), _CALLS, *_kernels(recorded_sweeps())))


def _scopes() -> Iterator[str]:
    cells = f"{len(cells_of(ALL)):,} cells together"
    others = "`marks`, `holds`, `neighbours` and `failures`"
    yield f"## The scopes\n\n`{ALL}` is all of them but {others}: {cells}.\n\n"
    # Mappings with the same operations share a row.
    by_kinds: dict[tuple[str, str, int], list[str]] = {}
    for scope in scopes():
        if scope != ALL:
            for mapping in (one for mappings in mappings_of(scope).values() for one in mappings):
                count = sum(cell.table == mapping.name for cell in cells_of(scope))
                name, beside = f"{mapping.name}: `{mapping.kind.device}` `{mapping.kind.way}`", mapping.beside
                if beside is not None:
                    name += f" beside `{ANON if beside.device == ANON else beside.way}`"
                by_kinds.setdefault((f"`{scope}`", ", ".join(mapping.kinds), count), []).append(name)
    rows = [
        (scope, "<br>".join(names), f"{count:,}", kinds) for (scope, kinds, count), names in by_kinds.items()
    ]
    yield table(("scope", "mappings", "cells of each", "operations"), rows)
    yield "\nThe tables of `failures`:\n\n"
    tables: dict[str, list[SweptCell]] = {}
    for cell in cells_of(FAILURES):
        tables.setdefault(cell.table, []).append(cell)
    failing = (
        (name, f"{len(cells):,}", ", ".join(dict.fromkeys(f"`{cell.kinds[1]}`" for cell in cells)))
        for name, cells in tables.items()
    )
    yield table(("table", "cells", "the calls that fail"), failing)
    yield "\n"


def _kernels(sweeps: Sequence[RecordedSweep]) -> Iterator[str]:
    yield _KERNELS
    head = (
        *("kernel", "scope", "cells", "compared", "no rule, judged", "not runnable", "differ"),
        *("known violations", "other findings", "new"),
    )
    rows = []
    for sweep in sweeps:
        known = sum(sweep.letters.get(letter, 0) for letter in KNOWN)
        new = sum(sweep.letters.get(letter, 0) for letter in NEW)
        cells = f"{sweep.cells:,}" if sweep.cells == sweep.of else f"{sweep.cells:,} of {sweep.of:,}"
        rows.append(
            (
                *(sweep.kernel, f"`{sweep.scope}`", cells, f"{sweep.compared:,}", f"{sweep.undecided:,}"),
                *(f"{sweep.not_runnable:,}", f"{sweep.differences:,}"),
                *(f"{sweep.letters.get('k', 0):,}", f"{known:,}", f"{new:,}"),
            )
        )
    yield table(head, rows)
    yield "\nKnown violations, with their reasons ([bugs](bugs.md), [rules](semantics.md)), in cells:\n\n"
    yield from _reasons(sweeps, lambda sweep: sweep.known)
    yield "\nNot compared, in cells:\n\n"
    yield from _reasons(sweeps, lambda sweep: sweep.reasons)


def _reasons(sweeps: Sequence[RecordedSweep], of: Callable[[RecordedSweep], dict[str, int]]) -> Iterator[str]:
    """Make a table of reasons by scope, with a column for each kernel."""
    names = sorted({sweep.series for sweep in sweeps}, key=version_key)
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for sweep in sweeps:
        for why, count in of(sweep).items():
            counts.setdefault((f"`{sweep.scope}`", why), {})[sweep.series] = count
    swept = {(f"`{sweep.scope}`", sweep.series) for sweep in sweeps}
    rows = (
        (scope, why, *(f"{by.get(name, 0):,}" if (scope, name) in swept else "-" for name in names))
        for (scope, why), by in counts.items()
    )
    yield table(("scope", "reason", *names), rows)


def printed(sweep: RecordedSweep) -> str:
    """Return the cells in a sweep as Markdown, for `print_sweep.py`."""
    return "".join(_printed(sweep))


def _printed(sweep: RecordedSweep) -> Iterator[str]:
    yield f"# {sweep.series}, {sweep.scope}\n\n`{sweep.command}`, {sweep.kernel}\n\n"
    yield "A row is a first operation, in failures the lines before the operation; a column is a last one.\n"
    yield "Two letters stand for a pair: at aligned and at odd places, in holds for a thread and a child.\n"
    yield "If several things happened in a cell, the first of this list counts.\n\n"
    yield table(("letter", "what happened"), ((f"`{letter}`", says) for letter, says in LETTERS.items()))
    if sweep.agreed:
        yield f"\nAll cells agree, and nothing is broken, in: {'; '.join(sweep.agreed)}.\n"
    if sweep.withheld:
        # Findings may be private.
        yield f"\nCounted, but not printed: {'; '.join(sweep.withheld)}.\n"
    for one in sweep.tables:
        columns, rows = one.loud
        yield f"\n**{one.scope}, {one.mapping}**: {len(rows)} of {len(one.rows)} rows and {len(columns)} of "
        yield f"{len(one.columns)} columns have more than agreement.\n\n"
        yield table(
            ("first / last", *(one.columns[number] for number in columns)),
            ((name, *(f"`{pairs[number]}`" for number in columns)) for name, pairs in rows.items()),
        )
