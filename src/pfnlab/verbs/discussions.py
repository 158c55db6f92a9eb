"""Kernel mailing-list discussions behind this project: threads and claims, checked again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import SECONDS, AsJson, DiscussionOf, JobsOf, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.discussions.claim_results import ClaimResult
    from pfnlab.discussions.lookup import ClaimList, NumberedClaim
    from pfnlab.discussions.thread_result import DefectResult, DiscussionList, ThreadResult
    from pfnlab.discussions.thread_reviews import PostedReviews


VERBS = ("list", "show", "by", "review")


class DiscussionsRequest(Request, frozen=True, kw_only=True):
    """List the threads behind this project, and the five discussions with claims (docs/claims.md)."""

    claims: Annotated[bool, Option("List the claims of all five, quoted.")] = False
    discussion: DiscussionOf = None
    as_json: AsJson = False


def perform_list(request: DiscussionsRequest, say: Say) -> Iterator[DiscussionList | ClaimList]:
    """List the threads and discussions, or the claims of one discussion or of all.

    :raises Misuse: if there is no such discussion
    """
    from pfnlab.discussions.lookup import ClaimList, claims_of
    from pfnlab.discussions.thread_result import DiscussionList

    if request.claims or request.discussion is not None:
        yield ClaimList.of(claims_of(request.discussion))
    else:
        yield DiscussionList.now()


class ShowRequest(Request, frozen=True, kw_only=True):
    """Show a thread with its versions, one of its defects, or a claim with the results of models and kernels.

    Models are run again. Exit code 1: a result no longer matches the one that the claim rests on. Kernel
    results come from records; the commands printed at the end reproduce them.
    """

    number: Annotated[
        tuple[str, ...],
        Option("Number of a thread (T2), a defect (R11), or a claim (004.22).", "NUMBER", positional=True),
    ]
    search: Annotated[bool, Option("Also repeat the claims' searches, which may take minutes.")] = False
    mail: Annotated[
        bool, Option("Print a claim as plain text, 72 columns wide, for a mail reply.", excludes="as_json")
    ] = False
    as_json: AsJson = False


def perform_show(request: ShowRequest, say: Say) -> Iterator[ThreadResult | DefectResult | ClaimResult]:
    """Yield each thread, defect or claim.

    :raises Misuse: if the number is unknown, or an option is for claims only
    """
    from pfnlab.discussions.claim_results import ask_again
    from pfnlab.discussions.lookup import NumberedClaim

    # Look up all of them before the first claim is run.
    found = [_numbered(number) for number in request.number]
    for number, one in zip(request.number, found, strict=True):
        option = "--mail" if request.mail else "--search" if request.search else ""
        if option and not isinstance(one, NumberedClaim):
            raise Misuse(f"{option} is for claims, e.g. 004.22: drop it or {number}")
    for one in found:
        yield ask_again(one, search=request.search) if isinstance(one, NumberedClaim) else one


def _numbered(number: str) -> ThreadResult | DefectResult | NumberedClaim:
    """Return the thread, defect or claim with this number.

    :raises Misuse: if the number is unknown
    """
    from pfnlab.discussions.lookup import claim_numbered
    from pfnlab.discussions.posted_threads import defect_numbered, thread_numbered
    from pfnlab.discussions.thread_result import DefectResult, ThreadResult

    match number[:1].upper():
        case "T":
            return ThreadResult.of(thread_numbered(number))
        case "R":
            return DefectResult.of(*defect_numbered(number))
    return claim_numbered(number)


class AuthorRequest(Request, frozen=True, kw_only=True):
    """List one author's claims, with the outcome of each."""

    author: Annotated[str, Option("The author's name, or one word of it.", "AUTHOR", positional=True)]
    discussion: DiscussionOf = None
    as_json: AsJson = False


def perform_by(request: AuthorRequest, say: Say) -> Iterator[ClaimList]:
    """List the author's claims. Misuse if no author or several match, or no such discussion exists."""
    from pfnlab.discussions.lookup import ClaimList, claims_by

    yield ClaimList.of(claims_by(request.author, request.discussion))


class PostedReviewRequest(Request, frozen=True, kw_only=True):
    """Review the posted versions and defects of threads against their bases, like `pfnlab review`.

    Exit codes: 0 all results agree with the threads, 1 one does not, 3 a review was cut off.
    """

    number: Annotated[
        tuple[str, ...],
        Option("Number of a thread (T2) or a defect (R11). Default: all.", "NUMBER", positional=True),
    ] = ()
    seconds: Annotated[float, SECONDS._replace(help="Time limit of each review, in seconds.")] = 60
    jobs: JobsOf = None
    as_json: AsJson = False


def perform_review(request: PostedReviewRequest, say: Say) -> Iterator[PostedReviews]:
    """Yield the reviews; Misuse if the number is unknown."""
    from pfnlab.base.processes import processors
    from pfnlab.checker.review.review import ReviewSoFar, review
    from pfnlab.checker.review.review_result import ReviewResult
    from pfnlab.discussions.thread_reviews import posted_rows, review_rows
    from pfnlab.programs.model.model_machine import ModelMachine

    def reviewed(base: str, design: str, enough: Callable[[ReviewSoFar], bool]) -> ReviewResult:
        say(f"model:{design} against model:{base}")
        models = ModelMachine(base), ModelMachine(design)
        jobs = request.jobs or processors()
        return review(*models, seconds=request.seconds, jobs=jobs, enough=enough)

    rows = [row for number in request.number or (None,) for row in posted_rows(number)]
    # A defect and its thread may both be named.
    yield review_rows(list(dict.fromkeys(rows)), reviewed, request.seconds)
