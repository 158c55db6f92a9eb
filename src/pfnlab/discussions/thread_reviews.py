"""Reviews of posted designs: each defect in a thread is reviewed like any design, and the outcome compared.

These reviews use the general set-up. Rows with the same base and design share a review. A review ends once
its answer is known: a violation is final, whereas "no violation" needs the core questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta

from pfnlab.base.errors import Misuse
from pfnlab.base.result import Made, Outcome, Result
from pfnlab.checker.review.review import ReviewSoFar
from pfnlab.checker.review.review_result import Broken, Form, ReviewResult
from pfnlab.discussions.posted_threads import (
    PostedReview,
    PostedThread,
    ReviewOutcome,
    defect_numbered,
    posted_threads,
    thread_numbered,
)

#: Makes the review of a design against a base, both named like models without ``model:``; it may end early.
Reviewer = Callable[[str, str, Callable[[ReviewSoFar], bool]], ReviewResult]


class PostedRow(msgspec.Struct, frozen=True):
    """A defect, or a version with one, that can be reviewed.

    :param row: e.g. ``R11``, or thread and version, e.g. ``T3 Pei Li v1``
    :param properties: the properties that it violates
    :param reviews: the comparisons
    :param not_reviewed: why it has no reviews, if it has none
    """

    row: str
    properties: tuple[str, ...]
    reviews: tuple[PostedReview, ...]
    not_reviewed: str = ""


class ShownProperty(msgspec.Struct, frozen=True):
    """A property that was expected to be newly violated, and is.

    :param name: its name
    :param form: what kind of evidence it is
    :param length: the number of operations in its shortest program; for a schedule that is not a
        program, the number of turns
    :param text: the program; null for a schedule that is not a program
    """

    name: str
    form: Form
    length: Annotated[int, Meta(ge=1)]
    text: str | None = msgspec.field(name="program")


class ReviewedRow(msgspec.Struct, frozen=True):
    """One row, and the outcome of its review.

    :param row: e.g. ``R11``, or thread and version, e.g. ``T3 Pei Li v1``
    :param base: the model that it was compared with
    :param design: the model with the design
    :param expected: the expected outcome
    :param of: the properties, the operation or the kind of mapping concerned
    :param says: a description of the outcome
    :param as_expected: whether the outcome is the expected one; null if the review was cut short
        and may have missed it
    :param shown: the expected properties that are newly violated, each with its evidence
    :param seconds: how long the review took up to then, in seconds
    """

    row: str
    base: str
    design: str
    expected: ReviewOutcome
    of: tuple[str, ...]
    says: str
    as_expected: bool | None
    shown: tuple[ShownProperty, ...]
    seconds: float


class PostedReviews(Result, frozen=True, kw_only=True, tag="pfnlab-posted-reviews/1"):
    """Reviews of the defects in threads, each with its expected outcome.

    :param rows: the reviewed rows, by number
    :param not_reviewed: the defects that have no review, with the reasons
    :param limit: the time limit for each review, in seconds
    """

    rows: tuple[ReviewedRow, ...]
    not_reviewed: dict[str, str]
    limit: float

    @property
    def outcome(self) -> Outcome:
        """A discovery if a row's outcome is not the expected one; undecided if a review was cut short."""
        came = [row.as_expected for row in self.rows]
        if False in came:
            return Outcome.DISCOVERY
        return Outcome.UNDECIDED if None in came else Outcome.AS_EXPECTED


def posted_rows(number: str | None = None) -> list[PostedRow]:
    """The rows for a thread or for a defect; without *number*, all rows.

    :param number: e.g. ``T2`` or ``R11``
    :raises Misuse: if there is no such thread or defect
    """
    if number is None:
        return [row for thread in posted_threads() for row in _rows_of(thread)]
    match number[:1].upper():
        case "T":
            return list(_rows_of(thread_numbered(number)))
        case "R":
            thread, defect = defect_numbered(number)
            return [row for row in _rows_of(thread) if row.row == defect.number]
    raise Misuse(f"{number!r} is neither a thread nor a defect: write T2 or R11")


def _rows_of(thread: PostedThread) -> Iterator[PostedRow]:
    for version in thread.versions:
        if version.reviews:
            yield PostedRow(f"{thread.number} {version.name}", (), version.reviews)
    for defect in thread.defects:
        yield PostedRow(defect.number, defect.properties, defect.reviews, defect.not_reviewed)


def review_rows(rows: Sequence[PostedRow], reviewer: Reviewer, limit: float) -> PostedReviews:
    """Review all of *rows*.

    :param limit: the time limit for each review, in seconds
    """
    pairs: dict[tuple[str, str], list[tuple[PostedRow, PostedReview]]] = {}
    for row in rows:
        for review in row.reviews:
            pairs.setdefault((review.base, review.design), []).append((row, review))
    answers = {pair: reviewer(*pair, partial(_enough, same)) for pair, same in pairs.items()}
    found = [
        reviewed_row(row, review, answers[review.base, review.design])
        for row in rows
        for review in row.reviews
    ]
    reasons = {row.row: row.not_reviewed for row in rows if row.not_reviewed}
    return PostedReviews(made=Made.now(), rows=tuple(found), not_reviewed=reasons, limit=limit)


def _enough(pairs: Sequence[tuple[PostedRow, PostedReview]], found: ReviewSoFar) -> bool:
    """True if no further piece can change the outcome of these rows.

    A violation or a change is final. Their absence can be established only by the core questions.
    """
    return all(_is_settled(row, review, found) for row, review in pairs)


def _is_settled(row: PostedRow, review: PostedReview, found: ReviewSoFar) -> bool:
    match review.expected:
        case "broken":
            return set(_properties_of(row, review)) <= found.broken
        case "changed":
            changes = found.parted.differences
            return any(word == review.operation and field in _ANSWERS for word, field, _, _ in changes)
    return found.core


#: The fields of changes that user space can see.
_ANSWERS = ("result", "log")


def _properties_of(row: PostedRow, review: PostedReview) -> tuple[str, ...]:
    """The properties that a row violates."""
    return (review.properties or row.properties) if review.expected == "broken" else ()


def reviewed_row(row: PostedRow, review: PostedReview, came: ReviewResult) -> ReviewedRow:
    """A row with the outcome of its review."""
    properties = _properties_of(row, review)
    said, right = _outcome(review, properties, came)
    if not right and not came.complete:
        # The missing outcome may be in the part that was cut.
        right = None
    elif right and review.expected in ("same", "holds") and not came.complete:
        right = None
    return ReviewedRow(
        *(row.row, came.base, came.design, review.expected),
        of=properties or tuple(filter(None, (review.operation, review.kind))),
        says=said,
        as_expected=right,
        shown=tuple(_shown_property(found) for found in came.broken if found.name in properties),
        seconds=came.seconds,
    )


def _outcome(review: PostedReview, properties: Sequence[str], came: ReviewResult) -> tuple[str, bool | None]:
    """A description of the outcome, and whether it is the expected one."""
    names = [found.name for found in came.broken]
    broken = f"broken: {', '.join(names)}" if names else "nothing newly broken"
    match review.expected:
        case "broken":
            return broken, bool(properties) and set(properties) <= set(names)
        case "holds":
            return broken, not set(names) & set(review.properties or names)
        case "same":
            differs = came.differs.get(review.kind, 0)
            return f"{review.kind}: {f'differs in {differs:,}' if differs else 'the same'}", not differs
        case "cost":
            flushes = [cost for cost in came.costs if cost.kind == "flushes"]
            more = sum(cost.more for cost in flushes if cost.operation == review.operation)
            return f"{broken}; {review.operation}: {more:,} with more flushes", bool(more) and not names
        case "changed":
            answers = [change for change in came.changes if change.field in _ANSWERS]
            changes = [change for change in answers if change.operation == review.operation]
            if not changes:
                return f"{review.operation}: answers as before", False
            first = changes[0]
            return f"{review.operation}: {first.base or '-'} is {first.design or '-'}", True


def _shown_property(found: Broken) -> ShownProperty:
    from pfnlab.programs.lang.load import load_text

    length = len(found.schedule) if found.text is None else len(load_text(found.text).ops)
    return ShownProperty(found.name, found.form, length, found.text)
