"""Every claim of the discussions behind this project, with what became of it (docs/claims.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pfnlab.verbs.option import AsJson, DiscussionOf, Request, Say

if TYPE_CHECKING:
    from pfnlab.discussions.lookup import ClaimList

EXAMPLES = (
    ("pfnlab claims list", "Every claim, in its words, and its status"),
    ("pfnlab claims list --discussion 004", "Those of the discussion about TLB flushes"),
)


class ClaimsRequest(Request, frozen=True):
    discussion: DiscussionOf = None
    as_json: AsJson = False


def perform(request: ClaimsRequest, say: Say) -> Iterator[ClaimList]:
    """The claims, of all discussions or of one; Misuse if there is no such discussion."""
    from pfnlab.discussions.lookup import ClaimList, claims_of

    yield ClaimList.of(claims_of(request.discussion))
