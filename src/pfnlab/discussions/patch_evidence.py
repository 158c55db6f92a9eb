"""Evidence from patched kernels: answers from a kernel that implements the policy of a claim's model.

A program was run on the kernel (:mod:`pfnlab.discussions.patch_goldens`). If a search finds a violation, its
shortest program was run too. No single run shows that a property holds: such an answer rests on the programs
that kernel and model ran without a difference (:mod:`pfnlab.kernel.policies.patched`).
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from pfnlab.base.errors import Misuse
from pfnlab.base.units import number_of
from pfnlab.checker.check import VIOLATED
from pfnlab.checker.judging.judge import violations
from pfnlab.checker.races.race import still_read
from pfnlab.checker.scopes.properties import SEEN_QUESTIONS
from pfnlab.checker.scopes.race_judges import told_free
from pfnlab.discussions.claim_questions import (
    ClaimQuestion,
    CostQuestion,
    PropertyQuestion,
    StepQuestion,
    searched,
)
from pfnlab.discussions.patch_goldens import PatchGolden, RecordedRun, patch_goldens
from pfnlab.discussions.step_parts import part_text
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
#: Properties of a state that a kernel's own run shows, regardless of the model.
_JUDGED = frozenset(question.name for question in SEEN_QUESTIONS)


class PatchedAnswer(NamedTuple):
    """A patched kernel's answer to one of a claim's questions.

    :param asked: the program, or the property and its scope
    :param shown: the answer; if it rests on programs alone, the property
    :param right: whether the answer is the one expected of the model
    :param programs: the number of programs that both ran; 0 if the kernel's types show it
    :param differences: how many of these programs differ
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
    """One patched kernel's answers that support a claim, or contradict it."""

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


class PatchProgram(NamedTuple):
    """A program from claims, to be run on a patched kernel.

    :param violates: each search that has it as its shortest counterexample, e.g. ``standard no_leak``
    """

    program: Program
    violates: tuple[str, ...]

    @property
    def text(self) -> str:
        """The program, as in a golden."""
        return format_program(self.program)


def has_patch(asks: Iterable[ClaimQuestion]) -> bool:
    """True if a patched kernel answers one of the questions."""
    return any(golden_of(question) is not None for question in asks)


def golden_of(question: ClaimQuestion) -> PatchGolden | None:
    """The golden that answers; None without a patch, or if a search finds "holds" without a comparison."""
    for golden in patch_goldens():
        if is_about(question, golden.series, golden.policy):
            return None if _only_holds(question) and golden.patch not in patched_kernels() else golden
    return None


def compared_alone(question: ClaimQuestion) -> str | None:
    """A patched kernel that was compared with the question's model, but has no recorded run of the question.

    Returns the name of its patch; None if a golden answers, or if there is no such kernel.
    """
    if golden_of(question) is not None:
        return None
    kernels = patched_kernels().items()
    return next((name for name, held in kernels if is_about(question, held.series, held.policy)), None)


def compared_words(patch: str) -> str:
    """Programs that a patched kernel and its model ran: ``979 programs, 0 differences``."""
    held = patched_kernels()[patch]
    return _compared(held.programs, held.differences)


def is_about(question: ClaimQuestion, series: str, policy: str) -> bool:
    """True if a *series* kernel with *policy* answers; a tracker's cost is the same in any series."""
    if isinstance(question, CostQuestion):
        return policy == f"tracker={question.tracker}"
    return isinstance(question, StepQuestion | PropertyQuestion) and question.machine == f"{series},{policy}"


def patched_answers(asks: Iterable[ClaimQuestion]) -> Iterator[PatchedAnswer]:
    """A patched kernel's answers to a claim, empty without a patch; raises Misuse if a golden lacks one."""
    for question in asks:
        answer = patched_answer(question)
        if answer is not None:
            yield answer


def patched_answer(question: ClaimQuestion) -> PatchedAnswer | None:
    """A patched kernel's answer, None without a patch; raises Misuse if a golden lacks a program."""
    golden = golden_of(question)
    return None if golden is None else _answer(golden, question)


def by_kernel(asks: Iterable[ClaimQuestion]) -> list[PatchedAnswers]:
    """The same answers, grouped by kernel; raises Misuse if a golden lacks a program."""
    found: dict[tuple[str, bool], PatchedAnswers] = {}
    for answer in patched_answers(asks):
        before = found.setdefault(
            (answer.golden.patch, answer.against), PatchedAnswers(answer.golden, answer.against, ())
        )
        found[answer.golden.patch, answer.against] = before._replace(answers=(*before.answers, answer))
    return list(found.values())


def _only_holds(question: ClaimQuestion) -> bool:
    return isinstance(question, PropertyQuestion) and question.expected != VIOLATED


def _answer(golden: PatchGolden, question: ClaimQuestion) -> PatchedAnswer:
    match question:
        case StepQuestion():
            return _step_answer(golden, question)
        case PropertyQuestion(expected="violated"):
            return _violated(golden, question)
        case PropertyQuestion():
            return _rests(golden, question)
        case CostQuestion():
            return _costs(golden, question)
    raise Misuse(f"no kernel answers {question}")


def patch_programs(asks: Iterable[ClaimQuestion]) -> list[PatchProgram]:
    """The programs that questions use; for a search, the program is found by searching."""
    found: dict[str, PatchProgram] = {}
    for question in asks:
        violates: tuple[str, ...] = ()
        if isinstance(question, StepQuestion):
            program = question.program
        elif isinstance(question, PropertyQuestion) and question.expected == VIOLATED:
            program, violates = counterexample(question), (_violates(question),)
        else:
            continue
        before = found.setdefault(program_hash(program), PatchProgram(program, ()))
        names = dict.fromkeys((*before.violates, *violates))
        found[program_hash(program)] = before._replace(violates=tuple(names))
    return list(found.values())


def counterexample(question: PropertyQuestion) -> Program:
    """The shortest program that violates the property; raises Misuse if the search has none."""
    (answer,) = (answer for answer in searched(*question.search).answers if answer.name == question.name)
    if answer.program is None:
        raise Misuse(f"model:{question.machine} has no program that violates {_violates(question)}")
    return answer.program


def lacking(golden: PatchGolden, asks: Iterable[ClaimQuestion]) -> list[str]:
    """The reasons why *golden* does not answer questions to its model, with the commands that record them."""
    found = []
    for question in asks:
        try:
            if is_about(question, golden.series, golden.policy) and not _only_holds(question):
                _answer(golden, question)
        except Misuse as reason:
            found.append(str(reason))
    return list(dict.fromkeys(found))


def _step_answer(golden: PatchGolden, question: StepQuestion) -> PatchedAnswer:
    recorded = golden.recorded(question.program)
    step = question.step_of(golden.run_of(recorded))
    words, right = part_text(question.observed, step), question.observed(step) == question.expected
    return _of_program(golden, recorded, words, right=right, against=question.against)


def _violated(golden: PatchGolden, question: PropertyQuestion) -> PatchedAnswer:
    """The kernel's run of the shortest program, which itself violates the property if a run can show that."""
    recorded = golden.violation(_violates(question))
    program, run = recorded.program, golden.run_of(recorded)
    read = still_read(program, run) if question.name == told_free.name else None
    if read is not None:
        broken = read
        words = f"{'a processor still' if broken else 'no processor'} reads a frame reported free"
    elif question.name in _JUDGED:
        broken = any(found.name == question.name for found in violations(program, run, golden.series))
        words = f"`{question.name}` violated" if broken else f"`{question.name}` not violated"
    else:
        broken = not _differences(golden, recorded)
        words = (
            f"`{question.name}`: as the model that violates it" if broken else f"`{question.name}`: otherwise"
        )
    return _of_program(golden, recorded, words, right=broken, against=question.against)


def _of_program(
    golden: PatchGolden, recorded: RecordedRun, words: str, *, right: bool, against: bool
) -> PatchedAnswer:
    differs = int(bool(_differences(golden, recorded)))
    operations = "; ".join(op_lines(recorded.program))
    return PatchedAnswer(golden, operations, words, right, against, 1, differs, recorded.text)


def _rests(golden: PatchGolden, question: PropertyQuestion) -> PatchedAnswer:
    """The answer when a search finds that a property holds: the programs that kernel and model have run."""
    held = patched_kernels()[golden.patch]
    right = held.kernel == golden.kernel and not held.differences
    return PatchedAnswer(
        *(
            golden,
            f"`{question.name}` in the scope `{question.scope}`",
            f"`{question.name}`",
            right,
            question.against,
        ),
        *(held.programs, held.differences),
    )


def _costs(golden: PatchGolden, question: CostQuestion) -> PatchedAnswer:
    """The sizes of the members and objects that the patched kernel adds."""
    members = " + ".join(f"`{name}` {size}" for name, size in golden.sizes.members.items())
    context = f"`pfnmap_track_ctx` {golden.sizes.context}" if golden.sizes.context else "no context"
    words = f"{members or 'nothing'} bytes in every VMA, {context}"
    right = golden.sizes.price == question.expected
    return PatchedAnswer(golden, "bytes it takes", words, right, question.against, 0, 0)


def _violates(question: PropertyQuestion) -> str:
    return f"{question.scope} {question.name}"


def _differences(golden: PatchGolden, recorded: RecordedRun) -> int:
    """The number of fields in which the model differs from the kernel."""
    model = predicted(golden.machine, golden.configured_as, recorded.text)
    return len(differences([golden.run_of(recorded), model]))


@cache
def predicted(machine: str, configuration: Configuration, text: str) -> Run:
    """The run of *text* on a model that is configured like a kernel."""
    return ModelMachine(machine, configuration=configuration).run_one(load_text(text))
