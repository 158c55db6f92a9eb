"""The claims of one author, with what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import AsJson, DiscussionOf, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.discussions.lookup import ClaimList

EXAMPLES = (
    ("pfnlab discussions by Zijlstra", "The sentences of one author that have a row"),
    ("pfnlab discussions by 'David Hildenbrand' --discussion 002 --json", "Those of one discussion, as JSON"),
)


class AuthorRequest(Request, frozen=True, kw_only=True):
    author: Annotated[str, Option("The name, or a word of it.", "AUTHOR", positional=True)]
    discussion: DiscussionOf = None
    as_json: AsJson = False


def perform(request: AuthorRequest, say: Say) -> Iterator[ClaimList]:
    """The claims of the author; Misuse if nobody has this name, or several have, or no such discussion."""
    from pfnlab.discussions.lookup import ClaimList, claims_by

    yield ClaimList.of(claims_by(request.author, request.discussion))
