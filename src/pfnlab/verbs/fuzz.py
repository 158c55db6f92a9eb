"""Run random or enumerated programs on several machines; shrink and file their differences."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import SECONDS, AccelOf, AsJson, JobsOf, Option, ProfileOf, Request, Say

if TYPE_CHECKING:
    from pfnlab.base.progress import Work
    from pfnlab.hunt.fuzz.call_kinds import Vocabulary
    from pfnlab.hunt.fuzz.filing import Folder
    from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
    from pfnlab.hunt.fuzz.letters import Cells
    from pfnlab.hunt.fuzz.rounds import Looks

#: The number of programs if neither --programs nor --seconds is given.
PROGRAMS = 500

#: Seconds between the progress lines of a hunt.
_BEAT = 4.0

#: The options that choose the programs.
_DRAWN = "seed programs driver schedules vfio slots fixed leaves failures neighbours coverage"


class FuzzRequest(Request, frozen=True, kw_only=True):
    gradual = True

    on: Annotated[
        tuple[str, ...],
        Option(
            "As in run. A kernel alone is compared with the model of its series; with --enumerate, "
            "several kernels are compared one after the other. Default: the kernel of the newest "
            "series.",
            "MACHINE",
        ),
    ] = ()
    enumerate: Annotated[
        str | None,
        Option(
            "Instead of random programs, run every pair of operations on every kind of mapping of a "
            "scope, each in two cells: pci, mem, private, driver, vfio, leaves, triples, marks, "
            "holds or all. In failures, every operation that may allocate has a failing allocation; in "
            "neighbours, every operation is over two mappings next to each other.",
            "SCOPE",
            excludes=_DRAWN,
        ),
    ] = None
    cells: Annotated[
        str | None, Option("With --enumerate: cells A up to but not including B.", "A:B", needs="enumerate")
    ] = None
    seed: Annotated[int | None, Option("Random seed. Default: 0.", "N")] = None
    programs: Annotated[
        int | None, Option("Total number of programs; 500 without --seconds.", "N", min=1)
    ] = None
    seconds: Annotated[
        float | None, SECONDS._replace(help="Start no new programs after this many seconds.")
    ] = None
    resume: Annotated[Path | None, Option("Save the state in FILE, and resume from it.", "FILE")] = None
    findings: Annotated[Path, Option("Folder for findings.", "DIR")] = Path("findings")
    known: Annotated[
        tuple[Path, ...], Option("Folder of known findings, which are only counted (repeatable).", "DIR")
    ] = ()
    driver: Annotated[bool, Option("Include operations of the guest driver.")] = False
    schedules: Annotated[bool, Option("Include threads and held processors.")] = False
    vfio: Annotated[bool, Option("Include devices opened through vfio-pci.")] = False
    slots: Annotated[bool, Option("Include devices that are removed and added again.")] = False
    fixed: Annotated[bool, Option("Only programs with an ISA or a top device (docs/programs.md).")] = False
    leaves: Annotated[bool, Option("Only programs with leaves of 2 MiB and 1 GiB.")] = False
    failures: Annotated[bool, Option("Make a quarter of the operations that may allocate fail.")] = False
    neighbours: Annotated[
        bool,
        Option(
            "Only programs whose mappings often touch, overlap by a page or leave a hole, with calls "
            "over two of them (one program in five by default)."
        ),
    ] = False
    coverage: Annotated[
        str | None,
        Option(
            "Keep programs as seeds for later ones if they reach new kernel blocks, instead of if they "
            "have new pairs of operations or kinds of kernel calls.",
            "kernel",
        ),
    ] = None
    stop_after: Annotated[int | None, Option("Stop after N new findings.", "N", min=1)] = None
    jobs: JobsOf = None
    as_json: AsJson = False
    accel: AccelOf = "tcg"
    look: Annotated[
        str | None,
        Option(
            "memory, proc or end for all programs. Default: one of the three per program, mostly memory; "
            "with --enumerate, memory.",
            "LEVEL",
        ),
    ] = None
    profile: ProfileOf = None


def perform(request: FuzzRequest, say: Say) -> Iterator[FuzzResult]:
    """Run a hunt and report its speed; for enumerated programs, run one hunt for each kernel named alone.

    :raises Misuse: if an option is wrong or conflicts with another
    """
    from pfnlab.hunt.fuzz.filing import Folder, findings_in
    from pfnlab.hunt.fuzz.rounds import compared_together
    from pfnlab.programs.runs.named_machines import full_name, newest_series

    specs = tuple(map(full_name, request.on)) or (f"qemu:{newest_series()}",)
    groups = compared_together(specs, request.profile, apart=request.enumerate is not None)
    if len(groups) > 1 and request.resume is not None:
        raise Misuse(f"{request.resume} holds one hunt, not {len(groups)}: name one kernel")
    folder = Folder(request.findings, [one for path in request.known for one in findings_in(path)])
    known = list(folder.known())
    for group in groups:
        result = _hunted(request, group, folder, known, say)
        yield result
        if result.interrupted:
            _say_how_to_resume(request, say)
            return


def _say_how_to_resume(request: FuzzRequest, say: Say) -> None:
    """Print the command that resumes the interrupted hunt."""
    from pfnlab.base.made import with_option

    if resume := with_option("--resume", _state_file(request)):
        say(f"interrupted; to resume: {resume}")


def _state_file(request: FuzzRequest) -> Path:
    """Return the file that holds the state of an interrupted hunt."""
    return request.resume or request.findings / "interrupted.json"


def _hunted(request: FuzzRequest, specs: list[str], folder: Folder, known: list[str], say: Say) -> FuzzResult:
    """Return the result of a hunt on machines that are compared; *known* are the keys of known signatures."""
    from pfnlab.base.path_walk import make_folder
    from pfnlab.base.processes import processors
    from pfnlab.base.progress import beating, working
    from pfnlab.base.units import number_of
    from pfnlab.hunt.fuzz.call_kinds import Vocabulary
    from pfnlab.hunt.fuzz.hunt import Hunt
    from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState, write_state
    from pfnlab.hunt.fuzz.letters import Cells
    from pfnlab.hunt.fuzz.rounds import IN_MEMORY, MIXED, check_vocabulary, looking_named, opened
    from pfnlab.lab.running.inside import need_lens
    from pfnlab.programs.runs.look import LookLevel
    from pfnlab.programs.runs.machine import Accel
    from pfnlab.programs.runs.named_machines import name_machines

    accel = Accel(request.accel)
    cells = Cells.named(request.enumerate, request.cells or ":") if request.enumerate is not None else None
    by_blocks = _by_blocks(request)
    named = name_machines(specs, request.profile)
    vocabulary = Vocabulary(
        *(request.driver, request.schedules, request.vfio, request.slots, request.leaves, request.fixed),
        failures=request.failures,
        neighbours=request.neighbours,
    )
    check_vocabulary(vocabulary)
    chosen = looking_named(request.look) if request.look is not None else None
    kept = _kept(request, specs, vocabulary, chosen, by_blocks, cells)
    by_blocks = by_blocks or (kept is not None and kept.by_blocks)
    wanted = kept.looking if kept is not None else chosen
    if wanted is not None and LookLevel.MEMORY in wanted.levels and any(one.kind == "qemu" for one in named):
        need_lens()
    programs = request.programs
    if cells is not None:
        programs = cells.count
    elif programs is None and request.seconds is None:
        programs = PROGRAMS
    usual = MIXED if cells is None else IN_MEMORY
    with (
        opened(named, wanted, accel, request.jobs, usual, blocks=by_blocks) as lab,
        working(f"fuzzing {', '.join(specs)}", programs) as work,
        beating(work, _BEAT),
    ):
        state = kept or HuntState(
            *(specs, request.seed or 0, vocabulary),
            looking=lab.looking,
            by_blocks=by_blocks,
            known_keys=known,
            cells=cells,
        )
        display = _HuntDisplay(work, state, request.resume, None if programs else request.seconds)
        hunt = Hunt(
            lab.machines,
            state,
            folder,
            on_progress=display.show,
            jobs=request.jobs or processors(),
        )
        first, began = state.next, time.monotonic()
        try:
            hunt.run(programs, request.seconds, request.stop_after)
            interrupted = False
        except KeyboardInterrupt:
            # In the middle of a program; the state after the last complete one is valid.
            state, interrupted = display.latest, True
            make_folder(_state_file(request).parent)
            write_state(_state_file(request), state)
        seconds = max(time.monotonic() - began, 0.001)
    result = FuzzResult.of(state, interrupted=interrupted)
    count = state.next - first
    say(f"{number_of(count, result.noun)} in {seconds:.0f} s, {count / seconds:.1f} a second")
    return result


def _by_blocks(request: FuzzRequest) -> bool:
    """Return whether kernel blocks are counted; Misuse if they cannot be."""
    if request.coverage is None:
        return False
    if request.on and not any(spec.startswith("qemu:") for spec in request.on):
        raise Misuse("--coverage kernel needs a kernel: add --on qemu:7.3")
    if request.accel == "kvm":
        raise Misuse("--coverage kernel needs an emulated processor: write --accel tcg")
    return True


def _kept(
    request: FuzzRequest,
    specs: list[str],
    vocabulary: Vocabulary,
    chosen: Looks | None,
    by_blocks: bool,
    cells: Cells | None,
) -> HuntState | None:
    """Return the state to resume, or None for a new hunt; Misuse if the file belongs to another hunt.

    If *chosen* or *cells* is None, or *by_blocks* False, the value of the hunt is used.
    """
    from pfnlab.hunt.fuzz.hunt_state import read_state

    state = read_state(request.resume) if request.resume is not None else None
    if state is None:
        return None
    asked = msgspec.structs.replace(
        state,
        machines=specs,
        seed=state.seed if request.seed is None else request.seed,
        vocabulary=vocabulary,
        looking=chosen or state.looking,
        by_blocks=by_blocks or state.by_blocks,
    )
    was, now = ("" if one is None else one.options for one in (state.cells, cells))
    if was != now or asked.options != state.options:
        raise Misuse(f"{request.resume} holds another hunt: write {state.options}, or name another file")
    if state.cells is not None and cells is not None and state.cells.digest != cells.digest:
        raise Misuse(
            f"{request.resume} is from another version of pfnlab, with other cells: name another file"
        )
    return state


class _HuntDisplay:
    """Shows the progress of a hunt limited to *limit* seconds, and keeps its state, optionally in a file."""

    def __init__(self, work: Work, state: HuntState, state_file: Path | None, limit: float | None) -> None:
        self._work, self._state_file, self._limit = work, state_file, limit
        self._first_program, self._started_at = state.next, time.monotonic()
        self._stored = msgspec.json.encode(state)

    @property
    def latest(self) -> HuntState:
        """Return the state as of when it was last shown."""
        from pfnlab.hunt.fuzz.hunt_state import HuntState

        return msgspec.json.decode(self._stored, type=HuntState)

    def show(self, state: HuntState) -> None:
        """Show and save the state of the hunt."""
        from pfnlab.hunt.fuzz.hunt_state import progress, write_state

        self._stored = msgspec.json.encode(state)
        if self._state_file is not None:
            write_state(self._state_file, state)
        seconds = max(time.monotonic() - self._started_at, 0.001)
        words = progress(state, (state.next - self._first_program) / seconds)
        if self._limit:
            percent = min(100, int(100 * seconds / self._limit))
            words += f", {seconds:.0f} of {self._limit:.0f} s, {percent} %"
        self._work.show(words)
        self._work.reach(state.next)
