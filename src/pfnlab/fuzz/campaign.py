"""The loop: draw programs, run them on all machines, compare; repeat, shrink and file what differs.

Programs are drawn in rounds of :data:`ROUND`, each biased by what the rounds before reached, so a campaign
that was interrupted and resumed tries the very programs an uninterrupted one does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from pfnlab.errors import Misuse
from pfnlab.files import MOST_RECORDED, Missing, cannot_write, read_bytes
from pfnlab.fuzz.coverage import Coverage, watch_rules
from pfnlab.fuzz.filing import Folder, FoundDifference
from pfnlab.fuzz.grammar import Bias, draw, is_rare
from pfnlab.fuzz.kinds import Vocabulary
from pfnlab.fuzz.shrink import Shrunk, shrink
from pfnlab.fuzz.signature import Signature, signature_of, undecided
from pfnlab.programs.lang.ops import Program, uses_slot
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

#: How many programs are drawn with one bias, and run by the machines at once.
ROUND = 250

#: How many programs of those that reached something new others may begin as.
PREFIXES = 64

#: How often a program that shows a difference is run again.
REPEATS = 3

FORMAT = "pfnlab-fuzz/1"


class KnownSignature(msgspec.Struct):
    """A signature that was met.

    :ivar folder: where it is filed
    :ivar met: how many programs showed it
    :ivar first: how many programs had been compared when it was first met, that one included
    :ivar operations: of the smallest program that shows it
    :ivar says: the signature in words
    :ivar minimal: whether every smaller program was tried
    """

    folder: str
    met: int
    first: int
    operations: int
    says: str
    minimal: bool


class Unstable(msgspec.Struct, frozen=True):
    """A difference that did not show again each time.

    :param program: seed and index of the program
    :param shown: in how many of its runs it showed
    """

    program: str
    says: str
    shown: int
    runs: int


class CampaignState(msgspec.Struct):
    """All a campaign needs to go on.

    :ivar machines: by the names the user gave them
    :ivar next: the index of the next program
    :ivar compared: programs that ran on all machines
    :ivar undecided: programs nobody compared, for the model has no rule or a machine lacks something
    :ivar different: programs that showed a difference
    :ivar findings: signatures met, by key
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
    format: str = FORMAT


def read_state(path: Path) -> CampaignState | None:
    """The state kept at *path*, None when there is none yet.

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
    """Keep *state* at *path*, whole or not at all.

    :raises Misuse: the file cannot be written
    :raises Undecided: the disk is full or fails
    """
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
        beside.replace(path)
    except OSError as trouble:
        raise cannot_write(path, trouble, "name another file") from trouble


class Campaign:
    """Programs on machines, one round after the other.

    :param machines: by name, the first model first asked whether it has a rule; its branches are what counts
    :param state: where to begin; it changes as the campaign goes on
    :param folder: where findings go, None to file none
    :param watched: watch the branches of the first model
    :param repeats: how often a difference must show again
    :param on_progress: told after every round and finding
    :param on_compared: told the runs of every program that all machines answered
    :param alarms: a warning that all machines print is a finding too, unless a model was asked
    :param smaller: makes a program that shows a difference smaller; by running it on all machines when None
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
        self._progress = on_progress
        self._compared = on_compared
        self._smaller = smaller or self._smallest
        self._alarms = alarms

    @property
    def watched(self) -> bool:
        """Whether branches are watched: of the first model, if there is one."""
        return self._watch is not None

    def run(self, programs: int | None = None, seconds: float | None = None, most: int | None = None) -> None:
        """Go on until so many programs were drawn in all, so many seconds passed, or so many findings were
        met.

        :param seconds: looked at between rounds
        """
        until = None if seconds is None else time.monotonic() + seconds
        while programs is None or self.state.next < programs:
            if until is not None and time.monotonic() >= until:
                return
            if most is not None and len(self.state.findings) >= most:
                return
            end = (self.state.next // ROUND + 1) * ROUND
            self._round(end if programs is None else min(end, programs), most)
            self._progress(self.state)

    def _round(self, end: int, most: int | None) -> None:
        state = self.state
        if state.next % ROUND == 0:
            state.bias = Bias(frozenset(state.coverage.pairs), tuple(state.prefixes))
        drawn = [draw(state.seed, index, state.vocabulary, state.bias) for index in range(state.next, end)]
        first = self._ask_model(drawn)
        decided = [place for place, run in enumerate(first) if run is None or not undecided([run])]
        runs = self._ask_all([drawn[place] for place in decided], [first[place] for place in decided])
        answers = dict(zip(decided, runs, strict=True))
        for place, program in enumerate(drawn):
            if most is not None and len(state.findings) >= most:
                return
            self._settle(program, answers.get(place) or [run for run in (first[place],) if run is not None])
            state.next += 1

    def _settle(self, program: Program, runs: list[Run]) -> None:
        """Count one program, and look into what its runs say."""
        state = self.state
        reason = undecided(runs)
        if reason is not None:
            state.undecided += 1
            state.reasons[reason] = state.reasons.get(reason, 0) + 1
            return
        state.compared += 1
        self._compared(runs)
        signature = signature_of(program, runs, alarms=self._alarms)
        if signature is not None:
            self._differs(program, signature)
            self._progress(state)

    def _ask_model(self, programs: Sequence[Program]) -> list[Run | None]:
        """The first model's runs, and what is new in them; None for each where there is no model."""
        if self._model is None:
            for program in programs:
                self.state.coverage.add(program, ())
            return [None] * len(programs)
        runs: list[Run | None] = []
        for program in programs:
            if self._watch is None:
                (run,) = self._named(self._model, [program])
            else:
                with self._watch:
                    (run,) = self._named(self._model, [program])
            if self.state.coverage.add(program, [run], self._watch.seen if self._watch else ()):
                self._keep(program, len(runs))
            runs.append(run)
        if self._watch is not None:
            self._watch.settle()
        return runs

    def _keep(self, program: Program, place: int) -> None:
        """Others may begin as *program*, unless they would need a guest of their own for it."""
        if not (is_rare(self.state.next + place) or uses_slot(program)):
            self.state.prefixes = [*self.state.prefixes, program][-PREFIXES:]

    def _ask_all(self, programs: Sequence[Program], known: Sequence[Run | None]) -> list[list[Run]]:
        """Every program's runs, one a machine in their order.

        :param known: the first model's, which is not asked again
        """
        by_machine = [
            [run for run in known if run is not None]
            if name == self._model and all(known)
            else self._named(name, programs)
            for name in self.machines
        ]
        return [list(runs) for runs in zip(*by_machine, strict=True)]

    def _named(self, name: str, programs: Sequence[Program]) -> list[Run]:
        runs = self.machines[name].run(programs) if programs else []
        return [msgspec.structs.replace(run, machine=name) for run in runs]

    def _runs(self, program: Program) -> list[Run]:
        return [run for name in self.machines for run in self._named(name, [program])]

    def _differs(self, program: Program, signature: Signature) -> None:
        """Count a difference that is known; repeat, shrink and file one that is not."""
        state = self.state
        state.different += 1
        known = state.findings.get(signature.key)
        if known is not None:
            known.met += 1
            return
        again = [self._shows(program, signature) for _ in range(self.repeats)]
        shown = 1 + sum(again)
        if not all(again):
            unstable = Unstable(program.title, str(signature), shown, 1 + self.repeats)
            state.unstable.append(unstable)
            return
        small = self._smaller(program, signature)
        runs = tuple(self._runs(small.program))
        found = FoundDifference(
            signature, small.program, runs, program.title, len(program.ops), (shown, shown), small.minimal
        )
        self.found.append(found)
        name = self.folder.file(found) if self.folder is not None else ""
        operations = len(small.program.ops)
        state.findings[signature.key] = KnownSignature(
            name, 1, state.compared, operations, str(signature), small.minimal
        )

    def _smallest(self, program: Program, signature: Signature) -> Shrunk:
        return shrink(program, lambda one: self._shows(one, signature))

    def _shows(self, program: Program, signature: Signature) -> bool:
        """Whether *program* shows the same difference; where the model has no rule nobody else is asked."""
        if self._model is not None and undecided(self._named(self._model, [program])):
            return False
        try:
            return signature_of(program, self._runs(program), alarms=self._alarms) == signature
        except Misuse:
            # No guest could hold it.
            return False
