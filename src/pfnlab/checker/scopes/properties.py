"""Kernel properties by name, and the ones that apply to a scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_word
from pfnlab.base.spelling import did_you_mean
from pfnlab.checker.scopes import race_judges, state_judges, step_judges
from pfnlab.checker.scopes.question import SEAMS, Question, Seam, SeenQuestion, TurnQuestion
from pfnlab.checker.search.exploration import Property
from pfnlab.programs.lang.ops import Fork, Mmap, uses_vfio
from pfnlab.programs.lang.words import quoted
from pfnlab.programs.runs.kernel_property import declared

if TYPE_CHECKING:
    # Judging a run needs no search.
    from pfnlab.checker.scopes.domain import KernelModel, KernelState
    from pfnlab.checker.scopes.scope import RaceScope, Scope

#: Every property of sequences of operations, in the order of a report.
QUESTIONS = declared(Question, state_judges, step_judges)

#: Those that are judged on the observed steps of a run, too.
SEEN_QUESTIONS = declared(SeenQuestion, state_judges, step_judges)

#: The properties that apply only to races.
RACE_QUESTIONS = declared(Question, race_judges)

#: The state properties judged at the end of a race, which belong to no single operation.
STATE_QUESTIONS = tuple(
    one
    for one in (*QUESTIONS, *RACE_QUESTIONS)
    if one.kind == "always" and one.about != "operation" and not isinstance(one, TurnQuestion)
)

#: Every property that applies to races.
ALL_OF_RACES = tuple(dict.fromkeys((*RACE_QUESTIONS, *STATE_QUESTIONS)))

#: Every property of a model, by name.
MODEL_PROPERTIES = {one.name: one for one in (*QUESTIONS, *RACE_QUESTIONS)}


def verdict_words(name: str, asks: str, *, violated: bool) -> str:
    """The verdict on property *name* in words: the failure if violated, otherwise the property itself,
    *asks*.
    """
    says = MODEL_PROPERTIES[name].happens if violated and name in MODEL_PROPERTIES else ""
    return (says or asks)[:1].upper() + (says or asks)[1:]


def questions(names: Sequence[str] = (), scope: Scope | RaceScope | None = None) -> list[Question]:
    """The questions named *names*, or all that apply to *scope*.

    :param names: names of questions or seams. A seam includes all its questions that apply to the scope, and
        those that show whether the search has examined anything
    :raises Misuse: if there is no such property, it does not apply to the scope, or no property of the seam
        does
    """
    possible = {question.name: question for question in _possible(scope)}
    for name in names:
        if name not in possible and name not in SEAMS:
            raise Misuse(_not_asked(name, scope))
    words = _words_of(scope) if scope is not None else None
    askable = [question for question in possible.values() if words is None or question.arises(words)]
    if not names:
        return askable
    chosen = [possible[name] for name in names if name in possible]
    for seam in SEAMS:
        if seam in names:
            chosen += _of_seam(seam, askable)
    return list(dict.fromkeys(chosen))


def _possible(scope: Scope | RaceScope | None) -> tuple[Question, ...]:
    """The questions for this kind of scope; without a scope, those for sequences of operations."""
    if scope is None:
        return QUESTIONS
    from pfnlab.checker.scopes.scope import RaceScope

    return ALL_OF_RACES if isinstance(scope, RaceScope) else QUESTIONS


def _not_asked(name: str, scope: Scope | RaceScope | None) -> str:
    """The reason why *name* does not apply to *scope*, with a suggestion."""
    from pfnlab.checker.scopes.scope import load_scope, scope_names

    if name not in MODEL_PROPERTIES:
        return f"there is no property {quoted(name)}{did_you_mean(name, (*MODEL_PROPERTIES, *SEAMS))}"
    scopes = [
        scope_name
        for scope_name in scope_names()
        if name in [question.name for question in questions(scope=load_scope(scope_name))]
    ]
    reason = (
        f"scope `{scope.name}` does not ask `{name}`" if scope is not None else f"`{name}` is asked of races"
    )
    remedy = (
        f"--scope {' or '.join(map(shell_word, scopes))} does"
        if scopes
        else "write a scope of operations in a row"
    )
    return f"{reason}: {remedy}"


def _of_seam(seam: Seam, askable: Sequence[Question]) -> list[Question]:
    if not any(question.seam == seam for question in askable):
        raise Misuse(f"the scope can say nothing of a {seam}")
    return [question for question in askable if question.seam == seam or question.kind == "sometimes"]


def _words_of(scope: Scope | RaceScope) -> set[str]:
    """The words used in :attr:`Question.needs` that a scope has."""
    from pfnlab.checker.scopes.scope import RaceScope

    if isinstance(scope, RaceScope):
        ops = [op for race in scope.races for op in race.program.ops]
        devices = [device for race in scope.races for device in race.program.devices]
    else:
        ops, devices = [template.op for template in scope.templates], list(scope.devices)
    calls = [op.call for op in ops]
    words = {str(type(call).__struct_config__.tag) for call in calls}
    words |= {"vfio" for call in calls if uses_vfio(call)}
    words |= {"private" for call in calls if isinstance(call, Mmap) and not call.shared}
    words |= {call.driver.how for call in calls if isinstance(call, Mmap) and call.driver is not None}
    words |= {"low memory" for device in devices if device.kind in ("lowmem", "isa")}
    forks = [op for op in ops if isinstance(op.call, Fork)]
    return words | {"fork that fails" for op in forks if op.fail is not None or op.call.refused}  # type: ignore[union-attr]


def properties(model: KernelModel, selection: Sequence[Question]) -> list[Property[KernelState]]:
    """The properties for the questions in *selection*, on states from *model*."""
    return [
        Property(one.name, one.kind, _answer(model, one), of_step=one.about != "state") for one in selection
    ]


def _answer(model: KernelModel, question: Question) -> Callable[[KernelState], bool | None]:
    return lambda state: question.judge(model.moment(state))
