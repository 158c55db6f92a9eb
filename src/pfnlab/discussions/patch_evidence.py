"""Evidence from patched kernels: the answers of a kernel that implements the policy of a model in a claim.

A program was run on the kernel (:mod:`pfnlab.discussions.patch_goldens`). A violation found by a search has a
shortest program, which was run too. No single run shows that a property holds: such an answer rests on the
programs that kernel and model ran without a difference (:mod:`pfnlab.kernel.policies.patched`).
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from pfnlab.base.errors import Misuse
from pfnlab.base.units import number_of
from pfnlab.checker.check import VIOLATED
from pfnlab.checker.judging.judge import violations
from pfnlab.checker.judging.seen_moment import JUDGED_PROPERTIES
from pfnlab.checker.races.race import still_read
from pfnlab.discussions.asking import ClaimQuestion, Costs, Finds, Shows, searched
from pfnlab.discussions.observed import said
from pfnlab.discussions.patch_goldens import PatchGolden, RecordedRun, patch_goldens
from pfnlab.kernel.mm.configuration import Configuration
from pfnlab.kernel.policies.patched import patched_kernels
from pfnlab.programs.lang.load import load_text, program_hash
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program, op_lines
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.observation import Run

#: Compares a patched kernel with its model in thousands of programs.
HOLD = "python evidence/tools/hold_patches.py"
#: The property of a race, which is decided by a read through a stale TLB entry.
_TOLD_FREE = "told_free"
#: Properties of a state that a kernel's own run shows, regardless of the model.
_JUDGED = frozenset(question.name for question in JUDGED_PROPERTIES)


class PatchedAnswer(NamedTuple):
    """The answer of a patched kernel to one question of a claim.

    :param asked: the program, or the property and its scope
    :param shown: the answer; if it rests on programs alone, the property
    :param right: whether the answer is the one expected of the model
    :param programs: number of programs that both ran; 0 if the types of the kernel show it
    :param differences: number of these programs that differ
    :param text: the one program that shows it; empty if it rests on many
    """

    golden: PatchGolden
    asked: str
    shown: str
    right: bool
    against: bool
    programs: int
    differences: int
    text: str = ""


class PatchedAnswers(NamedTuple):
    """The answers of one patched kernel that support a claim, or contradict it."""

    golden: PatchGolden
    against: bool
    answers: tuple[PatchedAnswer, ...]

    def __str__(self) -> str:
        """The answer, the number of programs, and how many differ."""
        parts = [answer.shown for answer in self.answers if not answer.programs]
        runs = {answer.text: answer for answer in self.answers if answer.text}.values()
        if runs:
            shown = "; ".join(answer.shown for answer in self.answers if answer.text)
            parts.append(f"{shown} ({_compared(len(runs), sum(one.differences for one in runs))})")
        rests = [answer for answer in self.answers if answer.programs > 1]
        if rests:
            names = ", ".join(dict.fromkeys(answer.shown for answer in rests))
            parts.append(f"{names}: {_compared(rests[0].programs, rests[0].differences)}")
        return "; ".join(parts)


def _compared(programs: int, differing: int) -> str:
    return f"{number_of(programs, 'program')}, {number_of(differing, 'difference')}"


class AskedProgram(NamedTuple):
    """A program from claims, to run on a patched kernel.

    :param violates: each search whose shortest counterexample it is, e.g. ``standard no_leak``
    """

    program: Program
    violates: tuple[str, ...]

    @property
    def text(self) -> str:
        """The program, as in a golden."""
        return format_program(self.program)


def has_patch(asks: Iterable[ClaimQuestion]) -> bool:
    """True if a patched kernel answers one of the questions."""
    return any(golden_of(asked) is not None for asked in asks)


def golden_of(asked: ClaimQuestion) -> PatchGolden | None:
    """The golden that answers; None without a patch, or if a search finds "holds" without a comparison."""
    for golden in patch_goldens():
        if is_about(asked, golden.series, golden.policy):
            return None if _only_holds(asked) and golden.patch not in patched_kernels() else golden
    return None


def is_about(asked: ClaimQuestion, series: str, policy: str) -> bool:
    """True if a kernel of *series* with *policy* answers; a tracker's cost is the same in any series."""
    if isinstance(asked, Costs):
        return policy == f"tracker={asked.tracker}"
    return isinstance(asked, Shows | Finds) and asked.machine == f"{series},{policy}"


def patched_answers(asks: Iterable[ClaimQuestion]) -> Iterator[PatchedAnswer]:
    """A patched kernel's answers to a claim, empty without a patch; raises Misuse if a golden lacks one."""
    for asked in asks:
        answer = patched_answer(asked)
        if answer is not None:
            yield answer


def patched_answer(asked: ClaimQuestion) -> PatchedAnswer | None:
    """A patched kernel's answer, None without a patch; raises Misuse if a golden lacks a program."""
    golden = golden_of(asked)
    return None if golden is None else _answer(golden, asked)


def by_kernel(asks: Iterable[ClaimQuestion]) -> list[PatchedAnswers]:
    """The same answers, grouped by kernel; raises Misuse if a golden lacks a program."""
    found: dict[tuple[str, bool], PatchedAnswers] = {}
    for answer in patched_answers(asks):
        before = found.setdefault(
            (answer.golden.patch, answer.against), PatchedAnswers(answer.golden, answer.against, ())
        )
        found[answer.golden.patch, answer.against] = before._replace(answers=(*before.answers, answer))
    return list(found.values())


def _only_holds(asked: ClaimQuestion) -> bool:
    return isinstance(asked, Finds) and asked.expected != VIOLATED


def _answer(golden: PatchGolden, asked: ClaimQuestion) -> PatchedAnswer:
    match asked:
        case Shows():
            return _shown(golden, asked)
        case Finds(expected="violated"):
            return _violated(golden, asked)
        case Finds():
            return _rests(golden, asked)
        case Costs():
            return _costs(golden, asked)
    raise Misuse(f"no kernel answers {asked}")


def asked_programs(asks: Iterable[ClaimQuestion]) -> list[AskedProgram]:
    """The programs of questions; for a search, the program is found by searching."""
    found: dict[str, AskedProgram] = {}
    for asked in asks:
        violates: tuple[str, ...] = ()
        if isinstance(asked, Shows):
            program = asked.program
        elif isinstance(asked, Finds) and asked.expected == VIOLATED:
            program, violates = counterexample(asked), (_violates(asked),)
        else:
            continue
        before = found.setdefault(program_hash(program), AskedProgram(program, ()))
        names = dict.fromkeys((*before.violates, *violates))
        found[program_hash(program)] = before._replace(violates=tuple(names))
    return list(found.values())


def counterexample(asked: Finds) -> Program:
    """The shortest program that violates the property; raises Misuse if the search has none."""
    (answer,) = (answer for answer in searched(*asked.search).answers if answer.name == asked.name)
    if answer.program is None:
        raise Misuse(f"model:{asked.machine} has no program that violates {_violates(asked)}")
    return answer.program


def lacking(golden: PatchGolden, asks: Iterable[ClaimQuestion]) -> list[str]:
    """The reasons why *golden* does not answer questions to its model, with the commands that record them."""
    found = []
    for asked in asks:
        try:
            if is_about(asked, golden.series, golden.policy) and not _only_holds(asked):
                _answer(golden, asked)
        except Misuse as reason:
            found.append(str(reason))
    return list(dict.fromkeys(found))


def _shown(golden: PatchGolden, asked: Shows) -> PatchedAnswer:
    recorded = golden.recorded(asked.program)
    step = asked.step_of(golden.run_of(recorded))
    shown, right = said(asked.observed, step), asked.observed(step) == asked.expected
    return _of_program(golden, recorded, shown, right=right, against=asked.against)


def _violated(golden: PatchGolden, asked: Finds) -> PatchedAnswer:
    """The kernel's run of the shortest program, which itself violates the property if a run can show that."""
    recorded = golden.violation(_violates(asked))
    program, run = recorded.program, golden.run_of(recorded)
    read = still_read(program, run) if asked.name == _TOLD_FREE else None
    if read is not None:
        broken = read
        shown = f"{'a processor still' if broken else 'no processor'} reads a frame reported free"
    elif asked.name in _JUDGED:
        broken = any(found.name == asked.name for found in violations(program, run, golden.series))
        shown = f"`{asked.name}` violated" if broken else f"`{asked.name}` not violated"
    else:
        broken = not _differences(golden, recorded)
        shown = f"`{asked.name}`: as the model that violates it" if broken else f"`{asked.name}`: otherwise"
    return _of_program(golden, recorded, shown, right=broken, against=asked.against)


def _of_program(
    golden: PatchGolden, recorded: RecordedRun, shown: str, *, right: bool, against: bool
) -> PatchedAnswer:
    differs = int(bool(_differences(golden, recorded)))
    asked = "; ".join(op_lines(recorded.program))
    return PatchedAnswer(golden, asked, shown, right, against, 1, differs, recorded.text)


def _rests(golden: PatchGolden, asked: Finds) -> PatchedAnswer:
    """The answer to a search that finds a property to hold: the programs that kernel and model have run."""
    held = patched_kernels()[golden.patch]
    right = held.kernel == golden.kernel and not held.differences
    return PatchedAnswer(
        *(golden, f"`{asked.name}` in the scope `{asked.scope}`", f"`{asked.name}`", right, asked.against),
        *(held.programs, held.differences),
    )


def _costs(golden: PatchGolden, asked: Costs) -> PatchedAnswer:
    """The sizes of the members and objects that the patched kernel adds."""
    members = " + ".join(f"`{name}` {size}" for name, size in golden.sizes.members.items())
    context = f"`pfnmap_track_ctx` {golden.sizes.context}" if golden.sizes.context else "no context"
    shown = f"{members or 'nothing'} bytes in every VMA, {context}"
    right = golden.sizes.price == asked.expected
    return PatchedAnswer(golden, "bytes it takes", shown, right, asked.against, 0, 0)


def _violates(asked: Finds) -> str:
    return f"{asked.scope} {asked.name}"


def _differences(golden: PatchGolden, recorded: RecordedRun) -> int:
    """The number of fields in which the model differs from the kernel."""
    model = predicted(golden.machine, golden.configured_as, recorded.text)
    return len(differences([golden.run_of(recorded), model]))


@cache
def predicted(machine: str, configuration: Configuration, text: str) -> Run:
    """The run of *text* on a model with the configuration of a kernel."""
    return ModelMachine(machine, configuration=configuration).run_one(load_text(text))
