"""The page ``docs/kernels.md``: every known kernel, and the changes between neighbours.

``python -m evidence.pages kernels --write`` writes it.
The changes are differences between the models of two neighbours in a series, each of which equals its kernel
in everything compared. The programs named are those in ``litmus/`` in which the two models differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from evidence.pages import markdown
from pfnlab.base.errors import Undecided
from pfnlab.base.units import number_of
from pfnlab.kernel.policies.changes import changes_between, source_of
from pfnlab.kernel.policies.known_kernels import KnownKernel, known_kernels
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program, program_files
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.observation import Run

#: Maximum number of programs to name that two kernels run differently.
_NAMED = 3

#: What a kernel is compared in.
_PARTS = ("litmus", "walkers", "schedules", "random", "random driver", "random vfio", "random schedules")

_INTRO = """\
# Kernels: which were compared, and what changed between them

A kernel is *known* when `pfnlab kernels meet VERSION` compared it with the model of exactly its version:
every program of [litmus](../litmus/README.md), every cell of [walkers](walkers.md), schedules with held
processors, and random programs, each in whole state, order of kernel calls and flushes after every step.
*Undecided* are programs for which the archive no longer has headers or modules of that kernel, or the model
has no rule.

{total}

```console synopsis
pfnlab kernels list                     every kernel: known, new, or gone from the archive
pfnlab kernels diff 6.12.96 6.12.107    the same programs on any two kernels, with each difference explained
pfnlab policies show 6.1.192 6.12.90    the rules in which two versions differ
```

The record of each kernel, and the titles of the stable commits in this area, are in
`src/pfnlab/kernel/policies/known_kernels.jsonl`.
"""


def kernels_page(kernels: Sequence[KnownKernel], litmus: Mapping[str, Path], root: Path = Path()) -> str:
    """The page.

    :param kernels: every known kernel, oldest first
    :param litmus: program files by name
    :param root: the repository folder, where links start
    """
    links = {name: path.relative_to(root).as_posix() for name, path in litmus.items()}
    return (
        "\n".join(_parts(kernels, {name: load_program(path) for name, path in litmus.items()}, links)) + "\n"
    )


def total(kernels: Sequence[KnownKernel]) -> str:
    """Return the totals of all meetings, as a sentence."""
    counts = [count for kernel in kernels for name, count in kernel.held.items() if name != "orders"]
    ordered = sum(kernel.held["orders"].steps for kernel in kernels if "orders" in kernel.held)
    versions = {kernel.version for kernel in kernels}
    return (
        f"{number_of(len(kernels), 'kernel')} of {number_of(len(versions), 'version')}: "
        f"{number_of(sum(count.programs for count in counts), 'program')} compared, "
        f"{number_of(sum(count.steps for count in counts), 'step')} ({ordered:,} with the order of calls), "
        f"{number_of(sum(count.differences for count in counts), 'difference')}, "
        f"{sum(count.unexplained for count in counts)} unexplained."
    )


def _parts(
    kernels: Sequence[KnownKernel], litmus: Mapping[str, Program], links: Mapping[str, str]
) -> Iterator[str]:
    yield _INTRO.format(total=total(kernels))
    yield "## What was compared\n"
    by_series: dict[str, list[KnownKernel]] = {}
    for kernel in kernels:
        by_series.setdefault(kernel.series, []).append(kernel)
    heads = ("series", "kernels", "versions", "compared on", *_PARTS, "steps", "undecided", "differ")
    yield markdown.table(heads, [_row(series, some) for series, some in by_series.items()])
    yield "## What changed within a series\n"
    # The last package of a version is never a rebuild for an older suite.
    versions = {kernel.version: kernel for kernel in kernels}
    neighbours = [pair for pair in pairwise(versions.values()) if pair[0].series == pair[1].series]
    changed = [(*pair, changes) for pair in neighbours if (changes := _changes(*pair))]
    same = len(neighbours) - len(changed)
    yield f"Of {number_of(len(neighbours), 'pair')} of neighbours {same} have the same rules.\n"
    for older, newer, changes in changed:
        yield from _pair(older, newer, changes, litmus, links)


def _row(series: str, kernels: Sequence[KnownKernel]) -> list[str]:
    versions = list(dict.fromkeys(kernel.version for kernel in kernels))
    met = sorted({kernel.met for kernel in kernels})
    counts = [(name, count) for kernel in kernels for name, count in kernel.held.items() if name != "orders"]
    programs = [sum(count.programs for name, count in counts if name == part) for part in _PARTS]
    sums = [
        sum(count.steps for _, count in counts),
        sum(count.undecided for _, count in counts),
        sum(count.differences for _, count in counts),
    ]
    return [
        *(series, str(len(kernels)), " to ".join(dict.fromkeys((versions[0], versions[-1])))),
        " to ".join(dict.fromkeys((met[0], met[-1]))),
        *(f"{count:,}" for count in (*programs, *sums)),
    ]


def _changes(older: KnownKernel, newer: KnownKernel) -> list[str]:
    return [
        f"`{one}`: {source_of(one, newer.version)}" for one in changes_between(older.version, newer.version)
    ]


def _pair(
    older: KnownKernel,
    newer: KnownKernel,
    changes: Sequence[str],
    litmus: Mapping[str, Program],
    links: Mapping[str, str],
) -> Iterator[str]:
    yield f"### {older.version} to {newer.version}\n"
    yield "\n".join(f"- {change}" for change in changes)
    names = _differing_programs(older.version, newer.version, litmus)
    linked_names = ", ".join(f"[{name}](../{links[name]})" for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    if names:
        yield f"\nShown by {linked_names}{more}."
    yield ""


def _differing_programs(older: str, newer: str, litmus: Mapping[str, Program]) -> list[str]:
    """Return the programs in which the models of two versions differ."""
    return [name for name in litmus if _differ(_run(older, litmus[name]), _run(newer, litmus[name]))]


def _differ(first: Run | None, second: Run | None) -> bool:
    return first is not None and second is not None and bool(differences([first, second]))


@cache
def _run(version: str, program: Program) -> Run | None:
    try:
        return ModelMachine(version).run_one(program)
    except Undecided:
        return None


def page() -> str:
    """The stored page, from the programs in ``litmus/``."""
    litmus = library_folder()
    return kernels_page(known_kernels(), program_files(litmus), litmus.parent)
