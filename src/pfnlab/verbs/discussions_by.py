"""The claims of one author, with what became of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec

from pfnlab.verbs.option import AsJson, DiscussionOf, Option, Say

if TYPE_CHECKING:
    from pfnlab.discussions.lookup import ClaimList

EXAMPLES = (
    ("pfnlab discussions by Zijlstra", "The sentences of one author that have a row"),
    ("pfnlab discussions by 'David Hildenbrand' --discussion 002 --json", "Those of one discussion, as JSON"),
)


class AuthorRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the claims of an author."""

    author: Annotated[str, Option("The name, or a word of it.", "AUTHOR", positional=True)]
    discussion: DiscussionOf = None
    as_json: AsJson = False


def perform(request: AuthorRequest, say: Say) -> Iterator[ClaimList]:
    """The claims of the author.

    :raises Misuse: nobody has this name, or several have; there is no such discussion
    """
    from pfnlab.discussions.lookup import ClaimList, claims_by

    yield ClaimList.of(claims_by(request.author, request.discussion))
