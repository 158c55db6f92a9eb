"""The main loop: draw or list programs, run and compare them on all machines; reproduce, minimize and file
differences.

A once-per-boot message is compared only if no machine has printed it already. A program's guest is random,
and so are the messages that this guest has already printed, but a difference must not depend on them. So if a
repetition does not show the difference, it is repeated in a fresh boot, which decides.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

from pfnlab.hunt.fuzz import rounds
from pfnlab.hunt.fuzz.asked_machines import AskedMachines, AskedProgram, Weighed, weigh
from pfnlab.hunt.fuzz.coverage import ModelProcesses
from pfnlab.hunt.fuzz.filing import Folder, FoundDifference
from pfnlab.hunt.fuzz.hunt_state import HuntState, KnownRow
from pfnlab.hunt.fuzz.investigation import Investigation
from pfnlab.hunt.fuzz.signature import KERNELS_GO_ON, kernel_violations, placed_by_itself
from pfnlab.kernel.policies.releases import is_version, series_key, series_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Reason, Run, undecided

#: No finding is known, and none is filed.
NO_FOLDER = Folder()

#: The number of times a program that shows a difference is run again.
REPEATS = 3

#: The number of programs that kernels run before differences are handled: FIRST_PART initially, then doubled
#: after each batch that took less than QUICK seconds and, if time or findings end the run, halved after any
#: other: at the end of a batch, guests wait for one another.
FIRST_PART, QUICK = 32, 10.0


class Hunt:
    """A hunt that runs programs on machines, round after round.

    Programs without a rule in the first model are not compared, but kernels still run them, and each run is
    judged on its own.

    :param state: the initial state; it changes during the hunt
    :param folder: the known findings, and the place for new ones
    :param repeats: the number of times a difference must show again
    :param on_progress: called after every round and finding
    :param on_compared: called with the runs of every program that all machines answered
    :param agreed: whether a fault that all machines share is a finding too, as for
        :func:`~pfnlab.hunt.fuzz.signature.signature_of`
    :param jobs: the number of processes that run programs on models; does not affect programs, findings or
        their order
    :param investigation: investigates the findings; None for one in *folder*, with *repeats*
    """

    def __init__(
        self,
        machines: dict[str, Machine] | Mapping[LookLevel, dict[str, Machine]],
        state: HuntState,
        folder: Folder = NO_FOLDER,
        *,
        repeats: int = REPEATS,
        on_progress: Callable[[HuntState], None] = lambda state: None,
        on_compared: Callable[[Sequence[Run]], None] = lambda runs: None,
        investigation: Investigation | None = None,
        agreed: bool = True,
        jobs: int = 1,
    ) -> None:
        self.state, self.folder = state, folder
        self.machines = AskedMachines(machines, state.looking.levels)
        self._investigation = investigation or Investigation(
            *(self.machines, state, folder), repeats=repeats, agreed=agreed
        )
        self._models = ModelProcesses(self.machines.models, self.machines.run_of, jobs)
        self._drawing = rounds.Drawing(state, self._models)
        self._progress = on_progress
        self._most: int | None = None
        self._until: float | None = None
        self._endings: frozenset[str] = frozenset()
        self._part = FIRST_PART
        self._compared = on_compared
        self._agreed = agreed

    @property
    def found(self) -> list[FoundDifference]:
        """The new findings, in order."""
        return self._investigation.found

    def run(self, programs: int | None = None, seconds: float | None = None, most: int | None = None) -> None:
        """Run up to *programs* programs in all, *seconds* seconds or *most* new findings, whichever comes
        first.

        A hunt that enumerates cells runs all of them.

        :param seconds: checked between the parts of a round, which are small if programs take long
        """
        self._most = most
        self._until = None if seconds is None else time.monotonic() + seconds
        cells = self.state.cells
        self._investigation.until = self._until
        self._endings = self._known_endings()
        with self._models:
            self._investigation.resume()
            self._rounds(programs if cells is None else cells.count)

    def _rounds(self, programs: int | None) -> None:
        while programs is None or self.state.next < programs:
            if self._is_late or self._enough:
                return
            end = rounds.end_of_round(self.state.next, self._drawing.together)
            self._round(end if programs is None else min(end, programs), programs)
            self._progress(self.state)

    @property
    def _is_late(self) -> bool:
        """True if nothing new is started from now on."""
        return self._until is not None and time.monotonic() >= self._until

    @property
    def _enough(self) -> bool:
        """True if the requested number of new findings has been reached."""
        return self._most is not None and self.state.new >= self._most

    def _round(self, end: int, programs_in_all: int | None) -> None:
        state = self.state
        drawn = self._drawing.round(end)
        next_end = rounds.end_of_round(end, self._drawing.together)
        if programs_in_all is not None:
            next_end = min(next_end, programs_in_all)
        ahead = self._drawing.ahead(end, next_end)
        # Without other processes or kernels, there is nothing to wait for, so drawing ahead gains nothing.
        apart, has_kernel = self._models.jobs > 1, bool(self.machines.kernels)
        with ahead if apart else nullcontext():
            done, count = 0, len(drawn.programs)
            while done < count and not (done and self._is_late):
                places = range(done, min(done + self._part, count) if has_kernel else count)
                began = time.monotonic()
                with ahead if has_kernel and not (apart or done) else nullcontext():
                    runs = self._runs_of(drawn, places)
                self._part = self._next_part(time.monotonic() - began)
                for place, (level, weighed) in zip(places, runs, strict=True):
                    if self._enough:
                        return
                    program = drawn.programs[place]
                    self._note_runs(program, weighed.runs)
                    shown = self._settle(program, level, weighed)
                    if state.cells is not None:
                        state.cells.note(state, weighed)
                    # In the stored state, the program is both counted and done, or neither.
                    state.next += 1
                    if shown:
                        self._progress(state)
                done = places.stop

    def _next_part(self, took: float) -> int:
        if took < QUICK:
            return self._part * 2
        ends_early = self._until is not None or self._most is not None
        return max(1 if ends_early else FIRST_PART, self._part // 2)

    def _note_runs(self, program: Program, runs: Sequence[Run]) -> None:
        """Count the blocks that kernels reached; if programs are kept by them, keep those with new ones."""
        state = self.state
        state.kernels |= {run.machine: run.kernel for run in runs}
        is_new = state.coverage.add_blocks(runs)
        if is_new and state.by_blocks:
            state.prefixes = rounds.with_prefix(state.prefixes, state.next, program)

    def _runs_of(self, drawn: rounds.DrawnRound, part: range) -> list[tuple[LookLevel, Weighed]]:
        """Run a part of a round on all machines; for each program, its level and its runs. A program without
        an answer from the first model has only that model's run. Runs are evaluated as they arrive, while
        guests run other programs.
        """
        model = self.machines.model
        runs: list[tuple[LookLevel, Weighed]] = []
        asked: dict[int, AskedProgram] = {}
        for number, place in enumerate(part):
            program, known = drawn.programs[place], drawn.runs[place]
            first = [known[model]] if model else []
            reason = undecided(first)
            level = self.state.looking.of(drawn.extent[0] + place)
            if reason is None:
                asked[number] = AskedProgram(program, level, known)
            elif self._goes_on(reason):
                asked[number] = AskedProgram(program, level, {}, reason)
            # Replaced if kernels run it.
            runs.append((level, Weighed(first, reason)))
        answers = self.machines.weighed(list(asked.values()), self._weigh)
        for (number, one), answer in zip(asked.items(), answers, strict=True):
            runs[number] = one.look, answer
        return runs

    def _goes_on(self, reason: Reason) -> bool:
        """True if kernels run a program that the first model has no answer for.

        If only differences are findings, kernel runs on their own decide nothing.
        """
        goes = self._agreed and reason.kind in KERNELS_GO_ON and reason.says not in self._endings
        return goes and bool(self.machines.kernels)

    def _known_endings(self) -> frozenset[str]:
        """The reasons why the model has no answer for programs that end kernels in a known alarm.

        A program with such a reason would cost each kernel a guest and show nothing new.
        """
        model, kernels = self.machines.model, self.machines.kernels
        if model is None:
            return frozenset()
        level = next(iter(self.machines.at))
        reasons = (
            undecided([self.machines.run_of(model, program, level)])
            for program, machines in self.folder.alarms()
            if all(_ends_too(kernel, machines) for kernel in kernels)
        )
        return frozenset(reason.says for reason in reasons if reason is not None)

    def _weigh(self, asked: AskedProgram, runs: Sequence[Run]) -> Weighed:
        """Evaluate the runs of all machines, or judge those of kernels if no model predicts anything."""
        program, reason = asked.program, asked.reason
        if reason is None:
            return weigh(program, runs, agreed=self._agreed)
        answered = [run for run in runs if run.undecided is None]
        broken = kernel_violations(program, answered)
        signatures = dict.fromkeys(one for _, one in placed_by_itself(program, answered, broken))
        return Weighed(answered, reason, tuple(signatures), judged=True, broken=broken)

    def _settle(self, program: Program, level: LookLevel, weighed: Weighed) -> bool:
        """Count one program and handle the differences in its runs; True if there are any.

        A program without a rule that kernels ran may have findings of each kernel.
        """
        state, reason, shown = self.state, weighed.reason, bool(weighed.signatures)
        for name in dict.fromkeys(f"{one.name}: {one.known}" for one in weighed.broken if one.known):
            state.known.setdefault(name, KnownRow()).programs += 1
        if reason is not None:
            state.undecided += 1
            state.spared += reason.says in self._endings
            state.reasons[reason.says] = state.reasons.get(reason.says, 0) + 1
            if reason.kind is not None:
                state.kinds[reason.says] = reason.kind
            state.judged += weighed.judged and bool(weighed.runs)
            state.alarming += shown
        else:
            state.compared += 1
            state.different += shown
            self._compared(weighed.runs)
        if shown:
            self._investigation.note(program, level, weighed.runs, weighed.signatures, lambda: self._enough)
        return shown


def _ends_too(kernel: str, machines: Sequence[str]) -> bool:
    """True if *kernel* is among *machines*, or its series lies between two of theirs."""
    if kernel in machines:
        return True
    versions = [name.removeprefix("qemu:") for name in (kernel, *machines)]
    if not is_version(versions[0]):
        return False
    own, *others = (series_key(series_of(version)) for version in versions if is_version(version))
    return bool(others) and min(others) <= own <= max(others)
