"""Every policy against every property of its seam, and what it costs; takes two minutes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from pfnlab.result import Outcome
from pfnlab.verbs.option import AsJson, JobsOf, Option, Say

if TYPE_CHECKING:
    from pfnlab.report.policies_matrix import PoliciesResult

EXAMPLES = (
    ("pfnlab policies matrix", "Every policy against every property of its seam"),
    ("pfnlab policies matrix --depth 2", "The same with shorter sequences, in less time"),
    ("pfnlab policies matrix --jobs 1", "The same, one search after the other"),
)


class PoliciesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of a comparison of policies."""

    depth: Annotated[int, Option("Operations in a row.", "N", min=1)] = 3
    jobs: JobsOf = None
    as_json: AsJson = False


class PoliciesPage(NamedTuple):
    """The page of all policies, which takes more searches than their result as data."""

    text: str
    outcome: Outcome = Outcome.AS_EXPECTED

    def __str__(self) -> str:
        return self.text.removesuffix("\n")


def perform(request: PoliciesRequest, say: Say) -> Iterator[PoliciesResult | PoliciesPage]:
    """Search with every policy: for data, or for the page."""
    from pfnlab.progress import working
    from pfnlab.report.policies_matrix import policies_matrix, policies_result

    with working("every policy against every property") as work:
        if request.as_json:
            yield policies_result(request.depth, request.jobs, work)
        else:
            yield PoliciesPage(policies_matrix(request.depth, request.jobs, work))
