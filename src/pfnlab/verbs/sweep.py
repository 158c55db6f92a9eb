"""Run every pair of operations on every kind of mapping of a scope, and compare machines in each cell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import (
    AccelOf,
    AsJson,
    FindingsOf,
    JobsOf,
    KnownOf,
    Option,
    ProfileOf,
    ResumeOf,
    Say,
    StopAfterOf,
)

if TYPE_CHECKING:
    from pfnlab.base.progress import Work
    from pfnlab.hunt.fuzz.hunt_state import HuntState
    from pfnlab.hunt.fuzz.rounds import Looks
    from pfnlab.hunt.sweep.sweep_result import SweepResult
    from pfnlab.hunt.sweep.sweep_state import SweepFile

EXAMPLES = (
    (
        "pfnlab sweep pci --on model:7.3 --on model:7.2 --cells 0:40",
        "Forty cells of the PCI resource files on two models",
    ),
    (
        "pfnlab sweep all --on qemu:7.3 --resume /tmp/sweep",
        "All cells on a kernel and the model of its series; the same line again goes on from there",
    ),
)

#: Seconds between lines of progress where there is no terminal.
_EVERY = 4.0


class SweepRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of a sweep: a scope, its machines, and which of the cells."""

    scope: Annotated[
        str,
        Option(
            "pci, mem, private, driver, vfio, leaves, triples, marks, holds or all.", "SCOPE", positional=True
        ),
    ]
    on: Annotated[
        tuple[str, ...],
        Option(
            "A kernel, which is compared with the model of its series; with models among them all are "
            "compared with each other. Default: the kernel of the newest series.",
            "MACHINE",
        ),
    ] = ()
    cells: Annotated[str | None, Option("Only the cells A to B, without B itself.", "A:B")] = None
    resume: ResumeOf = None
    findings: FindingsOf = Path("findings")
    known: KnownOf = ()
    stop_after: StopAfterOf = None
    jobs: JobsOf = None
    as_json: AsJson = False
    accel: AccelOf = "tcg"
    look: Annotated[
        str | None,
        Option(
            "memory, proc or end; memory,proc for each cell under both, which must agree. Default: memory, "
            "or proc where the lens is not installed or a kernel has no types in it.",
            "LEVEL",
        ),
    ] = None
    profile: ProfileOf = None


def perform(request: SweepRequest, say: Say) -> Iterator[SweepResult]:
    """Sweep on each kernel, one after the other, and say how fast it was.

    :raises Misuse: an option is wrong, or does not go with another
    """
    from pfnlab.base.processes import processors
    from pfnlab.base.progress import beating, working
    from pfnlab.base.units import number_of
    from pfnlab.hunt.fuzz.filing import Folder
    from pfnlab.hunt.fuzz.rounds import looking_named, opened
    from pfnlab.hunt.sweep.sweep_result import SweepResult
    from pfnlab.hunt.sweep.sweep_state import begun
    from pfnlab.hunt.sweep.sweeping import USUAL, cells_named, compared_together, run_sweep
    from pfnlab.lab.running.inside import need_lens
    from pfnlab.programs.runs.machine import accel_named
    from pfnlab.programs.runs.named_machines import name_machine, name_machines, newest_series

    accel = accel_named(request.accel)
    specs = request.on or (f"qemu:{newest_series()}",)
    name_machines(specs, request.profile)
    groups = compared_together(specs, request.profile)
    first, end = cells_named(request.cells or ":", request.scope)
    chosen = looking_named(request.look) if request.look is not None else None
    file = _stored(request, groups, (first, end), chosen)
    folder = Folder(request.findings, request.known)
    for number, machines in enumerate(groups):
        state = file.sweeps[number] if number < len(file.sweeps) else None
        if state is None or state.next < state.cells:
            named = [name_machine(spec, request.profile) for spec in machines]
            looking = state.looking if state is not None else chosen
            if _needs_memory(looking) and any(one.kind == "qemu" for one in named):
                need_lens()
            what = f"sweeping {request.scope} on {', '.join(machines)}"
            with (
                opened(named, looking, accel, request.jobs, usual=USUAL) as lab,
                working(what, end - first, every=_EVERY) as work,
                beating(work, _EVERY),
            ):
                if state is None:
                    known = file.sweeps[0].known_keys if file.sweeps else list(folder.known())
                    state = begun(machines, request.scope, first, end, lab.looking, known)
                    file.sweeps.append(state)
                began_at, began = state.next, time.monotonic()
                kept = _KeptSweep(work, file, request.resume)
                work.reach(state.next)
                jobs = request.jobs or processors()
                run_sweep(state, lab, folder, most=request.stop_after, jobs=jobs, on_progress=kept.show)
                seconds = max(time.monotonic() - began, 0.001)
            cells = number_of(state.next - began_at, "cell")
            rate = (state.next - began_at) / seconds
            say(f"{', '.join(machines)}: {cells} in {seconds:.0f} s, {rate:.1f} a second")
        yield SweepResult.of(state)


def _needs_memory(looking: Looks | None) -> bool:
    from pfnlab.programs.runs.look import LookLevel

    return looking is not None and LookLevel.MEMORY in looking.levels


def _stored(
    request: SweepRequest, groups: list[list[str]], extent: tuple[int, int], chosen: Looks | None
) -> SweepFile:
    """The sweeps in the file of *request*; none where there is no file.

    :param groups: the machines of each sweep
    :param extent: the first cell, and that behind the last
    :param chosen: the levels of looking, None for those of the file
    :raises Misuse: the file is of other sweeps
    """
    from pfnlab.base.inert import shell_line
    from pfnlab.hunt.fuzz.hunt_state import read_stored
    from pfnlab.hunt.sweep.sweep_state import SweepFile
    from pfnlab.hunt.sweep.swept_cells import cells_digest

    file = read_stored(request.resume, SweepFile, "sweep") if request.resume is not None else None
    if file is None:
        return SweepFile()
    path = request.resume
    if len(file.sweeps) > len(groups):
        raise Misuse(
            f"{path} is of {len(file.sweeps)} sweeps, and these are {len(groups)}: name another file"
        )
    for state, machines in zip(file.sweeps, groups, strict=False):
        if state.machines != machines:
            raise Misuse(f"{path} is of a sweep on {', '.join(state.machines)}: name another file")
        if (state.scope, state.first, state.end) != (request.scope, *extent):
            words = shell_line((state.scope, "--cells", f"{state.first}:{state.end}"))
            raise Misuse(f"{path} is of a sweep of other cells: write pfnlab sweep {words}")
        if state.digest != cells_digest(state.scope):
            raise Misuse(f"{path} is of another version of pfnlab, with other cells: name another file")
        if chosen not in (None, state.looking):
            raise Misuse(f"{path} is of a sweep with --look {state.looking}: leave --look out")
    return file


class _KeptSweep:
    """Shows how far a sweep is, and keeps its state in a file."""

    def __init__(self, work: Work, file: SweepFile, path: Path | None) -> None:
        self._work, self._file, self._path = work, file, path
        self._words = work.words

    def show(self, state: HuntState) -> None:
        """Show and keep the state of the sweep."""
        from pfnlab.base.units import number_of
        from pfnlab.hunt.fuzz.hunt_state import write_stored

        if self._path is not None:
            write_stored(self._path, self._file)
        differences = number_of(state.different, "difference")
        self._work.show(f"{self._words}: {differences}, {number_of(len(state.findings), 'finding')}")
        self._work.reach(state.next)
