"""``pfnlab fuzz``: random programs on several machines, until they differ or time is up."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from pfnlab.errors import Misuse
from pfnlab.fuzz.filing import Folder
from pfnlab.fuzz.hunt import Hunt
from pfnlab.fuzz.hunt_state import HuntState, read_state, write_state
from pfnlab.fuzz.kinds import Vocabulary
from pfnlab.fuzz.looking import Looks, check_vocabulary, looking_named, opened
from pfnlab.fuzz.summary import FuzzResult, outcome, progress, summary
from pfnlab.lab.machines import name_machines, newest_series
from pfnlab.lab.running.inside import need_lens
from pfnlab.lab.vm.accel import Accel
from pfnlab.processes import processors
from pfnlab.programs.runs.look import LookLevel
from pfnlab.progress import Work, say, working
from pfnlab.units import number_of

#: How many programs are run where neither a number nor a time is given.
PROGRAMS = 500


class FuzzRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the command line.

    :param profile: the series that kernels of the user's own should behave like
    :param look: None for that of the hunt that goes on, else for the usual one
    :param jobs: processes for models, and guests of each kernel; None for as many as there are processors
    """

    on: list[str]
    seed: int | None = None
    programs: int | None = None
    seconds: float | None = None
    resume: Path | None = None
    findings: Path = Path("findings")
    known: tuple[Path, ...] = ()
    driver: bool = False
    schedules: bool = False
    vfio: bool = False
    slots: bool = False
    leaves: bool = False
    fixed: bool = False
    coverage: bool = True
    stop_after: int | None = None
    as_json: bool = False
    accel: Accel = Accel.TCG
    look: str | None = None
    profile: str | None = None
    jobs: int | None = None


def fuzz(request: FuzzRequest) -> int:
    """Run the hunt and print its result; the exit code."""
    specs = request.on or [f"model:{newest_series()}", f"qemu:{newest_series()}"]
    if len(set(specs)) != len(specs) or len(specs) < 2:
        raise Misuse(f"one machine has nothing to differ from: write --on {specs[0]} --on qemu:7.2")
    named = name_machines(specs, request.profile)
    vocabulary = _vocabulary(request)
    chosen = looking_named(request.look) if request.look is not None else None
    kept = _kept(request, specs, vocabulary, chosen)
    wanted = kept.looking if kept is not None else chosen
    if wanted is not None and LookLevel.MEMORY in wanted.levels and any(one.kind == "qemu" for one in named):
        need_lens()
    programs = request.programs
    if programs is None and request.seconds is None:
        programs = PROGRAMS
    with (
        opened(named, wanted, request.accel, request.jobs) as lab,
        working(f"fuzzing {', '.join(specs)}", programs) as work,
    ):
        state = kept or HuntState(specs, request.seed or 0, vocabulary, looking=lab.looking)
        hunt = Hunt(
            lab.machines,
            state,
            Folder(request.findings, request.known),
            watched=request.coverage,
            on_progress=_Kept(work, state, request.resume, None if programs else request.seconds).show,
            predicting=lab.predicting,
            jobs=request.jobs or processors(),
        )
        watched = hunt.watched
        first, began = state.next, time.monotonic()
        hunt.run(programs, request.seconds, request.stop_after)
        seconds = max(time.monotonic() - began, 0.001)
    count = state.next - first
    say(f"{number_of(count, 'program')} in {seconds:.0f} s, {count / seconds:.1f} a second")
    for level, (asked, took) in hunt.asked.items():
        rate = asked / max(took, 0.001)
        say(f"  {level}: {number_of(asked, 'program')}, {rate:.1f} a second on all machines together")
    if request.as_json:
        print(FuzzResult.of(state, watched=watched).as_json())
    else:
        print(summary(state, watched=watched))
    return outcome(state).value


def _vocabulary(request: FuzzRequest) -> Vocabulary:
    """:raises Misuse: there would be leaves alone, and nobody who makes them"""
    vocabulary = Vocabulary(
        request.driver, request.schedules, request.vfio, request.slots, request.leaves, request.fixed
    )
    check_vocabulary(vocabulary)
    return vocabulary


def _kept(
    request: FuzzRequest, specs: list[str], vocabulary: Vocabulary, chosen: Looks | None
) -> HuntState | None:
    """The state from which the hunt goes on, None where one begins.

    :param chosen: the levels of looking, None for those of the hunt
    :raises Misuse: the file is of another hunt
    """
    state = read_state(request.resume) if request.resume is not None else None
    if state is None:
        return None
    if state.machines != specs:
        options = " ".join(f"--on {spec}" for spec in state.machines)
        raise Misuse(f"{request.resume} is of a hunt on other machines: write {options}")
    if request.seed not in (None, state.seed):
        raise Misuse(f"{request.resume} is of seed {state.seed}: leave --seed out, or name another file")
    if chosen not in (None, state.looking):
        raise Misuse(f"{request.resume} is of a hunt with --look {state.looking}: leave --look out")
    if state.vocabulary != vocabulary:
        names = Vocabulary.__struct_fields__
        words = [f"--{name}" for name in names if getattr(state.vocabulary, name)]
        none = "none of " + ", ".join(f"--{name}" for name in names)
        raise Misuse(f"{request.resume} is of a hunt with {' '.join(words) or none}")
    return state


class _Kept:
    """Shows how far a hunt is, and keeps its state in a file.

    :param limit: the seconds of a hunt that time ends
    """

    def __init__(self, work: Work, state: HuntState, state_file: Path | None, limit: float | None) -> None:
        self._work, self._state_file, self._limit = work, state_file, limit
        self._first_program, self._started_at = state.next, time.monotonic()

    def show(self, state: HuntState) -> None:
        """Show and keep the state of the hunt."""
        if self._state_file is not None:
            write_state(self._state_file, state)
        seconds = max(time.monotonic() - self._started_at, 0.001)
        words = progress(state, (state.next - self._first_program) / seconds)
        if self._limit:
            percent = min(100, int(100 * seconds / self._limit))
            words += f", {seconds:.0f} of {self._limit:.0f} s, {percent} %"
        self._work.show(words)
        self._work.reach(state.next)
