"""A search as a shard: one model, one scope, a verdict for every property."""

from __future__ import annotations

import msgspec

from pfnlab.base.result import beside
from pfnlab.base.units import number_of
from pfnlab.campaign.shard import ShardResults
from pfnlab.campaign.store.rows import StoredResult
from pfnlab.checker.check import VIOLATED, CheckResult, PropertyResult
from pfnlab.checker.check_all import check_all
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope, read_scope
from pfnlab.programs.model.named_model import model_of
from pfnlab.programs.runs.named_machines import name_machine

#: The fields of a check and of an answer that are columns of the store, rows of their own, or not kept.
_OF_RUN = ("made", "machine", "scope", "answers", "untaken", "growth", "swarm", "seconds")
_OF_VERDICT = ("name", "asks", "verdict", "text", "confirmed")


class CheckWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard with a search.

    :param scope: its name, or the name of its file
    :param text: the content of that file; empty for a scope that pfnlab knows
    :param properties: those to judge; all that the scope can answer where there is none
    :param depth: instead of the scope's, as for ``pfnlab check``
    :param states: the search is cut behind so many
    """

    machine: str
    scope: str
    text: str = ""
    properties: tuple[str, ...] = ()
    depth: int | None = None
    states: int | None = None


def check_shard(work: CheckWork) -> ShardResults:
    """Search, and give the verdicts."""
    scope = read_scope(work.text, work.scope) if work.text else load_scope(work.scope)
    asked = questions(list(work.properties), scope)
    limits = Exhaustive(depth=work.depth, states=work.states)
    (checked,) = check_all([model_of(name_machine(work.machine))], scope, asked, limits, jobs=1)
    kernel = checked.machine.removeprefix("model:")
    return ShardResults(results=check_results(work, checked), kernels={work.machine: kernel})


def check_results(work: CheckWork, checked: CheckResult) -> tuple[StoredResult, ...]:
    """The results of a search for the store: the run, and a verdict a property."""
    return (_run_result(work, checked), *(_verdict(work, checked, answer) for answer in checked.answers))


def _run_result(work: CheckWork, checked: CheckResult) -> StoredResult:
    return StoredResult(
        kind="run",
        task="check",
        machines=(work.machine,),
        verdict="complete" if checked.complete else "undecided",
        scope=work.scope,
        subject="search",
        says=f"{number_of(checked.states, 'state')}, {number_of(checked.transitions, 'step')}",
        detail=msgspec.to_builtins({"work": work, **beside(checked, _OF_RUN)}),
    )


def _verdict(work: CheckWork, checked: CheckResult, answer: PropertyResult) -> StoredResult:
    return StoredResult(
        kind="verdict",
        task="check",
        machines=(work.machine,),
        verdict=answer.verdict,
        scope=work.scope,
        subject=answer.name,
        program=answer.text or "",
        says=f"never reached: {answer.asks}" if _unreached(answer) else answer.asks,
        detail=msgspec.to_builtins(
            {**beside(answer, _OF_VERDICT), "depth": checked.depth, "ended": checked.ended}
        ),
    )


def _unreached(answer: PropertyResult) -> bool:
    return answer.kind == "sometimes" and answer.verdict == VIOLATED
