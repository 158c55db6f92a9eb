"""Kernel properties by name, and the ones that apply to a scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_word
from pfnlab.base.spelling import did_you_mean
from pfnlab.checker.scopes.entry_judges import booked_mode, no_stale, right_frames, walks_all, walks_pages
from pfnlab.checker.scopes.moment import (
    Judge,
)
from pfnlab.checker.scopes.state_judges import (
    claimed_free,
    claimed_unmapped,
    committed_left,
    copied,
    copied_flushed,
    counters,
    direct_map,
    direct_map_back,
    exact,
    fork_keeps_parent,
    fork_whole,
    fork_works,
    freed_once,
    freed_unmapped,
    memory_off,
    no_leak,
    no_loss,
    no_warning,
    one_mode,
    removed_unmapped,
    revoked_whole,
    right_file,
    shared,
    split,
    tables_alive,
    vmas_alive,
    walks_tables,
)
from pfnlab.checker.search.exploration import Property
from pfnlab.programs.lang.ops import Fork, Mmap, uses_vfio
from pfnlab.programs.lang.words import quoted

if TYPE_CHECKING:
    # Judging a run needs no search.
    from pfnlab.checker.scopes.domain import KernelModel, KernelState
    from pfnlab.checker.scopes.scope import RaceScope, Scope

#: The seams that a question may belong to, as in a machine's name.
Seam = Literal["tracker", "flush", "walker"]
SEAMS: tuple[Seam, ...] = get_args(Seam)


#: How often each kind of operation had each result during a whole search.
Outcomes = Mapping[tuple[str, str], int]


class Question(NamedTuple):
    """A property by name.

    :param asks: the property in one sentence
    :param needs: operation keywords; the property does not apply to a scope that lacks one of them. Words
        joined by ``or`` are alternatives
    :param occasion: takes the results of all operations in a search and returns whether the property ever
        applied; None if the states themselves show this
    :param seam: the seam whose policy is responsible: ``tracker``, ``flush`` or ``walker``; None for a
        property that describes a search's reach or does not depend on a policy
    """

    name: str
    kind: Literal["always", "sometimes"]
    asks: str
    judge: Judge
    needs: tuple[str, ...] = ()
    seam: Seam | None = None
    occasion: Callable[[Outcomes], bool] | None = None

    def arises(self, words: Set[str]) -> bool:
        """True if the property applies to a scope with these *words*."""
        return all(any(word in words for word in need.split(" or ")) for need in self.needs)


def fork_refused(outcomes: Outcomes) -> bool:
    """True if a fork failed.

    A fork that leaves everything unchanged does not lead to a distinct state.
    """
    return any(kind.startswith("fork") and result != "ok" for kind, result in outcomes)


def fork_tried(outcomes: Outcomes) -> bool:
    """True if a fork was tried without an injected failure."""
    return any(kind == "fork" for kind, _ in outcomes)


def fork_done(outcomes: Outcomes) -> bool:
    """True if a fork succeeded."""
    return any(kind.startswith("fork") and result == "ok" for kind, result in outcomes)


def mmap_refused(outcomes: Outcomes) -> bool:
    """True if an mmap failed."""
    return any(kind.startswith("mmap") and result != "ok" for kind, result in outcomes)


def _always(seam: Seam | None, judge: Judge, *needs: str) -> Question:
    return Question(judge.__name__, "always", _sentence(judge), judge, needs, seam)


def _sometimes(judge: Judge, *needs: str) -> Question:
    return Question(judge.__name__, "sometimes", _sentence(judge), judge, needs)


def _sentence(judge: Judge) -> str:
    return " ".join((judge.__doc__ or "").split()).rstrip(".")


#: Every property, in the order of a report.
QUESTIONS: tuple[Question, ...] = (
    _always("tracker", no_leak),
    _always("tracker", no_loss),
    _always("tracker", freed_once),
    _always("tracker", exact),
    _always("tracker", one_mode),
    _always("tracker", booked_mode),
    _always(None, right_frames),
    _always("tracker", direct_map, "low memory"),
    _always("tracker", direct_map_back, "low memory"),
    _always("flush", no_stale, "write or read"),
    _always(None, copied_flushed, "write", "private"),
    _always(None, memory_off, "memory_disable or d3"),
    _always(None, removed_unmapped, "remove"),
    _always(None, claimed_unmapped, "request_mem_region or bind or vfio"),
    _always("tracker", claimed_free, "request_mem_region or bind or vfio"),
    _always("tracker", fork_whole, "fork that fails")._replace(occasion=fork_refused),
    _always("tracker", fork_works, "fork")._replace(occasion=fork_tried),
    _always(None, fork_keeps_parent, "fork")._replace(occasion=fork_done),
    _always(None, freed_unmapped, "buffer")._replace(occasion=mmap_refused),
    _always(None, right_file, "stack")._replace(occasion=mmap_refused),
    _always(None, committed_left, "private"),
    _always("walker", walks_pages),
    _always("walker", walks_all, "write", "private"),
    _always("tracker", no_warning),
    _always("tracker", counters),
    _sometimes(split, "mprotect"),
    _sometimes(shared, "fork"),
    _sometimes(copied, "write", "private"),
)


def _race(
    name: str, kind: Literal["always", "sometimes"], asks: str, *needs: str, seam: Seam | None = None
) -> Question:
    return Question(name, kind, asks, lambda moment: None, needs, seam)


#: The judges of facts, which belong to a step rather than to the state after it.
_OF_FORKS = (fork_whole, fork_works, fork_keeps_parent)
_OF_STEPS = (freed_once, no_warning, freed_unmapped, right_file, copied_flushed, committed_left, *_OF_FORKS)

#: Judges valid only for a single operation: in the middle of another, memory may be committed before it has a
#: VMA.
_OF_OPERATIONS = (*_OF_FORKS, committed_left)

#: The race properties that are facts of turns.
_OF_MEETINGS = (
    _always(None, revoked_whole, "unmap_mapping_range or memory_disable"),
    _always(None, walks_tables, "walk or mincore"),
    _always("tracker", vmas_alive),
    _always("flush", tables_alive),
)

#: The state properties judged at the end of a race, which belong to no single operation.
STATE_QUESTIONS: tuple[Question, ...] = (
    *(
        question
        for question in QUESTIONS
        if question.kind == "always" and question.judge not in _OF_OPERATIONS
    ),
    *_OF_MEETINGS,
)

#: The properties that apply only to races, which are judged while they run (:mod:`pfnlab.checker.races`).
RACE_QUESTIONS: tuple[Question, ...] = (
    _race(
        *("told_free", "always", "No processor reaches a frame whose owner was told that it is free"),
        "unmap_mapping_range or memory_disable",
        seam="flush",
    ),
    _race("no_deadlock", "always", "Operations never wait for each other", seam="flush"),
    _race(
        *("told_beside", "sometimes", "An owner is told while another operation is under way"),
        "unmap_mapping_range or memory_disable",
    ),
    *_OF_MEETINGS,
)

#: Every property that applies to races.
ALL_OF_RACES: tuple[Question, ...] = tuple(dict.fromkeys((*RACE_QUESTIONS, *STATE_QUESTIONS)))


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

    names = [question.name for question in (*QUESTIONS, *RACE_QUESTIONS)]
    if name not in names:
        return f"there is no property {quoted(name)}{did_you_mean(name, (*names, *SEAMS))}"
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
    return [_property(model, question) for question in selection]


def _property(model: KernelModel, question: Question) -> Property[KernelState]:
    judge, always = question.judge, question.kind == "always"
    last: list[object] = [None, None]

    def answer(state: KernelState) -> bool | None:
        if last[0] is not state:
            last[:] = [state, judge(model.moment(state))]
        return last[1]  # type: ignore[return-value]

    return Property(
        question.name,
        question.kind,
        lambda state: answer(state) is not False if always else bool(answer(state)),
        (lambda state: answer(state) is not None) if always else None,
        of_step=judge in _OF_STEPS,
    )
