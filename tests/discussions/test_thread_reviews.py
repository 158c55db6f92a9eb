"""Reviews of posted patches: each row has what a review of it needs, and how it came out is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.base.processes import processors
from pfnlab.base.result import Outcome
from pfnlab.checker.review.grounds import KINDS, OPERATIONS
from pfnlab.checker.review.review import ReviewPiece, ReviewSoFar, plan, review
from pfnlab.checker.review.review_result import ReviewResult
from pfnlab.checker.scopes.properties import MODEL_PROPERTIES
from pfnlab.discussions.posted_threads import PostedReview, posted_threads
from pfnlab.discussions.thread_reviews import (
    PostedReviews,
    PostedRow,
    ReviewedRow,
    Reviewer,
    posted_rows,
    review_rows,
    reviewed_row,
)
from pfnlab.programs.model.model_machine import ModelMachine

#: No wait without an end.
LONG = 900.0


def asked_of() -> list[tuple[PostedRow, PostedReview]]:
    """Every review of a row."""
    return [(row, asked) for row in posted_rows() for asked in row.reviews]


def reviewer_of(pieces: Sequence[ReviewPiece]) -> Reviewer:
    """Asks these pieces alone."""

    def reviewed(base: str, design: str, enough: Callable[[ReviewSoFar], bool]) -> ReviewResult:
        models = ModelMachine(base), ModelMachine(design)
        return review(*models, seconds=LONG, pieces=pieces, enough=enough)

    return reviewed


def of_kind(name: str, *stages: int, doubles: bool = False) -> list[ReviewPiece]:
    """The pieces of these stages that are of this kind of mapping, with pairs in a row if *doubles*."""
    numbers = {number for number, kind in enumerate(KINDS) if kind.name == name}
    return [
        piece._replace(doubles=doubles)
        for piece in plan()
        if piece.stage in stages
        and (piece.ground in numbers if piece.pair is None else piece.pair.kind.name == name)
    ]


def row_of(number: str, pieces: Sequence[ReviewPiece]) -> ReviewedRow:
    """The first row with this number, reviewed by these pieces."""
    (row,) = posted_rows(number)
    result = review_rows([msgspec.structs.replace(row, reviews=row.reviews[:1])], reviewer_of(pieces), LONG)
    return result.rows[0]


def test_every_defect_is_reviewed_or_has_a_reason() -> None:
    """And not both."""
    defects = [defect for thread in posted_threads() for defect in thread.defects]

    assert [] == [one.number for one in defects if bool(one.reviews) == bool(one.not_reviewed)]


@for_each(("row", "asked"), asked_of)
def test_a_review_names_models_and_what_it_is_about(row: PostedRow, asked: PostedReview) -> None:
    """Properties, an operation or a kind of mappings, as its outcome needs them."""
    assert ModelMachine(asked.base) and ModelMachine(asked.design)
    about = {
        "broken": asked.properties or row.properties,
        "cost": asked.operation,
        "changed": asked.operation,
        "same": asked.kind,
        "holds": True,
    }

    assert about[asked.expected]
    assert [] == [name for name in asked.properties or row.properties if name not in MODEL_PROPERTIES]
    words = {word for lines in OPERATIONS for line in lines for word in line.split()}
    assert not asked.operation or asked.operation in words
    assert not asked.kind or asked.kind in {kind.name for kind in KINDS}


def test_refuted_objections_are_to_hold_or_to_be_the_same() -> None:
    """Those that were answered, and that of form."""
    refuted = {row.row: asked.expected for row, asked in asked_of() if row.row in ("R12", "R18", "R23")}

    assert {"R12": "holds", "R18": "same", "R23": "holds"} == refuted


def test_a_property_that_breaks_has_its_program() -> None:
    """R43: walkers of one place, where others of the base miss copied pages as well."""
    row = row_of("R43", of_kind("a private mapping", 0))

    assert (True, "broken: walks_all") == (row.as_expected, row.says)
    assert [("walks_all", 2)] == [(one.name, one.length) for one in row.shown]


def test_a_leaf_over_two_modes_is_broken() -> None:
    """R36: the mode of a leaf is that of its first frame."""
    row = row_of("R36", of_kind("a leaf", 0, doubles=True))

    assert (True, ["one_mode"]) == (row.as_expected, [one.name for one in row.shown])


def test_a_cost_is_named_by_its_operation() -> None:
    """R05: a flush for each VMA."""
    row = row_of("R05", of_kind("pages of the driver", 0, doubles=True))

    assert (True, ("madvise",)) == (row.as_expected, row.of)


def test_an_answer_that_changes_is_said() -> None:
    """R39: a second remap is refused."""
    row = row_of("R39", of_kind("a driver's remap", 0, doubles=True))

    assert (True, "remap_pfn_range: ok is EINVAL") == (row.as_expected, row.says)


def test_what_changes_nothing_on_a_kind_is_the_same_there() -> None:
    """R18, and it differs elsewhere."""
    there, elsewhere = (row_of("R18", of_kind(kind, 0)) for kind in ("vfio", "a driver's remap"))
    (row,) = posted_rows("R18")
    other = [msgspec.structs.replace(row.reviews[0], kind="a driver's remap")]
    told = review_rows(
        [msgspec.structs.replace(row, reviews=tuple(other))],
        reviewer_of(of_kind("a driver's remap", 0)),
        LONG,
    )

    assert (True, True) == (there.as_expected, elsewhere.as_expected)
    assert Outcome.DISCOVERY is told.outcome


def test_what_breaks_nothing_holds() -> None:
    """R12: a call for each VMA."""
    row = row_of("R12", [*of_kind("a driver's remap", 0), *of_kind("a driver's remap", 2)[::5]])

    assert (True, "nothing newly broken") == (row.as_expected, row.says)


def test_a_posted_deadlock_is_found() -> None:
    """Pei Li's version takes the locks in the wrong order; there is no program, for nothing lets it go on."""
    (row,) = (row for row in posted_rows("T3") if row.row == "T3 Pei Li v1")

    result = review_rows([row], reviewer_of(of_kind("a driver's remap", 2)), LONG)

    assert (True, [("no_deadlock", None)]) == (
        result.rows[0].as_expected,
        [(one.name, one.text) for one in result.rows[0].shown],
    )


def test_a_review_ends_where_its_answer_is_known() -> None:
    """The first piece shows it, and the others are left out."""
    base, design = ModelMachine("7.3"), ModelMachine("7.3,tracker=vm_pat")
    pieces = of_kind("a PCI file", 0) + of_kind("a driver's remap", 0)

    found = review(base, design, seconds=LONG, pieces=pieces, enough=lambda found: "no_leak" in found.broken)

    assert (1, 2) == (found.stages[0].asked, found.stages[0].planned)


def test_rows_of_one_design_share_a_review() -> None:
    """R40 and R41."""
    reviews = []
    ask = reviewer_of(of_kind("a PCI file", 0))

    def counting(base: str, design: str, enough: Callable[[ReviewSoFar], bool]) -> ReviewResult:
        reviews.append(design)
        return ask(base, design, enough)

    result = review_rows(posted_rows("T8"), counting, LONG)

    assert (["7.3,tracker=vm_pat"], 2) == (reviews, len(result.rows))


@for_each("expected", ["broken", "holds"])
def test_what_was_cut_is_not_known(expected: str) -> None:
    """What is missing may come behind."""
    asked = msgspec.convert(
        {"base": "7.3", "design": "7.3", "expected": expected, "properties": ["no_leak"]}, PostedReview
    )
    same = ModelMachine("7.3")
    cut = review(same, same, seconds=0, pieces=of_kind("a PCI file", 0))

    row = reviewed_row(PostedRow("R99", (), (asked,)), asked, cut)

    assert row.as_expected is None
    result = PostedReviews(rows=(row,), not_reviewed={}, limit=0)
    assert Outcome.UNDECIDED is result.outcome


def test_a_property_that_holds_is_not_as_expected() -> None:
    """The base against itself."""
    (row,) = posted_rows("R43")
    asked = msgspec.structs.replace(row.reviews[0], design="7.3")

    result = review_rows(
        [msgspec.structs.replace(row, reviews=(asked,))], reviewer_of(of_kind("a private mapping", 0)), LONG
    )

    assert (False, Outcome.DISCOVERY) == (result.rows[0].as_expected, result.outcome)


def test_reasons_stand_beside_the_rows() -> None:
    """Of what no review says anything."""
    result = review_rows(posted_rows("R47"), reviewer_of([]), LONG)

    assert ((), {"R47": "the model has no lockdep assertions"}) == (result.rows, result.not_reviewed)
    assert Outcome.AS_EXPECTED is result.outcome


@for_each("number", ["004.22", "R98", "T77", ""])
def test_what_is_no_row_is_refused(number: str) -> None:
    """With what there is."""
    with pytest.raises(Misuse, match=r"T2|there is no"):
        posted_rows(number)


def review_row(row: PostedRow, asked: PostedReview) -> None:
    """Review a row by the questions that every design is asked; it must come out as expected."""

    def reviewed(base: str, design: str, enough: Callable[[ReviewSoFar], bool]) -> ReviewResult:
        models = ModelMachine(base), ModelMachine(design)
        return review(*models, seconds=LONG, jobs=processors(), enough=enough)

    result = review_rows([msgspec.structs.replace(row, reviews=(asked,))], reviewed, LONG)

    assert [True] == [found.as_expected for found in result.rows]


def one_of_each() -> list[tuple[PostedRow, PostedReview]]:
    """The last review of each expected outcome."""
    return list({asked.expected: (row, asked) for row, asked in asked_of()}.values())


# A review that must be complete takes over a minute on two processors.
@pytest.mark.target("long")
@pytest.mark.timeout(1800)
@for_each(("row", "asked"), one_of_each)
def test_a_row_of_each_outcome_comes_out(row: PostedRow, asked: PostedReview) -> None:
    """Broken, changed, costs, the same, and holds."""
    review_row(row, asked)


@pytest.mark.target("ends")
@pytest.mark.timeout(7200)
@for_each(("row", "asked"), asked_of)
def test_every_row_comes_out(row: PostedRow, asked: PostedReview) -> None:
    """All of them: half an hour on two processors."""
    review_row(row, asked)
