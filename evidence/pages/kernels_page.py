"""The page ``docs/kernels.md``: every known kernel, and the changes between neighbours.

``python -m evidence.pages kernels --write`` writes it.
The changes are the differences between the models of two neighbours, each of which equals its kernel in
everything compared; the named programs are those of ``litmus/`` in which the two models differ.
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
from pfnlab.kernel.policies.releases import version_key
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program, program_files
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.observation import Run

#: The most programs named that two kernels run differently, and the most titles.
_NAMED, _TITLES = 6, 8

#: Random programs by their kinds of operations.
_RANDOM = ("random", "random driver", "random vfio", "random schedules")

_INTRO = """\
# Kernels: which were met, and what changed between them

A kernel is *known* when `pfnlab kernels meet VERSION` compared it with the model of exactly its version:
every program of [litmus](../litmus/README.md), every cell of [walkers](walkers.md), schedules with held
processors, and random programs, each in whole state, order of kernel calls and flushes after every step.
*Undecided* are programs for which the archive has no headers or
modules of that kernel any more, or the model no rule.

{total}

`pfnlab kernels diff A B` runs the same on any two kernels and says what differs between them.
"""


def kernels_page(kernels: Sequence[KnownKernel], litmus: Mapping[str, Path], root: Path = Path()) -> str:
    """The page.

    :param kernels: every known kernel, oldest first
    :param litmus: the files of programs by name
    :param root: the folder of the repository, where links start
    """
    links = {name: path.relative_to(root).as_posix() for name, path in litmus.items()}
    return (
        "\n".join(_parts(kernels, {name: load_program(path) for name, path in litmus.items()}, links)) + "\n"
    )


def total(kernels: Sequence[KnownKernel]) -> str:
    """The totals of all meetings, as a sentence."""
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
    yield "## What was held\n"
    parts = ("litmus", "walkers", "schedules", *_RANDOM)
    heads = ("version", "package", "met", *parts, "steps", "undecided", "differ")
    yield markdown.table(heads, [_row(kernel, parts) for kernel in kernels])
    yield "## What changed from one to the next\n"
    # The last of a version is not a rebuild of it for an older suite.
    versions = {kernel.version: kernel for kernel in kernels}
    for older, newer in pairwise(versions.values()):
        yield from _pair(older, newer, litmus, links)


def _row(kernel: KnownKernel, parts: Sequence[str]) -> list[str]:
    held_counts = [count for name, count in kernel.held.items() if name != "orders"]
    counts = [str(kernel.held[part].programs) if part in kernel.held else "-" for part in parts]
    return [
        kernel.version,
        kernel.package_version,
        kernel.met,
        *counts,
        str(sum(count.steps for count in held_counts)),
        str(sum(count.undecided for count in held_counts)),
        str(sum(count.differences for count in held_counts)),
    ]


def _pair(
    older: KnownKernel, newer: KnownKernel, litmus: Mapping[str, Program], links: Mapping[str, str]
) -> Iterator[str]:
    changes = changes_between(older.version, newer.version)
    yield f"### {older.version} to {newer.version}\n"
    if not changes:
        programs = min(sum(count.programs for count in kernel.held.values()) for kernel in (older, newer))
        yield f"No difference in {number_of(programs, 'program')}: both have the same rules."
    else:
        names = _differing_programs(older.version, newer.version, litmus)
        yield "\n".join(f"- `{change}`: {source_of(change, newer.version)}" for change in changes)
        linked_names = ", ".join(f"[{name}](../{links[name]})" for name in names[:_NAMED])
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        if names:
            yield f"\nShown by {linked_names}{more}."
    titles = _titles_between(older, newer)
    if titles:
        yield f"\n{number_of(len(titles), 'commit')} of stable releases touch the area:\n"
        yield "\n".join(f"- {title}" for title in titles[:_TITLES])
        if len(titles) > _TITLES:
            yield f"- and {len(titles) - _TITLES} more"
    yield ""


def _titles_between(older: KnownKernel, newer: KnownKernel) -> list[str]:
    """The commits that touch the area after *older* up to *newer*, which may have become known first."""
    if older.series != newer.series:
        return []
    since = version_key(older.version)
    return [title for title in newer.titles if version_key(title.partition(":")[0]) > since]


def _differing_programs(older: str, newer: str, litmus: Mapping[str, Program]) -> list[str]:
    """The programs in which the models of two versions differ."""
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
