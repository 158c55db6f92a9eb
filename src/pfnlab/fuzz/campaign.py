"""The loop: draw programs, run them on all machines, compare; repeat, shrink and file the differences.

Programs are drawn in rounds of :data:`ROUND`. The coverage of the rounds before biases each round, so a
resumed campaign tries the same programs as one without an interruption.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.errors import Misuse
from pfnlab.files import MOST_RECORDED, Missing, cannot_write, read_bytes
from pfnlab.fuzz.coverage import Coverage, watch_rules
from pfnlab.fuzz.filing import Folder, FoundDifference
from pfnlab.fuzz.grammar import Bias, draw, is_rare
from pfnlab.fuzz.kinds import Vocabulary
from pfnlab.fuzz.looking import Looking, changed_by_looking, looked_at
from pfnlab.fuzz.repeating import is_shown
from pfnlab.fuzz.shrink import Shrunk, shrink
from pfnlab.fuzz.signature import LOOKING, Signature, in_same_step, signatures_of, undecided
from pfnlab.programs.lang.ops import Program, uses_slot
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

#: The number of programs that are drawn with one bias, and run together by the machines.
ROUND = 250

#: The number of programs with new coverage that are kept as prefixes of later programs.
PREFIXES = 64

#: How often a program that shows a difference is run again.
REPEATS = 3

FORMAT = "pfnlab-fuzz/2"

#: After how many seconds a thread lets another go on, while a round is drawn ahead.
_SWITCH = 0.0005


class KnownSignature(msgspec.Struct):
    """A signature that a program showed.

    :ivar folder: the folder in which it is filed
    :ivar met: the number of programs that showed it
    :ivar first: the number of programs compared up to the first that showed it, that one included
    :ivar operations: the number of operations in the smallest program that shows it
    :ivar says: the signature in words
    :ivar minimal: whether every smaller program was tried
    :ivar with_it: keys of the other signatures in the same step of its smallest program: they follow from it
    """

    folder: str
    met: int
    first: int
    operations: int
    says: str
    minimal: bool
    with_it: list[str] = msgspec.field(default_factory=list)


class Unstable(msgspec.Struct, frozen=True):
    """A difference that not every run of its program showed.

    :param program: seed and index of the program
    :param shown: the number of its runs that showed it
    """

    program: str
    says: str
    shown: int
    runs: int


class CampaignState(msgspec.Struct):
    """The state of a campaign, complete enough to resume it.

    :ivar machines: by the names the user gave them
    :ivar next: the index of the next program
    :ivar compared: programs that ran on all machines
    :ivar undecided: programs not compared, because the model has no rule or a machine lacks something
    :ivar different: programs that showed a difference
    :ivar findings: the signatures found, by key
    :ivar looking: how kernels are looked at
    """

    machines: list[str]
    seed: int
    vocabulary: Vocabulary
    next: int = 0
    compared: int = 0
    undecided: int = 0
    different: int = 0
    coverage: Coverage = msgspec.field(default_factory=Coverage)
    bias: Bias = msgspec.field(default_factory=Bias)
    prefixes: list[Program] = msgspec.field(default_factory=list)
    findings: dict[str, KnownSignature] = msgspec.field(default_factory=dict)
    unstable: list[Unstable] = msgspec.field(default_factory=list)
    reasons: dict[str, int] = msgspec.field(default_factory=dict)
    looking: Looking = Looking()
    format: str = FORMAT


def read_state(path: Path) -> CampaignState | None:
    """The state in the file *path*, None when there is no file yet.

    :raises Misuse: the file is something else
    """
    try:
        state = msgspec.json.decode(read_bytes(path, "campaign", MOST_RECORDED), type=CampaignState)
    except Missing:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as trouble:
        raise Misuse(f"{path} is no state of a campaign: {trouble}; name another file") from trouble
    if state.format != FORMAT:
        raise Misuse(f"{path} is of another version of pfnlab: name another file")
    return state


def write_state(path: Path, state: CampaignState) -> None:
    """Write *state* to the file *path*, whole or not at all.

    :raises Misuse: the file cannot be written
    :raises Undecided: the disk is full or fails
    """
    new_path = path.with_name(f"{path.name}.new")
    try:
        new_path.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
        new_path.replace(path)
    except OSError as trouble:
        raise cannot_write(path, trouble, "name another file") from trouble


@dataclass
class _Drawn:
    # Programs of a round (the first and the end) with their runs on the first model, and what is known when
    # it has run them.
    extent: tuple[int, int]
    coverage: Coverage
    bias: Bias
    prefixes: list[Program]
    programs: list[Program] = field(default_factory=list)
    runs: list[Run | None] = field(default_factory=list)


class Campaign:
    """Programs on machines, one round after the other.

    :param machines: by name, and that for each level of looking if there are several; the first model runs
        each program first, to tell whether it has a rule
    :param state: the state to begin with; it changes during the campaign
    :param folder: the folder for findings, None to file none
    :param watched: whether to watch the branches of the first model
    :param repeats: how often a difference must show again
    :param on_progress: called after every round and finding
    :param on_compared: called with the runs of every program that all machines answered
    :param predicting: the models of kernels, by level and name, that tell what looking changes; where there
        is none, the first model tells
    :ivar asked: by level, the programs that were run on all machines and the seconds this took
    :param alarms: whether a warning that all machines print is a finding too, unless a model was asked
    :param smaller: makes a program that shows a difference smaller; None to do it by runs on all machines
    """

    def __init__(
        self,
        machines: dict[str, Machine] | Mapping[LookLevel, dict[str, Machine]],
        state: CampaignState,
        folder: Folder | None = None,
        *,
        watched: bool = True,
        repeats: int = REPEATS,
        on_progress: Callable[[CampaignState], None] = lambda state: None,
        on_compared: Callable[[Sequence[Run]], None] = lambda runs: None,
        smaller: Callable[[Program, Signature], Shrunk] | None = None,
        alarms: bool = True,
        predicting: Mapping[LookLevel, Mapping[str, Machine]] | None = None,
    ) -> None:
        self.state, self.folder = state, folder
        self._at: dict[LookLevel, dict[str, Machine]] = {}
        for level in dict.fromkeys(state.looking.levels):
            found: Any = dict(machines).get(level, machines)
            self._at[level] = found
        self.machines = self._at[state.looking.levels[0]]
        self._predicting = predicting or {}
        self.asked: dict[LookLevel, tuple[int, float]] = {}
        self.repeats = repeats
        self.found: list[FoundDifference] = []
        self._model = next((name for name in self.machines if name.startswith("model:")), None)
        self._watch = watch_rules(state.coverage.branches) if watched and self._model else None
        self._ahead: _Drawn | None = None
        self._progress = on_progress
        self._most: int | None = None
        self._compared = on_compared
        self._shrinker = smaller
        self._alarms = alarms

    @property
    def watched(self) -> bool:
        """Whether branches are watched: of the first model, if there is one."""
        return self._watch is not None

    def run(self, programs: int | None = None, seconds: float | None = None, most: int | None = None) -> None:
        """Run to *programs* programs in all, *seconds* seconds or *most* findings, whichever comes first.

        :param seconds: checked between rounds
        """
        self._most = most
        until = None if seconds is None else time.monotonic() + seconds
        while programs is None or self.state.next < programs:
            if until is not None and time.monotonic() >= until:
                return
            if most is not None and len(self.state.findings) >= most:
                return
            end = (self.state.next // ROUND + 1) * ROUND
            self._round(end if programs is None else min(end, programs), most, programs)
            self._progress(self.state)

    def _round(self, end: int, most: int | None, programs_in_all: int | None) -> None:
        state = self.state
        drawn, self._ahead = self._ahead, None
        if drawn is None or drawn.extent != (state.next, end):
            drawn = self._draw(state.next, end, state.coverage, state.bias, state.prefixes)
        state.coverage, state.bias, state.prefixes = drawn.coverage, drawn.bias, drawn.prefixes
        programs, model_runs = drawn.programs, drawn.runs
        levels = [state.looking.of(index) for index in range(state.next, end)]
        decided = [place for place, run in enumerate(model_runs) if run is None or not undecided([run])]
        next_end = end + ROUND if programs_in_all is None else min(end + ROUND, programs_in_all)
        runs: list[dict[LookLevel, list[Run]]] = [{} for _ in programs]
        with self._drawing_ahead(end, next_end):
            for level in self._at:
                places = [place for place in decided if level in levels[place]]
                known = [model_runs[place] if level is levels[place][0] else None for place in places]
                answers = self._ask_all([programs[place] for place in places], known, level)
                for place, answer in zip(places, answers, strict=True):
                    runs[place][level] = answer
        for place, program in enumerate(programs):
            if most is not None and len(state.findings) >= most:
                return
            alone = [run for run in (model_runs[place],) if run is not None]
            self._settle(program, runs[place] or {levels[place][0]: alone})
            state.next += 1

    def _settle(self, program: Program, runs: Mapping[LookLevel, Sequence[Run]]) -> None:
        """Count one program, and handle the differences that its runs show."""
        state = self.state
        reasons = {level: undecided(level_runs) for level, level_runs in runs.items()}
        reason = next((reason for reason in reasons.values() if reason is not None), None)
        if reason is not None and None not in reasons.values():
            state.undecided += 1
            state.reasons[reason] = state.reasons.get(reason, 0) + 1
            return
        state.compared += 1
        answered = {level: level_runs for level, level_runs in runs.items() if reasons[level] is None}
        shown: dict[Signature, tuple[LookLevel, ...]] = {}
        for level, level_runs in answered.items():
            self._compared(level_runs)
            for signature in signatures_of(program, level_runs, alarms=self._alarms):
                shown.setdefault(signature, (level,))
        if len(answered) > 1:
            for pair, signature in self._looking(program, answered):
                shown.setdefault(signature, pair)
        if shown:
            state.different += 1
            self._note_differences(program, shown)
            self._progress(state)

    def _looking(
        self, program: Program, runs: Mapping[LookLevel, Sequence[Run]]
    ) -> list[tuple[tuple[LookLevel, ...], Signature]]:
        """What looking changed of the kernels; of models it is known."""
        found: list[tuple[tuple[LookLevel, ...], Signature]] = []
        for name in self.machines:
            if name.startswith("model:"):
                continue
            own = {level: run for level in runs for run in runs[level] if run.machine == name}
            predicted = {}
            for level in runs:
                model = self._predicting.get(level, {}).get(name) or self._at[level].get(self._model or "")
                if model is not None:
                    predicted[level] = model.run([program])[0]
            found += changed_by_looking(program, own, predicted)
        return found

    def _draw(
        self, start: int, end: int, coverage: Coverage, bias: Bias, prefixes: Sequence[Program]
    ) -> _Drawn:
        """Draw programs and run them on the first model; nothing that is handed over is changed."""
        if start % ROUND == 0:
            under = {condition: frozenset(rows) for condition, rows in coverage.under.items()}
            bias = Bias(frozenset(coverage.pairs), tuple(prefixes), under)
        state = self.state
        coverage = Coverage(
            *(dict(coverage.pairs), set(coverage.branches), dict(coverage.words)),
            {condition: dict(rows) for condition, rows in coverage.under.items()},
        )
        drawn = _Drawn((start, end), coverage, bias, list(prefixes))
        drawn.programs = [draw(state.seed, index, state.vocabulary, bias) for index in range(start, end)]
        self._ask_model(start, drawn)
        return drawn

    @contextmanager
    def _drawing_ahead(self, start: int, end: int) -> Iterator[None]:
        """While kernels run a round, draw the next one and run it on the model: it needs no kernel."""
        others = [name for name in self.machines if not name.startswith("model:")]
        if self._model is None or not others or start % ROUND or end <= start:
            yield
            return
        state, drawn = self.state, list[_Drawn]()

        def draw_ahead() -> None:
            # Trouble comes again when it is the round's turn.
            with suppress(Exception):
                drawn.append(self._draw(start, end, state.coverage, state.bias, state.prefixes))

        thread = threading.Thread(target=draw_ahead, name="ahead", daemon=True)
        # Whoever waits for a guest's answer is not to wait for the model, which never pauses.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH)
        try:
            thread.start()
            yield
            thread.join()
        finally:
            sys.setswitchinterval(interval)
        self._ahead = drawn[0] if drawn else None

    def _ask_model(self, start: int, drawn: _Drawn) -> None:
        """Run what was *drawn* on the first model and note the coverage; without a model each run is None."""
        if self._model is None:
            for program in drawn.programs:
                drawn.coverage.add(program, ())
            drawn.runs = [None] * len(drawn.programs)
            return
        for program in drawn.programs:
            (level, *_) = self.state.looking.of(start + len(drawn.runs))
            if self._watch is None:
                (run,) = self._run_on(self._model, [program], level)
            else:
                with self._watch:
                    (run,) = self._run_on(self._model, [program], level)
            is_new = drawn.coverage.add(program, [run], self._watch.seen if self._watch else ())
            # No prefix gives others a guest of their own.
            if is_new and not (is_rare(start + len(drawn.runs)) or uses_slot(program)):
                drawn.prefixes = [*drawn.prefixes, program][-PREFIXES:]
            drawn.runs.append(run)
        if self._watch is not None:
            self._watch.settle()

    def _ask_all(
        self, programs: Sequence[Program], model_runs: Sequence[Run | None], level: LookLevel
    ) -> list[list[Run]]:
        """The runs of every program, one a machine, in the order of the machines.

        :param model_runs: those of the first model, which does not run the programs again
        """
        began = time.monotonic()
        by_machine = [
            [run for run in model_runs if run is not None]
            if name == self._model and all(model_runs)
            else self._run_on(name, programs, level)
            for name in self.machines
        ]
        count, seconds = self.asked.get(level, (0, 0.0))
        self.asked[level] = count + len(programs), seconds + time.monotonic() - began
        return [list(runs) for runs in zip(*by_machine, strict=True)]

    def _run_on(self, name: str, programs: Sequence[Program], level: LookLevel) -> list[Run]:
        runs = self._at[level][name].run(programs) if programs else []
        return [msgspec.structs.replace(run, machine=name) for run in runs]

    def _runs(self, program: Program, level: LookLevel) -> list[Run]:
        return [run for name in self.machines for run in self._run_on(name, [program], level)]

    def _note_differences(
        self, program: Program, signatures: Mapping[Signature, tuple[LookLevel, ...]]
    ) -> None:
        """Count the known differences of *program*; repeat, shrink and file those that follow from none."""
        findings = self.state.findings
        for signature in signatures:
            if signature.key not in findings:
                self._note_filed(signature)
            if signature.key in findings:
                findings[signature.key].met += 1
        for signature in signatures:
            known = {other.key: findings[other.key].with_it for other in signatures if other.key in findings}
            if signature.key in known or any(signature.key in with_it for with_it in known.values()):
                continue
            if self._most is not None and len(findings) >= self._most:
                return
            if not self._note_new(program, signature, signatures[signature]):
                # What else there is can only be told of a program that does the same every time.
                return

    def _note_filed(self, signature: Signature) -> None:
        """Take a difference that an earlier campaign has filed for known."""
        filed = self.folder.filed(signature.key) if self.folder is not None else None
        if filed is not None:
            self.state.findings[signature.key] = KnownSignature(
                *(filed.name, 0, self.state.compared, filed.operations, str(signature), filed.minimal),
                list(filed.with_it),
            )

    def _note_new(self, program: Program, signature: Signature, levels: tuple[LookLevel, ...]) -> bool:
        """Repeat, shrink and file a new difference; False if it is unstable."""
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
            else shrink(program, lambda candidate: self._shows(candidate, signature, levels))
        )
        if signature.kind == LOOKING:
            sides = {machine for side in signature.sides for machine in side}
            named = (looked_at(run, level) for level in levels for run in self._runs(shrunk.program, level))
            runs = tuple(run for run in named if run.machine in sides)
        else:
            runs = tuple(self._runs(shrunk.program, levels[0]))
        with_it = in_same_step(shrunk.program, runs, signature)
        difference = FoundDifference(
            *(signature, shrunk.program, runs, program.title, len(program.ops), (shown, shown)),
            *(shrunk.minimal, levels, with_it),
        )
        self.found.append(difference)
        name = self.folder.file(difference) if self.folder is not None else ""
        operations = len(shrunk.program.ops)
        state.findings[signature.key] = KnownSignature(
            *(name, 1, state.compared, operations, str(signature), shrunk.minimal),
            [other.key for other in with_it],
        )
        return True

    def _shows(
        self, program: Program, signature: Signature, levels: tuple[LookLevel, ...], *, repeated: bool = False
    ) -> bool:
        """Whether *program* shows the same difference; False at once where the model has no rule.

        :param levels: those at which it was shown
        :param repeated: it is the program that showed it
        """
        if self._model is not None and undecided(self._run_on(self._model, [program], levels[0])):
            return False
        if signature.kind == LOOKING:
            try:
                runs = {level: self._runs(program, level) for level in levels}
            except Misuse:
                return False
            return signature in (found for _, found in self._looking(program, runs))
        return is_shown(
            program,
            signature,
            lambda: self._runs(program, levels[0]),
            self._at[levels[0]].values(),
            alarms=self._alarms,
            repeated=repeated,
        )
