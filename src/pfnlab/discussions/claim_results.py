"""One claim re-evaluated: the answers of models and kernels, and the command that reproduces each answer."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_line, shell_word
from pfnlab.base.result import Made, Outcome, Result
from pfnlab.base.units import number_of
from pfnlab.discussions.claim_questions import ClaimQuestion, StepQuestion
from pfnlab.discussions.evidence import Evidence, SizeEvidence, StepEvidence, series_words
from pfnlab.discussions.lookup import ListedClaim, NumberedClaim
from pfnlab.discussions.patch_evidence import PatchedAnswers, compared_alone, compared_words, patched_answer
from pfnlab.discussions.patch_goldens import PatchGolden
from pfnlab.discussions.step_parts import StepPart, book, left, log, part_text, result
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import read_program_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.golden import NO_GOLDENS, has_goldens

AnswerWord = Literal["as expected", "otherwise", "not asked"]
#: The parts of a step that ``pfnlab run`` prints by default.
_PRINTED: tuple[StepPart, ...] = (result, book, left, log)


class ClaimProgram(msgspec.Struct, frozen=True):
    """A program that a claim uses.

    :param file: a file to save it in; for a program that comes with pfnlab, its name
    :param text: the whole program
    :param command: the command that runs it on the claim's machines
    """

    file: str
    text: str
    command: str


class ClaimAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to one of a claim's questions.

    :param asked: an operation, a property and its scope, or a structure
    :param file: the program that has the operation, or that violates the property; may be empty
    :param on: the model, e.g. ``model:7.2,flush=gather_v4``; or the series of the kernels,
        each next to its model
    :param expected: the answer on which the claim rests
    :param model: the model's answer; null if it was not requested
    :param kernel: results from stock kernels; null without any, and outside a clone
    :param patched: the result from a kernel whose patch implements the policy, with the name of the patch,
        its programs and how many of them differ from the model; null if no patch implements it
    :param against: whether the expected answer contradicts the claim
    :param word: ``not asked`` means that it needs a search that was not requested
    :param command: the command that asks only this question; empty if its program's command does so
    """

    asked: str
    file: str
    on: str
    expected: str
    model: str | None
    kernel: str | None
    patched: str | None
    against: bool
    word: AnswerWord
    command: str


class ClaimResult(Result, frozen=True, kw_only=True, tag="pfnlab-claim/1"):
    """A claim, re-evaluated, with its answers.

    :param claim: the quotation, its author and its status
    :param discussion: what the discussion is about
    :param role: the author's part in the discussion
    :param model_only: why no stock kernel shows it; empty if one does
    :param sources: statements about the source of releases that have no kernel in the archive
    :param builds: the commands that build the patched kernels
    :param programs: the programs that the questions use
    :param answers: the answers to each question
    :param says: the result in one sentence
    """

    claim: ListedClaim
    discussion: str
    role: str
    model_only: str
    sources: tuple[str, ...]
    builds: tuple[str, ...]
    programs: tuple[ClaimProgram, ...]
    answers: tuple[ClaimAnswer, ...]
    says: str

    @property
    def outcome(self) -> Outcome:
        """A discovery if an answer is not the one on which the claim rests."""
        otherwise = any(answer.word == "otherwise" for answer in self.answers)
        return Outcome.DISCOVERY if otherwise else Outcome.AS_EXPECTED


def ask_again(found: NumberedClaim, *, search: bool = False) -> ClaimResult:
    """Ask a claim's models again, searching for minutes if *search* is set, and look up the kernels."""
    number, discussion, message, claim = found
    programs = _Programs(number, claim.reading, claim.asks)
    answers = tuple(
        answer
        for answers in (
            *(_model_answers(question, programs, search=search) for question in claim.asks),
            *(_kernel_answers(evidence, programs) for evidence in claim.kernels),
        )
        for answer in answers
    )
    lacks = any(isinstance(evidence, StepEvidence) for evidence in claim.kernels) and not has_goldens()
    return ClaimResult(
        made=Made.now(),
        claim=ListedClaim.of(found),
        discussion=discussion.title,
        role=message.role,
        model_only=claim.model_only,
        sources=tuple(
            f"{read.file}, {read.function}, {', '.join(read.releases)}: {read.shown}"
            for read in claim.sources
        ),
        builds=programs.builds(),
        programs=programs.all(),
        answers=answers,
        says=" ".join((_says(answers), *([NO_GOLDENS] if lacks else []))),
    )


class _Programs:
    """A claim's programs as files, with the machines that each runs on."""

    def __init__(self, number: str, reading: str, asks: Sequence[ClaimQuestion]) -> None:
        self._title, self._number = f"claim {number}: {reading}", number
        self._own = list(
            dict.fromkeys(question.program for question in asks if isinstance(question, StepQuestion))
        )
        self._texts: dict[str, str] = {}
        self._machines: dict[str, dict[str, None]] = {}
        self._traced: set[str] = set()
        self._builds: dict[str, None] = {}

    def add(self, program: Program, machine: str, observed: StepPart | None = None) -> str:
        """The file for one of the claim's programs, which will run on *machine*."""
        if program not in self._own:
            self._own.append(program)
        place = f"-{self._own.index(program) + 1}" if len(self._own) > 1 else ""
        text = format_program(msgspec.structs.replace(program, title=self._title))
        return self._keep(f"claim-{self._number}{place}.pfn", text, (machine,), observed)

    def add_litmus(self, seen: StepEvidence) -> str:
        """The name of a program that comes with pfnlab; it runs on kernels of the first and last series."""
        text = read_program_text(library_folder() / f"{seen.program}.pfn")
        ends = dict.fromkeys((seen.series[0], seen.series[-1]))
        machines = [f"{kind}:{series}" for series in ends for kind in ("qemu", "model")]
        return self._keep(seen.program, text, machines, seen.observed)

    def add_patch(self, golden: PatchGolden, file: str) -> None:
        """Add a patched kernel, which also runs *file* if that is a program."""
        words = ("--patch", f"evidence/patches/{golden.file}", "--name", golden.patch)
        build = f"pfnlab kernels build {shell_word(golden.series)} {shell_line(words)}"
        self._builds[build] = None
        if file:
            self._machines[file][f"qemu:{golden.patch}"] = None

    def builds(self) -> tuple[str, ...]:
        """The commands that build the patched kernels."""
        return tuple(self._builds)

    def _keep(self, file: str, text: str, machines: Sequence[str], observed: StepPart | None) -> str:
        self._texts[file] = text
        self._machines.setdefault(file, {}).update(dict.fromkeys(machines))
        self._traced |= {file} if observed is not None and observed not in _PRINTED else set()
        return file

    def all(self) -> tuple[ClaimProgram, ...]:
        """Every program that was added."""
        return tuple(
            ClaimProgram(
                file,
                text,
                shell_line(
                    (
                        *("pfnlab", "run", file),
                        *(word for machine in self._machines[file] for word in ("--on", machine)),
                        *(["--trace"] if file in self._traced else []),
                    )
                ),
            )
            for file, text in self._texts.items()
        )


def _model_answers(question: ClaimQuestion, programs: _Programs, *, search: bool) -> Iterator[ClaimAnswer]:
    """The model's answer to a question; none if it needs a search that was not requested."""
    answer = None if question.searches and not search else question.ask()
    machine, file, model = f"model:{question.machine}", "", None
    if isinstance(question, StepQuestion):
        file = programs.add(question.program, machine, question.observed)
    elif answer is not None and answer.program is not None:
        file = programs.add(answer.program, machine)
    if answer is not None:
        model = answer.value if file else answer.shown
    patched, right = None, answer is None or answer.right
    try:
        on_patch = patched_answer(question)
    except Misuse as missing:
        # No result contradicts the claim; a message says what to record.
        on_patch, patched = None, f"not recorded: {missing}"
    if on_patch is not None:
        golden = on_patch.golden
        shown = PatchedAnswers(golden, on_patch.against, (on_patch,))
        patched, right = f"{shown}; {golden.patch} on {golden.version}", right and on_patch.right
        programs.add_patch(golden, file)
    elif patched is None and (alone := compared_alone(question)) is not None:
        patched = f"not recorded; {alone} and its model: {compared_words(alone)}"
    yield ClaimAnswer(
        asked=question.subject,
        file=file,
        on=machine,
        expected=question.answer,
        model=model,
        kernel=None,
        patched=patched,
        against=question.against,
        word="not asked" if answer is None and right else _word(right=right),
        command=question.command,
    )


def _kernel_answers(evidence: Evidence, programs: _Programs) -> Iterator[ClaimAnswer]:
    """Results from stock kernels, each with its model's result; series that agree are joined."""
    file, command = "", ""
    if isinstance(evidence, SizeEvidence):
        command = f"pfnlab kernels sizes {shell_word(evidence.series[-1])}"
    else:
        file = programs.add_litmus(evidence)
    for (kernel, model), series in groupby(evidence.series, lambda one: _on_series(evidence, one)):
        answers = [answer for answer in (kernel, model) if answer is not None]
        yield ClaimAnswer(
            asked=evidence.op if isinstance(evidence, StepEvidence) else f"size of {evidence.structure}",
            file=file,
            on=series_words(tuple(series)),
            expected=evidence.shown,
            model=model,
            kernel=kernel,
            patched=None,
            against=evidence.against,
            word=_word(right=all(answer == evidence.shown for answer in answers)),
            command=command,
        )


def _on_series(evidence: Evidence, series: str) -> tuple[str | None, str | None]:
    """The recorded result for a series' kernel, if any, and its model's; a size has no model result."""
    if isinstance(evidence, SizeEvidence):
        return evidence.on_kernel(series), None
    kernel = part_text(evidence.observed, evidence.on_kernel(series)) if has_goldens() else None
    return kernel, part_text(evidence.observed, evidence.on_model(series))


def _word(*, right: bool) -> AnswerWord:
    return "as expected" if right else "otherwise"


def _says(answers: Sequence[ClaimAnswer]) -> str:
    """The result in one sentence."""
    count = {word: sum(answer.word == word for answer in answers) for word in ("otherwise", "not asked")}
    waiting = count["not asked"]
    left_out = f" {number_of(waiting, 'search', 'searches')} not asked: add --search." if waiting else ""
    if count["otherwise"]:
        of = number_of(len(answers), "answer")
        return f"Not those on which the claim rests: {count['otherwise']} of {of}.{left_out}"
    if len(answers) == waiting:
        return f"Nothing was asked.{left_out}"
    if len(answers) - waiting == 1:
        return f"The answer is that on which the claim rests.{left_out}"
    return f"All {len(answers) - waiting} answers are those on which the claim rests.{left_out}"
