"""Shows a bug with its programs on a machine that has it, on one that does not, and on other machines.

A bug's sign in a program is the first step in which the two machines diverge, preferably in a field visible
to user space. A machine has the bug if it answers that step like the first machine.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_word
from pfnlab.base.result import ALWAYS, Count, Made, Outcome, Result
from pfnlab.checker.judging.judge import violations
from pfnlab.hunt.meeting.sign import answer_in, sign_of, sign_word
from pfnlab.kernel.bugs.bug_status import BugStatusWord, bug_status
from pfnlab.kernel.bugs.known_bugs import Bug, BugKind, HeldBy, ShownBy
from pfnlab.kernel.bugs.known_bugs import bug as called
from pfnlab.kernel.policies.known_kernels import newest_known, version_of_release
from pfnlab.kernel.policies.releases import is_version
from pfnlab.lab.building.built import find
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.cells import cell
from pfnlab.programs.runs.golden import golden_look
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel
from pfnlab.programs.runs.named_machines import full_name, name_machines, side_by_side
from pfnlab.programs.runs.observation import Run


class HeldMachine(msgspec.Struct, frozen=True):
    """One machine's answer in the step of a rule.

    :param program: the program's name
    :param machine: the machine's name
    :param op: the operation of the step
    :param field: the field of the step
    :param says: the rule
    :param answer: the machine's answer
    """

    program: str
    machine: str
    op: str
    field: str
    says: str
    answer: str


def held_answer(row: HeldBy, run: Run) -> str:
    """A run's answer in the step named by *row*, e.g. ``EINVAL``; ``-`` if it has no line.

    :raises Misuse: if the run has no such step
    """
    step = next((one for one in run.steps if one.op == row.op), None)
    if step is None:
        raise Misuse(f"{row.program} has no step {row.op!r} on {run.machine}: write one as `run` prints it")
    return ", ".join(cell(step, row.field)) or "-"


#: The word for a machine; ``before`` and ``after`` are used for changes that are not bugs.
ShownWord = Literal["broken", "mended", "before", "after", "neither", "undecided"]

#: The folder for programs outside the library.
_HISTORY = "history/"


def is_as_expected(word: str, expected: str) -> bool:
    """True if the expected word does not contradict the word for a machine.

    A different change that hides the bug does not contradict it.

    :param expected: the word according to the dates of the bug; empty if they do not cover the machine
    """
    return expected in ("", word) or word in ("neither", "undecided")


class SignField(msgspec.Struct, frozen=True):
    """A field of the step in which the two machines diverge, and both answers.

    :param field: the name of the field
    :param before: the lines of the machine that has the bug
    :param after: the lines of the other machine
    """

    field: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class ShownMachine(msgspec.Struct, frozen=True, kw_only=True):
    """One machine, and its answers to a program of a bug.

    :param machine: its name
    :param kernel: its package and version; for a model, its profile
    :param word: broken or mended, before or after a change, neither, or undecided
    :param expected: the word according to the dates of the bug; empty if they do not cover the machine
    :param answers: its answer in each field of the sign; empty if it did not reach the step
    :param violated: the properties that it violates
    """

    machine: str
    kernel: str
    word: ShownWord
    expected: str
    answers: tuple[tuple[str, ...], ...]
    violated: tuple[str, ...]

    @property
    def as_expected(self) -> bool:
        """True if the dates do not contradict its answer."""
        return is_as_expected(self.word, self.expected)


class ShownProgram(msgspec.Struct, frozen=True, kw_only=True):
    """One program that shows a bug.

    :param program: its name
    :param text: the program in its canonical form
    :param before: the machine that has the bug
    :param after: the machine that does not have it
    :param step: the index of the step in which they diverge, from 0; null if they do not
    :param op: the operation of that step
    :param sign: the fields in which they diverge there
    :param violated: the properties that the first violates and the second does not
    :param machines: the two, then the requested ones
    """

    program: str
    text: str
    before: str
    after: str
    step: Annotated[Count | None, ALWAYS]
    op: str
    sign: tuple[SignField, ...]
    violated: tuple[str, ...]
    machines: tuple[ShownMachine, ...]


class BugRunResult(Result, frozen=True, kw_only=True, tag="pfnlab-bug-run/1"):
    """A bug, shown by its programs.

    :param id: the bug's number
    :param title: its short name
    :param kind: the kind of the bug
    :param cve: its CVE number; empty if it has none
    :param what: the description, in Markdown
    :param breaks: the properties that it violates
    :param programs: the results of each program
    :param held: for a rule, the answers of machines that follow it
    """

    id: str
    title: str
    kind: BugKind
    cve: str
    what: str
    breaks: tuple[str, ...]
    programs: tuple[ShownProgram, ...]
    held: tuple[HeldMachine, ...]

    @property
    def outcome(self) -> Outcome:
        """A discovery if a machine contradicts the dates; a machine like neither leaves it undecided."""
        machines = [machine for program in self.programs for machine in program.machines]
        decided = [machine for machine in machines if machine.word not in ("neither", "undecided")]
        if not all(machine.as_expected for machine in decided) or any(not one.sign for one in self.programs):
            return Outcome.DISCOVERY
        if any(one.answer != one.says for one in self.held):
            return Outcome.DISCOVERY
        return Outcome.UNDECIDED if len(decided) < len(machines) else Outcome.AS_EXPECTED


def show_bug(
    bug: Bug, on: Sequence[str] = (), *, look: LookLevel | None = None, accel: Accel = Accel.TCG
) -> BugRunResult:
    """Run the programs of *bug* on the machines before and after it, and on others.

    :param look: the observation level; None for the level of each program's golden
    :raises Misuse: if no program shows the bug yet, or a machine does not exist
    :raises MissingTool: if a tool or a kernel is missing
    """
    if not (bug.shown or bug.holds):
        raise not_shown(bug)
    on = list(map(full_name, on))
    of_rows = (spec for row in bug.shown for spec in (row.before, row.after))
    specs = dict.fromkeys((*of_rows, *on))
    paths = {row.program: program_file(row.program) for row in bug.shown}
    programs = {name: load_program(path) for name, path in paths.items()}
    looks = [look or golden_look(path) or LookLevel.PROC for path in paths.values()]
    # All at once, because a kernel boots each time; of models, most runs are of no row, and fast.
    runs = side_by_side(name_machines(specs), list(programs.values()), looks, accel) if paths else []
    answers = {
        (name, spec): run
        for name, found in zip(paths, runs, strict=True)
        for spec, run in zip(specs, found, strict=True)
    }
    return BugRunResult(
        made=Made.now(),
        id=bug.number,
        title=bug.title,
        kind=bug.kind,
        cve=bug.cve,
        what=bug.what,
        breaks=bug.breaks,
        programs=tuple(
            shown_program(bug, row, programs[row.program], [answers[row.program, spec] for spec in asked])
            for row in bug.shown
            for asked in (dict.fromkeys((row.before, row.after, *on)),)
        ),
        held=_rule_answers(bug, on, look, accel),
    )


def not_shown(bug: Bug) -> Misuse:
    """The error for a bug that no program shows."""
    why = f"`pfnlab bugs show {shell_word(bug.number)}` says why"
    return Misuse(f"no program shows {bug.number} on two machines: {why}")


def _rule_answers(
    bug: Bug, on: Sequence[str], look: LookLevel | None, accel: Accel
) -> tuple[HeldMachine, ...]:
    """The answers from the machines in a rule's rows and in *on*."""
    found: list[HeldMachine] = []
    for row in bug.holds:
        path = program_file(row.program)
        way = look or golden_look(path) or LookLevel.PROC
        (runs,) = side_by_side(name_machines(dict.fromkeys((*row.on, *on))), [load_program(path)], way, accel)
        said = row.op, row.field, row.says
        found += [HeldMachine(row.program, run.machine, *said, held_answer(row, run)) for run in runs]
    return tuple(found)


def program_file(name: str) -> Path:
    """The file of a program that shows a bug.

    :param name: a name in the library, or ``history/NAME``
    :raises Misuse: if there is no such program
    """
    if not name.startswith(_HISTORY):
        return find_program(name)
    path = library_folder().parent / "evidence" / f"{name}.pfn"
    if not path.is_file():
        raise Misuse(f"the program {name} is not installed: install pfnlab from its wheel")
    return path


def row_words(bug: Bug, row: ShownBy, runs: Sequence[Run]) -> list[tuple[ShownWord, str]]:
    """Return, for each of *runs*, the word for it and the one that the dates of *bug* imply.

    :param runs: the first two are from the machines in *row*
    """
    before, after, *_ = runs
    sign = sign_of(before, after, row.field)
    words = [_word_of_kind(bug, sign_word(sign, before, after, run)) for run in runs]
    return [(word, _expected_word(bug, row, run)) for word, run in zip(words, runs, strict=True)]


def shown_program(bug: Bug, row: ShownBy, program: Program, runs: Sequence[Run]) -> ShownProgram:
    """The sign between the first two of *runs*, which are from the machines in *row*, and the word for each
    run.
    """
    before, after, *_ = runs
    sign = sign_of(before, after, row.field)
    fields = tuple(one.field for one in sign)
    step = sign[0].step if sign else None
    violated = [tuple(dict.fromkeys(one.name for one in violations(program, run))) for run in runs]
    return ShownProgram(
        program=row.program,
        text=format_program(program),
        before=row.before,
        after=row.after,
        step=step,
        op=sign[0].op if sign else "",
        sign=tuple(
            SignField(one.field, *(answer_in(run, one.step, one.field) or () for run in (before, after)))
            for one in sign
        ),
        violated=tuple(name for name in violated[0] if name not in violated[1]),
        machines=tuple(
            ShownMachine(
                machine=run.machine,
                kernel=run.kernel,
                word=word,
                expected=expected,
                answers=() if step is None else _answers(run, step, fields),
                violated=names,
            )
            for run, names, (word, expected) in zip(runs, violated, row_words(bug, row, runs), strict=True)
        ),
    )


def _answers(run: Run, step: int, fields: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """A run's answers in the fields of a sign; empty if it did not reach the step."""
    found = [answer_in(run, step, field) for field in fields]
    return tuple(one for one in found if one is not None) if None not in found else ()


def _word_of_kind(bug: Bug, word: Literal["before", "after", "neither", "undecided"]) -> ShownWord:
    if bug.kind in (BugKind.CHANGE, BugKind.PROPOSAL) or word in ("neither", "undecided"):
        return word
    return "broken" if word == "before" else "mended"


def _expected_word(bug: Bug, row: ShownBy, run: Run) -> str:
    """The expected word for a machine: by its position in the row, otherwise by the bug's dates."""
    if run.machine in (row.before, row.after):
        return _word_of_kind(bug, "before" if run.machine == row.before else "after")
    lacked = _word_without_commit(bug, run.machine)
    if lacked is not None:
        return _word_of_kind(bug, lacked)
    version = _version(run)
    # No kernel contains a proposal, so it has no dates.
    if version is None or bug.kind is BugKind.PROPOSAL:
        return ""
    if row.needs and bug_status(called(row.needs), version).word is not BugStatusWord.HAS:
        return ""
    match bug_status(bug, version).word:
        case BugStatusWord.NOT_KNOWN:
            return ""
        case BugStatusWord.HAS:
            # The machine after a change has that change.
            return _word_of_kind(bug, "after" if bug.kind is BugKind.CHANGE else "before")
    return _word_of_kind(bug, "before" if bug.kind is BugKind.CHANGE else "after")


def _word_without_commit(bug: Bug, machine: str) -> Literal["before", "after"] | None:
    """The word for a kernel whose name says that it lacks the commit that fixes or introduces *bug*.

    None if the machine's name contains neither commit.
    """
    kind, _, name = machine.partition(":")
    changes = name.split(",")[1:]
    if kind == "qemu" and (kernel := find(name)) is not None:
        changes = kernel.policy.split(",")
    if bug.commit and f"without={bug.commit}" in changes:
        return "before"
    if bug.introduced and f"without={bug.introduced}" in changes:
        # A kernel without the cause of a bug behaves like a fixed one.
        return "before" if bug.kind is BugKind.CHANGE else "after"
    return None


def _version(run: Run) -> str | None:
    """A machine's exact version; None if it was built or changed, because dates do not cover that."""
    kind, _, name = run.machine.partition(":")
    if kind == "model":
        return (newest_known(name) or name) if is_version(name) else None
    if find(name) is not None or not (is_version(name) or is_version(version_of_release(name))):
        return None
    version = version_of_release(run.kernel.rpartition(" ")[2])
    return version if is_version(version) else None
