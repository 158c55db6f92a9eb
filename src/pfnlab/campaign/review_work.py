"""Reviews as shards: pieces of one plan, whose answers are combined once they all exist."""

from __future__ import annotations

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.units import number_of
from pfnlab.campaign.shard import ShardResults
from pfnlab.campaign.store.rows import ResultFilter, StoredResult
from pfnlab.campaign.store.store import Store
from pfnlab.checker.review.kept_answers import ReviewHead, other_review, plan_digest
from pfnlab.checker.review.review import plan, review
from pfnlab.checker.review.sequences import PieceAnswer
from pfnlab.programs.model.model_machine import model_of
from pfnlab.programs.runs.named_machines import name_machine

#: In seconds; the campaign sets a shard's limit.
_LONG = 1e9


class ReviewWork(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a shard with pieces of a review.

    :param machines: the base, and the model with the design
    :param plan: a digest of all pieces
    :param first: the first piece; *end* is the number after the last
    """

    machines: tuple[str, str]
    plan: str
    first: int
    end: int


def review_shard(work: ReviewWork) -> ShardResults:
    """Ask the pieces; the results are their answers, plus a verdict for each newly violated property.

    :raises Misuse: if the pieces are from another version of pfnlab
    """
    pieces = plan()
    if plan_digest(pieces) != work.plan:
        raise Misuse("this version of pfnlab asks other questions in a review: start a new campaign")
    base, design = (model_of(name_machine(spec)) for spec in work.machines)
    answers: list[PieceAnswer] = []
    found = review(base, design, seconds=_LONG, pieces=pieces[work.first : work.end], keep=answers.append)
    placed = [msgspec.structs.replace(answer, piece=answer.piece + work.first) for answer in answers]
    run = StoredResult(
        kind="run",
        task="review",
        machines=work.machines,
        verdict="differs" if found.broken else "agrees",
        subject=f"pieces {work.first}:{work.end}",
        says=f"{number_of(found.states, 'state')}, {number_of(found.schedules, 'pair')}, "
        f"{number_of(len(found.broken), 'property', 'properties')} newly broken",
        detail=msgspec.to_builtins(_ReviewDetail(ReviewHead.of(base, design, pieces), placed)),
    )
    broken = (
        StoredResult(
            kind="verdict",
            task="review",
            machines=work.machines,
            verdict="violated",
            subject=one.name,
            program=one.text or "",
            says=one.happens,
            detail={"schedule": list(one.schedule), "where": one.where},
        )
        for one in found.broken
    )
    kernels = {spec: model.spec for spec, model in zip(work.machines, (base, design), strict=True)}
    return ShardResults(results=(run, *broken), kernels=kernels)


class _HeadDetail(msgspec.Struct):
    """Which review the run of a shard belongs to; another version's answers may have another form."""

    head: ReviewHead


class _ReviewDetail(_HeadDetail):
    answers: list[PieceAnswer]


def answers_in(store: Store, head: ReviewHead) -> dict[int, PieceAnswer]:
    """The answers that campaigns in *store* have for the pieces of a review, by position.

    :raises Misuse: if there are none, or the store is damaged
    """
    known: dict[int, PieceAnswer] = {}
    for seen in store.results(ResultFilter(task="review", kind="run")):
        if other_review(store.detail(seen, _HeadDetail).head, head) is None:
            answers = store.detail(seen, _ReviewDetail).answers
            known |= {answer.piece: answer for answer in answers}
    if not known:
        raise Misuse(f"no campaign there has reviewed model:{head.design} against model:{head.base}")
    return known
