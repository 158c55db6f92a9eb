"""The discussions behind this project: threads with their posted versions, and claims, asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import SECONDS, AsJson, DiscussionOf, JobsOf, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.discussions.asked_again import ClaimResult
    from pfnlab.discussions.lookup import ClaimList, NumberedClaim
    from pfnlab.discussions.reviewed import PostedReviews
    from pfnlab.discussions.thread_result import DefectResult, DiscussionList, ThreadResult


VERBS = ("list", "show", "by", "review")


class DiscussionsRequest(Request, frozen=True, kw_only=True):
    """The threads behind this project, a line each, and the five discussions with claims (docs/claims.md)."""

    claims: Annotated[bool, Option("The claims of all five, in their words.")] = False
    discussion: DiscussionOf = None
    as_json: AsJson = False


def perform_list(request: DiscussionsRequest, say: Say) -> Iterator[DiscussionList | ClaimList]:
    """The threads and discussions; or claims, of all discussions or of one.

    :raises Misuse: there is no such discussion
    """
    from pfnlab.discussions.lookup import ClaimList, claims_of
    from pfnlab.discussions.thread_result import DiscussionList

    if request.claims or request.discussion is not None:
        yield ClaimList.of(claims_of(request.discussion))
    else:
        yield DiscussionList.now()


class ShowRequest(Request, frozen=True, kw_only=True):
    """A thread with its versions, a defect of one, or a claim with the answers of models and kernels.

    Models are asked again. Exit code 1: an answer is no longer the one on which the claim rests.
    What kernels showed is read from what is kept of them; the commands below ask them again.
    """

    number: Annotated[
        tuple[str, ...],
        Option(
            "The number of a thread, T2, of a defect, R11, or of a claim, 004.22.", "NUMBER", positional=True
        ),
    ]
    search: Annotated[bool, Option("Ask searches of claims too, which may take minutes.")] = False
    mail: Annotated[bool, Option("A claim as plain text of 72 columns, for a reply to a list.")] = False
    as_json: AsJson = False


def perform_show(request: ShowRequest, say: Say) -> Iterator[ThreadResult | DefectResult | ClaimResult]:
    """Each thread, defect or claim.

    :raises Misuse: nothing has this number, two forms are asked for, or an option is of claims alone
    """
    from pfnlab.discussions.asked_again import ask_again
    from pfnlab.discussions.lookup import NumberedClaim

    if request.mail and request.as_json:
        raise Misuse("--mail and --json are two forms of the same: write one of them")
    # All are looked up before the first claim is asked.
    found = [_numbered(number) for number in request.number]
    for number, one in zip(request.number, found, strict=True):
        option = "--mail" if request.mail else "--search" if request.search else ""
        if option and not isinstance(one, NumberedClaim):
            raise Misuse(f"{option} is of claims, as 004.22: leave it or {number} out")
    for one in found:
        yield ask_again(one, search=request.search) if isinstance(one, NumberedClaim) else one


def _numbered(number: str) -> ThreadResult | DefectResult | NumberedClaim:
    """The thread, the defect or the claim of a number.

    :raises Misuse: there is none
    """
    from pfnlab.discussions.lookup import claim_numbered
    from pfnlab.discussions.posted import defect_numbered, thread_numbered
    from pfnlab.discussions.thread_result import DefectResult, ThreadResult

    match number[:1].upper():
        case "T":
            return ThreadResult.of(thread_numbered(number))
        case "R":
            return DefectResult.of(*defect_numbered(number))
    return claim_numbered(number)


class AuthorRequest(Request, frozen=True, kw_only=True):
    """The claims of one author, with what became of each."""

    author: Annotated[str, Option("The name, or a word of it.", "AUTHOR", positional=True)]
    discussion: DiscussionOf = None
    as_json: AsJson = False


def perform_by(request: AuthorRequest, say: Say) -> Iterator[ClaimList]:
    """The claims of the author; Misuse if nobody has this name, or several have, or no such discussion."""
    from pfnlab.discussions.lookup import ClaimList, claims_by

    yield ClaimList.of(claims_by(request.author, request.discussion))


class PostedReviewRequest(Request, frozen=True, kw_only=True):
    """Review the posted versions and defects of threads, each against its base, like `pfnlab review`.

    Exit code 0: all come out as the threads say; 1: one does not; 3: one was cut.
    """

    number: Annotated[
        str | None,
        Option("The number of a thread, T2, or of a defect, R11. Default: all.", "ROW", positional=True),
    ] = None
    seconds: Annotated[
        float, SECONDS._replace(help="Time limit of each review, in seconds.", metavar="S")
    ] = 60
    jobs: JobsOf = None
    as_json: AsJson = False


def perform_review(request: PostedReviewRequest, say: Say) -> Iterator[PostedReviews]:
    """The reviews; Misuse if nothing has this number."""
    from pfnlab.base.processes import processors
    from pfnlab.checker.review.review import ReviewSoFar, review
    from pfnlab.checker.review.review_result import ReviewResult
    from pfnlab.discussions.reviewed import posted_rows, review_rows
    from pfnlab.programs.model.model_machine import ModelMachine

    def reviewed(base: str, design: str, enough: Callable[[ReviewSoFar], bool]) -> ReviewResult:
        say(f"model:{design} against model:{base}")
        models = ModelMachine(base), ModelMachine(design)
        jobs = request.jobs or processors()
        return review(*models, seconds=request.seconds, jobs=jobs, enough=enough)

    yield review_rows(posted_rows(request.number), reviewed, request.seconds)
