"""A thread with its versions, a defect of one, or a claim with the answers of models and kernels.

Models are asked again. Exit code 1: an answer is no longer the one on which the claim rests.
What kernels showed is read from what is kept of them; the commands below ask them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import AsJson, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.discussions.asked_again import ClaimResult
    from pfnlab.discussions.lookup import NumberedClaim
    from pfnlab.discussions.thread_result import DefectResult, ThreadResult

EXAMPLES = (
    ("pfnlab discussions show T2", "A thread: versions, designs, what is wrong with each, what came later"),
    ("pfnlab discussions show R11", "One defect, with the designs that have it"),
    ("pfnlab discussions show 004.22", "A claim, its programs, and what each machine shows"),
    ("pfnlab discussions show 004.22 --mail", "The same to be pasted into a reply to a mailing list"),
    ("pfnlab discussions show 002.17 --search", "With searches, which may take minutes"),
)


class ShowRequest(Request, frozen=True, kw_only=True):
    number: Annotated[
        tuple[str, ...],
        Option(
            "The number of a thread, T2, of a defect, R11, or of a claim, 004.22.", "NUMBER", positional=True
        ),
    ]
    search: Annotated[bool, Option("Ask searches of claims too, which may take minutes.")] = False
    mail: Annotated[bool, Option("A claim as plain text of 72 columns, for a reply to a list.")] = False
    as_json: AsJson = False


def perform(request: ShowRequest, say: Say) -> Iterator[ThreadResult | DefectResult | ClaimResult]:
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
