"""The loop: draw or list programs, run and compare them on all machines; reproduce, minimize, file
differences.

A message that prints once per boot is compared only if no machine has printed it already. The guest of a
program is random, and so are the messages that this guest has already printed; a difference must not depend
on it. So a repetition that does not show the difference is repeated in a fresh boot, which decides.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz import rounds
from pfnlab.hunt.fuzz.asked_machines import AskedMachines
from pfnlab.hunt.fuzz.causes import MOST_TELLING, Evidence, Found, Grouping, Weighed, weigh
from pfnlab.hunt.fuzz.coverage import Measure, ModelProcesses
from pfnlab.hunt.fuzz.filing import Folder, FoundDifference
from pfnlab.hunt.fuzz.hunt_state import HuntState, KnownSignature, Unstable
from pfnlab.hunt.fuzz.reach import note_known
from pfnlab.hunt.fuzz.shrink import Shrunk, is_shown, machines_of, shrink_quickly
from pfnlab.hunt.fuzz.signature import (
    KERNELS_GO_ON,
    LOOKING,
    Signature,
    in_same_step,
    judged_signatures,
    kernel_violations,
)
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine, RebootableMachine
from pfnlab.programs.runs.observation import Reason, Run, undecided

#: How often a program that shows a difference is run again.
REPEATS = 3

#: The number of programs that kernels run before their differences are handled: FIRST_PART initially; then
#: doubled after a batch that took fewer than QUICK seconds, otherwise halved.
FIRST_PART, QUICK = 32, 10.0


class Hunt:
    """A hunt that runs programs on machines, round after round.

    Programs without a rule in the first model are not compared: kernels still run them, and each is judged
    alone.

    :param state: the initial state; it changes during the hunt
    :param folder: the folder for findings, None to file none
    :param watched: whether to record the branches of the first model, if they are the measure
    :param repeats: how often a difference must show again
    :param on_progress: called after every round and finding
    :param on_compared: called with the runs of every program that all machines answered
    :param predicting: by level and kernel name, the models that predict the effect of observing; a kernel
        without one is predicted by the first model
    :param agreed: whether a fault on which all machines agree is a finding too, as for
        :func:`~pfnlab.hunt.fuzz.signature.signature_of`
    :param jobs: processes that run programs on models; programs, findings and their order do not depend on it
    :param grouped: whether findings are grouped by cause at the end of a run
    :param smaller: minimizes a program that shows a difference; None to minimize it by runs on all machines
    """

    def __init__(
        self,
        machines: dict[str, Machine] | Mapping[LookLevel, dict[str, Machine]],
        state: HuntState,
        folder: Folder | None = None,
        *,
        watched: bool = True,
        repeats: int = REPEATS,
        on_progress: Callable[[HuntState], None] = lambda state: None,
        on_compared: Callable[[Sequence[Run]], None] = lambda runs: None,
        smaller: Callable[[Program, Signature], Shrunk] | None = None,
        agreed: bool = True,
        predicting: Mapping[LookLevel, Mapping[str, Machine]] | None = None,
        grouped: bool = True,
        jobs: int = 1,
    ) -> None:
        self.state, self.folder = state, folder
        self.machines = AskedMachines(machines, state.looking.levels, predicting or {})
        self.repeats = repeats
        self.found: list[FoundDifference] = []
        self._models = ModelProcesses(
            *(self.machines.models, self.machines.run_of),
            watched=watched and state.cells is None and state.measure is Measure.MODEL,
            reached=state.coverage.branches,
            jobs=jobs,
        )
        self._drawing = rounds.Drawing(state, self._models)
        self._progress = on_progress
        self._most: int | None = None
        self._until: float | None = None
        self._part = FIRST_PART
        self._compared = on_compared
        self._shrinker = smaller
        self._agreed = agreed
        # Findings of cells are not grouped by cause: the cell itself says where they occur.
        self._grouped = grouped and state.cells is None
        self._telling = next(level for level in MOST_TELLING if level in self.machines.at)
        self._grouping = Grouping(self._ask_closely, agreed=agreed)

    @property
    def watched(self) -> bool:
        """True if branches of the first model are recorded."""
        return self._models.watched

    def run(self, programs: int | None = None, seconds: float | None = None, most: int | None = None) -> None:
        """Run up to *programs* programs in all, *seconds* seconds or *most* new findings, whichever comes
        first.

        A hunt that enumerates cells runs all of them.

        :param seconds: checked between parts of a round, which are small if programs take long
        """
        self._most = most
        self._until = None if seconds is None else time.monotonic() + seconds
        cells = self.state.cells
        with self._models:
            self._rounds(programs if cells is None else cells.count)
        if self.state.findings and self._grouped:
            self.state.causes = self._grouping.causes(
                Found(key, known.signature, known.program, known.evidence)
                for key, known in self.state.findings.items()
                if known.signature is not None
            )
            self._progress(self.state)

    def _rounds(self, programs: int | None) -> None:
        while programs is None or self.state.next < programs:
            if self._is_late or self._enough:
                return
            end = rounds.end_of_round(self.state.next, self._drawing.together)
            self._round(end if programs is None else min(end, programs), programs)
            self._progress(self.state)

    @property
    def _is_late(self) -> bool:
        """True if nothing new is started any longer."""
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
        # Without other processes and kernels there is nothing to wait for, so drawing ahead gains nothing.
        apart, has_kernel = self._models.jobs > 1, bool(self.machines.kernels)
        with ahead if apart else nullcontext():
            done, count = 0, len(drawn.programs)
            while done < count and not (done and self._is_late):
                places = range(done, min(done + self._part, count) if has_kernel else count)
                began = time.monotonic()
                with ahead if has_kernel and not (apart or done) else nullcontext():
                    runs = self._runs_of(drawn, places)
                self._part = max(1, self._part * 2 if time.monotonic() - began < QUICK else self._part // 2)
                for place, weighed in zip(places, runs, strict=True):
                    if self._enough:
                        return
                    program = drawn.programs[place]
                    self._note_runs(program, weighed)
                    shown = self._settle(program, weighed)
                    if state.cells is not None:
                        state.cells.note(state, weighed)
                    # The stored state has the program both counted and done, or neither.
                    state.next += 1
                    if shown:
                        self._progress(state)
                done = places.stop

    def _note_runs(self, program: Program, weighed: Mapping[LookLevel, Weighed]) -> None:
        """Count the blocks that kernels reached; if they are the measure, keep programs with new ones."""
        state, runs = self.state, [run for told in weighed.values() for run in told.runs]
        state.kernels |= {run.machine: run.kernel for run in runs}
        is_new = state.coverage.add_blocks(runs)
        if is_new and state.measure is Measure.KERNEL:
            state.prefixes = rounds.with_prefix(state.prefixes, state.next, program)

    def _runs_of(self, drawn: rounds.DrawnRound, part: range) -> list[dict[LookLevel, Weighed]]:
        """Run a part of a round on all machines; for each program, its runs by level. A program without an
        answer from the first model has only that model's run. Runs are evaluated as they arrive, while
        guests run other programs.
        """
        drawn_programs = drawn.programs[part.start : part.stop]
        drawn_runs = drawn.runs[part.start : part.stop]
        levels = [self.state.looking.of(drawn.extent[0] + place) for place in part]
        model = self.machines.model
        first = [[known[model]] if model else [] for known in drawn_runs]
        reasons = [undecided(known) for known in first]
        decided = [place for place, reason in enumerate(reasons) if reason is None]
        runs: list[dict[LookLevel, Weighed]] = [{} for _ in drawn_programs]
        for level in self.machines.at:
            places = [place for place in decided if level in levels[place]]
            known = [drawn_runs[place] if level is levels[place][0] else {} for place in places]
            programs = [drawn_programs[place] for place in places]
            answers = self.machines.weighed(programs, known, level, self._weigh)
            for place, answer in zip(places, answers, strict=True):
                runs[place][level] = answer
        # If only differences are findings, runs of kernels alone decide nothing.
        goes_on = [self._agreed and reason is not None and reason.kind in KERNELS_GO_ON for reason in reasons]
        for level in self.machines.at:
            places = [place for place, goes in enumerate(goes_on) if goes and level is levels[place][0]]
            programs = [drawn_programs[place] for place in places]
            for place, kernel_runs in zip(places, self.machines.of_kernels(programs, level), strict=True):
                runs[place][level] = self._judge(drawn_programs[place], kernel_runs, reasons[place])
        return [
            asked or {levels[place][0]: self._weigh(drawn_programs[place], first[place])}
            for place, asked in enumerate(runs)
        ]

    def _judge(self, program: Program, runs: Sequence[Run], reason: Reason | None) -> Weighed:
        """Judge the runs of kernels for which no model predicts anything."""
        answered = [run for run in runs if run.undecided is None]
        broken = kernel_violations(program, answered)
        signatures = tuple(judged_signatures(program, answered, broken))
        return Weighed(answered, reason, signatures, judged=True, broken=broken)

    def _weigh(self, program: Program, runs: Sequence[Run]) -> Weighed:
        return weigh(program, runs, agreed=self._agreed)

    def _settle(self, program: Program, weighed: Mapping[LookLevel, Weighed]) -> bool:
        """Count one program, and handle the differences in its runs; True if there are any."""
        state = self.state
        note_known(state.known, program, (one for told in weighed.values() for one in told.broken))
        reasons = [told.reason for told in weighed.values()]
        reason = next((reason for reason in reasons if reason is not None), None)
        if reason is not None and None not in reasons:
            state.undecided += 1
            state.reasons[reason.says] = state.reasons.get(reason.says, 0) + 1
            if reason.kind is not None:
                state.kinds[reason.says] = reason.kind
            return self._settle_judged(program, weighed)
        state.compared += 1
        answered = {level: told for level, told in weighed.items() if told.reason is None}
        shown: dict[Signature, tuple[LookLevel, ...]] = {}
        seen: dict[Signature, Evidence] = {}
        for level, told in answered.items():
            self._compared(told.runs)
            for signature, evidence in told.sightings.items():
                seen.setdefault(signature, Evidence()).add(evidence)
            for signature in told.signatures:
                shown.setdefault(signature, (level,))
        if len(answered) > 1:
            runs = {level: told.runs for level, told in answered.items()}
            for pair, signature in self._looking(program, runs):
                shown.setdefault(signature, pair)
        if shown:
            state.different += 1
            self._note_differences(program, shown)
            for signature, evidence in seen.items():
                if signature.key in state.findings:
                    state.findings[signature.key].evidence.add(evidence)
        return bool(shown)

    def _settle_judged(self, program: Program, weighed: Mapping[LookLevel, Weighed]) -> bool:
        """Count a program without a rule that kernels ran, and handle the findings of each kernel."""
        ran = {level: told for level, told in weighed.items() if told.judged and told.runs}
        self.state.judged += bool(ran)
        shown = {signature: (level,) for level, told in ran.items() for signature in told.signatures}
        if shown:
            self.state.alarming += 1
            self._note_differences(program, shown)
        return bool(shown)

    def _looking(
        self, program: Program, runs: Mapping[LookLevel, Sequence[Run]]
    ) -> list[tuple[tuple[LookLevel, ...], Signature]]:
        """The changes that observing caused on kernels; those on models are known."""
        found: list[tuple[tuple[LookLevel, ...], Signature]] = []
        for name in self.machines.kernels:
            own = {level: run for level in runs for run in runs[level] if run.machine == name}
            asked = {level: self.machines.predicted(name, program, level) for level in runs}
            predicted = {level: run for level, run in asked.items() if run is not None}
            found += rounds.changed_by_looking(program, own, predicted)
        return found

    def _note_differences(
        self, program: Program, signatures: Mapping[Signature, tuple[LookLevel, ...]]
    ) -> None:
        """Count the known differences of *program*; reproduce, minimize and file independent new ones."""
        findings = self.state.findings
        # Several kernels of a program may each show the same finding.
        by_key: dict[str, Signature] = {}
        for signature in signatures:
            by_key.setdefault(signature.key, signature)
        signatures = {signature: signatures[signature] for signature in by_key.values()}
        for signature in signatures:
            if signature.key not in findings:
                self._note_filed(signature)
            if signature.key in findings:
                findings[signature.key].met += 1
        # An alarm is expensive to reproduce, and often follows from another difference.
        for signature in sorted(signatures, key=lambda signature: signature.raises_alarm):
            known = {other.key: findings[other.key].with_it for other in signatures if other.key in findings}
            if signature.key in known or any(signature.key in with_it for with_it in known.values()):
                continue
            if self._enough:
                return
            if not self._note_new(program, signature, signatures[signature]):
                # Further differences can only be judged in a program that behaves the same every time.
                return

    def _note_filed(self, signature: Signature) -> None:
        """Mark a difference that an earlier hunt filed as known."""
        filed = self.folder.filed(signature.key) if self.folder is not None else None
        if filed is None:
            return
        name, data, program = filed
        operations = len(program.ops) if program is not None else 0
        self.state.findings[signature.key] = KnownSignature(
            *(name, 0, self.state.compared, operations, str(signature), data.minimal),
            *([other.key for other in data.with_it], signature, program),
        )
        if program is not None:
            self.state.findings[signature.key].evidence = self._grouping.evidence(program, signature)

    def _note_new(self, program: Program, signature: Signature, levels: tuple[LookLevel, ...]) -> bool:
        """Reproduce, minimize and file a new difference; False if it is unstable."""
        state = self.state
        repeats = [self._shows(program, signature, levels, repeated=True) for _ in range(self.repeats)]
        shown = 1 + sum(repeats)
        if not all(repeats):
            unstable = Unstable(program.title, str(signature), shown, 1 + self.repeats)
            state.unstable.append(unstable)
            return False
        shrunk = (
            self._shrinker(program, signature)
            if self._shrinker is not None
            else shrink_quickly(
                program,
                signature,
                lambda candidate, quick: self._shows(candidate, signature, levels, quick=quick),
            )
        )
        if signature.kind == LOOKING:
            asked = ((level, self.machines.runs(shrunk.program, level)) for level in levels)
            named = (rounds.looked_at(run, level) for level, answers in asked for run in answers)
            runs = tuple(run for run in named if run.machine in machines_of(signature))
        else:
            # The model may have no answer to a program in which a kernel shows it by itself.
            answers = self.machines.runs(shrunk.program, levels[0])
            runs = tuple(run for run in answers if run.undecided is None)
        with_it = in_same_step(shrunk.program, runs, signature)
        difference = FoundDifference(
            *(signature, shrunk.program, runs, program.title, len(program.ops), (shown, shown)),
            *(shrunk.minimal, levels, with_it, state.verb),
        )
        self.found.append(difference)
        name = self.folder.file(difference) if self.folder is not None else ""
        operations = len(shrunk.program.ops)
        state.findings[signature.key] = KnownSignature(
            *(name, 1, state.compared, operations, str(signature), shrunk.minimal),
            [other.key for other in with_it],
            *(signature, shrunk.program, self._grouping.evidence(shrunk.program, signature)),
        )
        return True

    def _ask_closely(self, program: Program, fresh: bool) -> Sequence[Run] | None:
        """The runs of *program*, observed as closely as possible; None if the machines have no answer."""
        level = self._telling
        if self.machines.lacks_rule(program, level):
            return None
        for machine in self.machines.at[level].values():
            if fresh and isinstance(machine, RebootableMachine):
                machine.reboot()
        try:
            runs = self.machines.runs(program, level)
        except Misuse:
            return None
        return None if undecided(runs) else runs

    def _shows(
        self,
        program: Program,
        signature: Signature,
        levels: tuple[LookLevel, ...],
        *,
        repeated: bool = False,
        quick: bool = False,
    ) -> bool:
        """True if *program* shows the same difference; False at once if the model has no rule.

        A finding that a kernel shows by itself needs no rule.
        """
        own = signature.by_itself
        if not own and self.machines.lacks_rule(program, levels[0]):
            return False
        if signature.kind == LOOKING:
            try:
                runs = {level: self.machines.runs(program, level) for level in levels}
            except Misuse:
                return False
            return signature in (found for _, found in self._looking(program, runs))
        named = machines_of(signature) if own else self.machines.names
        return is_shown(
            program,
            signature,
            lambda: self.machines.runs(program, levels[0], named),
            [self.machines.at[levels[0]][name] for name in named],
            agreed=self._agreed,
            repeated=repeated,
            quick=quick,
        )
