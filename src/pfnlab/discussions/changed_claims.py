"""Discussion claims whose answer changes on a kernel.

A claim rests on what a program shows on stock kernels (:mod:`pfnlab.discussions`). The same programs are
run on the kernel under trial. Effects of its configuration alone do not count as changes, because the
model has them as well.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from pfnlab.base.result import Count
from pfnlab.discussions.claim_questions import StepQuestion
from pfnlab.discussions.evidence import StepEvidence
from pfnlab.discussions.lookup import NumberedClaim, claims_of
from pfnlab.discussions.step_parts import StepPart, part_text
from pfnlab.kernel.policies.releases import series_of
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.compare import common_events, comparable, spent_messages
from pfnlab.programs.runs.golden import golden_look
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run, Step, undecided

#: Runs programs on the stock model, configured like the kernel, and on the kernel, each at its level.
RunBoth = Callable[[Sequence[Program], Sequence[LookLevel]], Sequence[tuple[Run, ...]]]


class ChangedClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A claim whose answer changes.

    :param number: its number, e.g. ``004.22``
    :param author: who wrote the words
    :param quote: the words, verbatim
    :param program: the program that shows it
    :param op: the operation that is compared
    :param expected: the result on stock kernels, on which the claim rests
    :param observed: the result on this kernel
    """

    number: str
    author: str
    quote: str
    program: str
    op: str
    expected: str
    observed: str


class ClaimComparison(msgspec.Struct, frozen=True, kw_only=True):
    """The claims that were compared on a kernel.

    :param asked: the number of claims
    :param undecided: programs without an answer, because the model has no rule or the kernel lacks something
    :param changed: the claims whose answer changes, listed once for each part of a step
    """

    asked: Count
    undecided: Count
    changed: tuple[ChangedClaim, ...]


class _ClaimStep(NamedTuple):
    """The part of a step that a claim compares on kernels in one series, observed at level *look*."""

    claim: NumberedClaim
    program: Program
    look: LookLevel
    op: str
    step_of: Callable[[Run], Step]
    observed: StepPart
    answer: str


def ask_claims(run_both: RunBoth, like: str) -> ClaimComparison:
    """The claims whose answer changes on a kernel; each change has been reproduced.

    :param like: the stock version
    """
    questions = list(_questions(series_of(like)))
    found, without = _changed(questions, run_both)
    again, _ = _changed([questions[place] for place in found], run_both)
    seen_twice = {place: found[place] for at, place in enumerate(found) if again.get(at) == found[place]}
    return ClaimComparison(
        asked=len({question.claim.number for question in questions}),
        undecided=without,
        changed=tuple(_change(questions[place], observed) for place, observed in seen_twice.items()),
    )


def _questions(series: str) -> Iterator[_ClaimStep]:
    """The programs and litmus steps that claims compare on stock kernels in *series*."""
    for one in claims_of():
        for question in one.claim.asks:
            if isinstance(question, StepQuestion) and question.machine == series:
                looked_at = question.subject, question.step_of, question.observed, question.answer
                yield _ClaimStep(one, question.program, LookLevel.PROC, *looked_at)
        for seen in one.claim.kernels:
            if isinstance(seen, StepEvidence) and series in seen.series:
                path = library_folder() / f"{seen.program}.pfn"
                looked_at = seen.op, seen.step_of, seen.observed, seen.shown
                look = golden_look(path) or LookLevel.PROC
                yield _ClaimStep(one, load_program(path), look, *looked_at)


def _changed(questions: Sequence[_ClaimStep], run_both: RunBoth) -> tuple[dict[int, str], int]:
    """The changed answers, by where their question is, and the number of programs without an answer."""
    asked = list(dict.fromkeys((question.program, question.look) for question in questions))
    answers = run_both([program for program, _ in asked], [look for _, look in asked])
    runs = dict(zip(asked, answers, strict=True))
    without = {key for key, both in runs.items() if undecided(both) or any(run.lost for run in both)}
    found = {}
    for place, question in enumerate(questions):
        key = question.program, question.look
        # Differences due to the configuration, or to later rules, are not effects of the patch.
        if key not in without and _answer(question, question.step_of(runs[key][0])) == question.answer:
            expected, observed = (_answer(question, step) for step in _alike(runs[key], question.step_of))
            if observed != expected:
                found[place] = observed
    return found, len(without)


def _answer(question: _ClaimStep, step: Step) -> str:
    return part_text(question.observed, step)


def _alike(runs: Sequence[Run], step_of: Callable[[Run], Step]) -> Iterator[Step]:
    """The step in each run, without parts that one of the machines cannot observe or no longer prints."""
    spent = spent_messages(runs)
    steps = [step_of(run) for run in common_events(runs)]
    unseen = {
        name
        for name in Step.__struct_fields__
        if name != "value" and any(getattr(one, name) is None for one in steps)
    }
    for step in steps:
        blank = msgspec.structs.replace(step, **dict.fromkeys(unseen))
        yield msgspec.structs.replace(blank, log=comparable(blank, "log", spent))


def _change(question: _ClaimStep, observed: str) -> ChangedClaim:
    number, _, message, claim = question.claim
    return ChangedClaim(
        number=number,
        author=message.author,
        quote=claim.quote,
        program=format_program(question.program),
        op=question.op,
        expected=question.answer,
        observed=observed,
    )
