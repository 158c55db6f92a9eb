"""The threads behind this project, a line each, and the five discussions with claims (docs/claims.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import AsJson, DiscussionOf, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.discussions.lookup import ClaimList
    from pfnlab.discussions.thread_list import DiscussionList

EXAMPLES = (
    ("pfnlab discussions list", "The threads, then the five discussions"),
    ("pfnlab discussions list --discussion 004", "The claims of the one about TLB flushes, and their status"),
    ("pfnlab discussions list --claims", "Every claim, in its words, and its status"),
)


class DiscussionsRequest(Request, frozen=True, kw_only=True):
    claims: Annotated[bool, Option("The claims of all five, in their words.")] = False
    discussion: DiscussionOf = None
    as_json: AsJson = False


def perform(request: DiscussionsRequest, say: Say) -> Iterator[DiscussionList | ClaimList]:
    """The threads and discussions; or claims, of all discussions or of one.

    :raises Misuse: there is no such discussion
    """
    from pfnlab.discussions.lookup import ClaimList, claims_of
    from pfnlab.discussions.thread_list import DiscussionList

    if request.claims or request.discussion is not None:
        yield ClaimList.of(claims_of(request.discussion))
    else:
        yield DiscussionList.now()
