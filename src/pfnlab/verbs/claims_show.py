"""A claim with its program, and the answers of models and kernels side by side.

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

EXAMPLES = (
    ("pfnlab claims show 004.22", "A claim, its programs, and what each machine shows"),
    ("pfnlab claims show 004.22 --mail", "The same to be pasted into a reply to a mailing list"),
    ("pfnlab claims show 002.17 --search", "With searches, which may take minutes"),
)


class ClaimRequest(Request, frozen=True):
    number: Annotated[
        tuple[str, ...], Option("The number of a claim, or several.", "NUMBER", positional=True)
    ]
    search: Annotated[bool, Option("Ask searches too, which may take minutes.")] = False
    mail: Annotated[bool, Option("Plain text of 72 columns, for a reply to a mailing list.")] = False
    as_json: AsJson = False


def perform(request: ClaimRequest, say: Say) -> Iterator[ClaimResult]:
    """Each claim with its answers; Misuse if there is none of this number, or two forms are asked for."""
    from pfnlab.discussions.asked_again import ask_again
    from pfnlab.discussions.lookup import claim_numbered

    if request.mail and request.as_json:
        raise Misuse("--mail and --json are two forms of the same: write one of them")
    # All are looked up before the first is asked.
    for found in [claim_numbered(number) for number in request.number]:
        yield ask_again(found, search=request.search)
