"""The loop: draw programs, run them on all machines, compare; repeat, shrink and file the differences.

Programs are drawn in rounds of :data:`ROUND`. The coverage of the rounds before biases each round, so a
resumed campaign tries the same programs as one without an interruption.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pfnlab.errors import Misuse
from pfnlab.files import MOST_RECORDED, Missing, cannot_write, read_bytes
from pfnlab.fuzz.coverage import Coverage, watch_rules
from pfnlab.fuzz.filing import Folder, FoundDifference
from pfnlab.fuzz.grammar import Bias, draw, is_rare
from pfnlab.fuzz.kinds import Vocabulary
from pfnlab.fuzz.repeating import is_shown
from pfnlab.fuzz.shrink import Shrunk, shrink
from pfnlab.fuzz.signature import Signature, in_same_step, signatures_of, undecided
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
    :ivar look: how kernels are looked at
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
    look: LookLevel = LookLevel.PROC
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

    :param machines: by name; the first model runs each program first, to tell whether it has a rule
    :param state: the state to begin with; it changes during the campaign
    :param folder: the folder for findings, None to file none
    :param watched: whether to watch the branches of the first model
    :param repeats: how often a difference must show again
    :param on_progress: called after every round and finding
    :param on_compared: called with the runs of every program that all machines answered
    :param alarms: whether a warning that all machines print is a finding too, unless a model was asked
    :param smaller: makes a program that shows a difference smaller; None to do it by runs on all machines
    """

    def __init__(
        self,
        machines: dict[str, Machine],
        state: CampaignState,
        folder: Folder | None = None,
        *,
        watched: bool = True,
        repeats: int = REPEATS,
        on_progress: Callable[[CampaignState], None] = lambda state: None,
        on_compared: Callable[[Sequence[Run]], None] = lambda runs: None,
        smaller: Callable[[Program, Signature], Shrunk] | None = None,
        alarms: bool = True,
    ) -> None:
        self.machines, self.state, self.folder = machines, state, folder
        self.repeats = repeats
        self.found: list[FoundDifference] = []
        self._model = next((name for name in machines if name.startswith("model:")), None)
        self._watch = watch_rules(state.coverage.branches) if watched and self._model else None
        self._ahead: _Drawn | None = None
        self._progress = on_progress
        self._compared = on_compared
        self._shrinker = smaller or self._shrink
        self._alarms = alarms

    @property
    def watched(self) -> bool:
        """Whether branches are watched: of the first model, if there is one."""
        return self._watch is not None

    def run(self, programs: int | None = None, seconds: float | None = None, most: int | None = None) -> None:
        """Run to *programs* programs in all, *seconds* seconds or *most* findings, whichever comes first.

        :param seconds: checked between rounds
        """
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
        places_decided = [
            place for place, run in enumerate(model_runs) if run is None or not undecided([run])
        ]
        next_end = end + ROUND if programs_in_all is None else min(end + ROUND, programs_in_all)
        with self._drawing_ahead(end, next_end):
            runs = self._ask_all(
                [programs[place] for place in places_decided], [model_runs[place] for place in places_decided]
            )
        runs_by_place = dict(zip(places_decided, runs, strict=True))
        for place, program in enumerate(programs):
            if most is not None and len(state.findings) >= most:
                return
            self._settle(
                program, runs_by_place.get(place) or [run for run in (model_runs[place],) if run is not None]
            )
            state.next += 1

    def _settle(self, program: Program, runs: list[Run]) -> None:
        """Count one program, and handle the difference that its runs show."""
        state = self.state
        reason = undecided(runs)
        if reason is not None:
            state.undecided += 1
            state.reasons[reason] = state.reasons.get(reason, 0) + 1
            return
        state.compared += 1
        self._compared(runs)
        signatures = signatures_of(program, runs, alarms=self._alarms)
        if signatures:
            state.different += 1
            self._note_differences(program, signatures)
            self._progress(state)

    def _draw(
        self, start: int, end: int, coverage: Coverage, bias: Bias, prefixes: Sequence[Program]
    ) -> _Drawn:
        """Draw programs and run them on the first model; nothing that is handed over is changed."""
        if start % ROUND == 0:
            bias = Bias(frozenset(coverage.pairs), tuple(prefixes))
        state = self.state
        coverage = Coverage(dict(coverage.pairs), set(coverage.branches), dict(coverage.words))
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
            if self._watch is None:
                (run,) = self._run_on(self._model, [program])
            else:
                with self._watch:
                    (run,) = self._run_on(self._model, [program])
            is_new = drawn.coverage.add(program, [run], self._watch.seen if self._watch else ())
            # No prefix gives others a guest of their own.
            if is_new and not (is_rare(start + len(drawn.runs)) or uses_slot(program)):
                drawn.prefixes = [*drawn.prefixes, program][-PREFIXES:]
            drawn.runs.append(run)
        if self._watch is not None:
            self._watch.settle()

    def _ask_all(self, programs: Sequence[Program], model_runs: Sequence[Run | None]) -> list[list[Run]]:
        """The runs of every program, one a machine, in the order of the machines.

        :param model_runs: those of the first model, which does not run the programs again
        """
        by_machine = [
            [run for run in model_runs if run is not None]
            if name == self._model and all(model_runs)
            else self._run_on(name, programs)
            for name in self.machines
        ]
        return [list(runs) for runs in zip(*by_machine, strict=True)]

    def _run_on(self, name: str, programs: Sequence[Program]) -> list[Run]:
        runs = self.machines[name].run(programs) if programs else []
        return [msgspec.structs.replace(run, machine=name) for run in runs]

    def _runs(self, program: Program) -> list[Run]:
        return [run for name in self.machines for run in self._run_on(name, [program])]

    def _note_differences(self, program: Program, signatures: Sequence[Signature]) -> None:
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
            if not self._note_new(program, signature):
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

    def _note_new(self, program: Program, signature: Signature) -> bool:
        """Repeat, shrink and file a new difference; False if it is unstable."""
        state = self.state
        repeats = [self._shows(program, signature, repeated=True) for _ in range(self.repeats)]
        shown = 1 + sum(repeats)
        if not all(repeats):
            unstable = Unstable(program.title, str(signature), shown, 1 + self.repeats)
            state.unstable.append(unstable)
            return False
        shrunk = self._shrinker(program, signature)
        runs = tuple(self._runs(shrunk.program))
        with_it = in_same_step(shrunk.program, runs, signature)
        difference = FoundDifference(
            *(signature, shrunk.program, runs, program.title, len(program.ops), (shown, shown)),
            *(shrunk.minimal, state.look, with_it),
        )
        self.found.append(difference)
        name = self.folder.file(difference) if self.folder is not None else ""
        operations = len(shrunk.program.ops)
        state.findings[signature.key] = KnownSignature(
            *(name, 1, state.compared, operations, str(signature), shrunk.minimal),
            [other.key for other in with_it],
        )
        return True

    def _shrink(self, program: Program, signature: Signature) -> Shrunk:
        return shrink(program, lambda candidate: self._shows(candidate, signature))

    def _shows(self, program: Program, signature: Signature, *, repeated: bool = False) -> bool:
        """Whether *program* shows the same difference; False at once where the model has no rule.

        :param repeated: it is the program that showed it
        """
        if self._model is not None and undecided(self._run_on(self._model, [program])):
            return False
        return is_shown(
            program,
            signature,
            lambda: self._runs(program),
            self.machines.values(),
            alarms=self._alarms,
            repeated=repeated,
        )
