"""The state of a hunt, its file, and its result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from pfnlab.base.errors import Misuse, ProgramError, Why
from pfnlab.base.files import MOST_RECORDED, Missing, read_bytes, write_whole, writing
from pfnlab.base.inert import one_line, shell_line
from pfnlab.base.json_text import values_in
from pfnlab.base.result import ALWAYS, Count, Made, Outcome, Result
from pfnlab.base.units import number_of
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.causes import FindingCause, HuntFinding, causes_of
from pfnlab.hunt.fuzz.conditions import Bias
from pfnlab.hunt.fuzz.coverage import Coverage, ReachedCoverage
from pfnlab.hunt.fuzz.filing import FoundDifference
from pfnlab.hunt.fuzz.letters import Cells, PrintedCells
from pfnlab.hunt.fuzz.rounds import Looks
from pfnlab.hunt.fuzz.signature import MODELS_OWN
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.validity import check_program

#: The formats of a hunt's result, and of its state in a file.
FORMAT, STATE_FORMAT = "pfnlab-fuzz/2", "pfnlab-hunt/2"


class Unstable(msgspec.Struct, frozen=True):
    """A difference that only some runs of its program showed.

    :param program: seed and index of the program
    :param says: the difference
    :param shown: the number of runs that showed it
    :param runs: the number of all its runs
    """

    program: str
    says: str
    shown: Count
    runs: Count

    def __str__(self) -> str:
        return f"{self.program}: {self.says}; it showed in {self.shown} of {self.runs} runs"


class KnownRow(msgspec.Struct):
    """A known violation.

    :param programs: the number of programs with it
    """

    programs: Count = 0


class HuntState(msgspec.Struct):
    """The state of a hunt, with everything needed to resume it.

    :ivar next: the index of the next program
    :ivar compared: programs that ran on all machines
    :ivar undecided: programs not compared, because the model has no rule or a machine lacks something
    :ivar judged: of these, programs that kernels ran anyway and that were judged
    :ivar alarming: of these, programs with a finding by a judge
    :ivar spared: undecided programs that no kernel ran, because such programs end kernels in a known alarm
    :ivar reasons: the reasons for which programs were not compared, with their counts
    :ivar kinds: the kinds of these reasons; a reason counted by an earlier version has none
    :ivar unfinished: by key, findings whose programs a resumed hunt shrinks further, without runs
    :ivar known: explained violations, by row
    :ivar by_blocks: programs are kept for new kernel blocks, not for new pairs and words
    :ivar known_keys: keys of the signatures that were filed when the hunt began
    :ivar kernels: the exact kernel or profile of each machine, by name
    :ivar cells: the cells that it enumerates; None if it draws programs
    """

    machines: list[str]
    seed: int
    vocabulary: Vocabulary
    next: Count = 0
    compared: Count = 0
    undecided: Count = 0
    different: Count = 0
    coverage: Coverage = msgspec.field(default_factory=Coverage)
    bias: Bias = msgspec.field(default_factory=Bias)
    prefixes: list[Program] = msgspec.field(default_factory=list)
    findings: dict[str, HuntFinding] = msgspec.field(default_factory=dict)
    unfinished: dict[str, FoundDifference] = msgspec.field(default_factory=dict)
    unstable: list[Unstable] = msgspec.field(default_factory=list)
    reasons: dict[str, Count] = msgspec.field(default_factory=dict)
    kinds: dict[str, Why] = msgspec.field(default_factory=dict)
    looking: Looks = Looks()
    judged: Count = 0
    spared: Count = 0
    alarming: Count = 0
    known: dict[str, KnownRow] = msgspec.field(default_factory=dict)
    by_blocks: bool = False
    known_keys: list[str] = msgspec.field(default_factory=list)
    kernels: dict[str, str] = msgspec.field(default_factory=dict)
    cells: Cells | None = None
    format: str = STATE_FORMAT

    def __post_init__(self) -> None:
        """Reject an inconsistent hunt.

        :raises ValueError: if the number of letters is not that of finished cells, or a finding is missing
        """
        if unknown := self.unfinished.keys() - self.findings.keys():
            raise ValueError(f"a finding {min(unknown)} is unfinished, and is not there")
        if self.cells is not None and not len(self.cells.letters) == self.next <= self.cells.count:
            raise ValueError(f"{self.next} of {number_of(self.cells.count, 'cell')} need a letter each")

    @property
    def verb(self) -> str:
        """The command that reproduces its findings."""
        return "pfnlab fuzz" if self.cells is None else f"pfnlab fuzz --enumerate {self.cells.scope}"

    @property
    def options(self) -> str:
        """The command-line options that select its machines and programs."""
        if self.cells is not None:
            drawn = self.cells.options
        else:
            names = self.vocabulary.__struct_fields__
            flags = (f"--{name}" for name in names if getattr(self.vocabulary, name))
            coverage = ("--coverage", "kernel") if self.by_blocks else ()
            drawn = shell_line(("--seed", str(self.seed), *coverage, *flags))
        machines = shell_line(word for machine in self.machines for word in ("--on", machine))
        return f"{machines} {drawn} --look {self.looking}"

    @property
    def new(self) -> int:
        """The number of findings that were not filed when the hunt began."""
        return sum(not one.known for one in self.findings.values())


def read_state(path: Path) -> HuntState | None:
    """Read the state of a hunt from the file *path*; None if there is no such file yet.

    :raises Misuse: if the file does not contain the state of a hunt
    """
    try:
        content = read_bytes(path, "hunt", MOST_RECORDED)
        if msgspec.json.decode(content, type=_StateForm).format not in ("", STATE_FORMAT):
            raise Misuse(f"{path} was written by another version of pfnlab: name another file")
        stored = msgspec.json.decode(content, type=HuntState)
        # They will be run, and have not been checked as programs from files are.
        for program in values_in(stored):
            if isinstance(program, Program):
                check_program(program, "a program in it")
    except Missing:
        return None
    except (ProgramError, ValueError, RecursionError) as trouble:
        said = f"a program in it: {trouble.message}" if isinstance(trouble, ProgramError) else str(trouble)
        raise Misuse(f"{path} is not the state of a hunt: {one_line(said)}; name another file") from None
    return stored


class _StateForm(msgspec.Struct):
    """The format of a file that may be the state of a hunt."""

    format: str = ""


def write_stored(path: Path, content: Any) -> None:
    """Write *content* to the file *path* atomically.

    :raises Misuse: if the file cannot be written
    :raises Undecided: if the disk is full or fails
    """
    with writing(path, "name another file"):
        write_whole(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")


def write_state(path: Path, state: HuntState) -> None:
    """Write *state* to the file *path* atomically.

    :raises Misuse: if the file cannot be written
    :raises Undecided: if the disk is full or fails
    """
    content = msgspec.to_builtins(state)
    # Sets are unordered, but equal states must give equal files.
    content["coverage"]["blocks"] = sorted(state.coverage.blocks)
    write_stored(path, content)


class FuzzResult(Result, frozen=True, kw_only=True, tag=FORMAT):
    """The result of a hunt, with random programs or with cells.

    :param machines: the machines that were compared
    :param seed: the random seed; the same seed gives the same programs; 0 for cells
    :param programs: the number of programs
    :param compared: programs that ran on every machine
    :param undecided: programs that some machine could not finish
    :param differences: programs in which machines differed
    :param findings: the findings by signature
    :param causes: the causes of the findings, the shortest program first; empty for cells
    :param unstable: differences that could not be reproduced
    :param reasons: the reasons for which programs were not compared, with their counts
    :param coverage: the coverage of the programs; null for cells
    :param models_own: those of the reasons that come from the model: it has no rule, or no answer exists
    :param judged: undecided programs that kernels still ran, each judged alone
    :param alarming: of these, those in which a kernel raised an alarm or violated a property
    :param spared: undecided programs that no kernel ran, because such programs end kernels in a known alarm
    :param known: properties that kernels violated for a known reason, by property and reason
    :param kernels: the exact kernel or profile of each machine, by name
    :param vocabulary: the operations that random programs may have in addition to those of every process
    :param looking: the observation levels of kernels
    :param cells: the enumerated cells and their results; null if programs are random
    :param interrupted: whether Ctrl-C ended the hunt
    """

    machines: tuple[str, ...]
    seed: int
    programs: Count
    compared: Count
    undecided: Count
    differences: Count
    findings: dict[str, HuntFinding]
    causes: tuple[FindingCause, ...]
    unstable: tuple[Unstable, ...]
    reasons: dict[str, Count]
    coverage: ReachedCoverage | None
    models_own: Annotated[tuple[str, ...], ALWAYS] = ()
    judged: Annotated[Count, ALWAYS] = 0
    alarming: Annotated[Count, ALWAYS] = 0
    spared: Annotated[Count, ALWAYS] = 0
    known: Annotated[dict[str, KnownRow], ALWAYS] = msgspec.field(default_factory=dict)
    kernels: Annotated[dict[str, str], ALWAYS] = msgspec.field(default_factory=dict)
    vocabulary: Annotated[Vocabulary, ALWAYS] = Vocabulary()
    looking: Annotated[str, ALWAYS] = ""
    cells: Annotated[PrintedCells | None, ALWAYS] = None
    interrupted: Annotated[bool, ALWAYS] = False

    @classmethod
    def of(cls, state: HuntState, *, interrupted: bool = False) -> FuzzResult:
        """The result of a hunt."""
        same = ("seed", "compared", "undecided", "reasons", "judged", "alarming", "spared", "vocabulary")
        return cls(
            made=Made.now(),
            machines=tuple(state.machines),
            programs=state.next,
            differences=state.different,
            findings=state.findings,
            causes=() if state.cells is not None else causes_of(state.findings),
            unstable=tuple(state.unstable),
            coverage=ReachedCoverage.of(state.coverage, state.vocabulary, by_blocks=state.by_blocks)
            if state.cells is None
            else None,
            models_own=tuple(name for name in state.reasons if state.kinds.get(name) in MODELS_OWN),
            known=dict(sorted(state.known.items())),
            kernels=dict(sorted(state.kernels.items())),
            looking=str(state.looking),
            interrupted=interrupted,
            cells=None if state.cells is None else PrintedCells.of(state.cells),
            **{name: getattr(state, name) for name in same},
        )

    @property
    def outcome(self) -> Outcome:
        """A difference is a discovery; an unstable one, a program without an answer, and an end by Ctrl-C are
        undecided."""
        if self.findings:
            return Outcome.DISCOVERY
        unanswered = self.reasons.keys() - set(self.models_own)
        undecided = self.interrupted or self.unstable or unanswered or not self.compared
        return Outcome.UNDECIDED if undecided else Outcome.AS_EXPECTED

    @property
    def headline(self) -> str:
        """The numbers of programs and of differences."""
        return _headline(self.noun, self.programs, self.differences)

    @property
    def noun(self) -> str:
        """The noun for its programs."""
        return noun_of(self.cells)


def noun_of(cells: Cells | PrintedCells | None) -> str:
    """The noun for a hunt's programs: ``cell`` if it enumerates them."""
    return "program" if cells is None else "cell"


def _headline(noun: str, programs: int, different: int) -> str:
    """``500 programs, 0 differences``."""
    return f"{number_of(programs, noun)}, {number_of(different, 'difference')}"


def progress(state: HuntState, rate: float) -> str:
    """The progress line of a hunt."""
    findings = f" ({number_of(len(state.findings), 'finding')})" if state.findings else ""
    return f"{_headline(noun_of(state.cells), state.next, state.different)}{findings}, {rate:.0f}/s"
