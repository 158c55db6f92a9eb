"""Every policy against every property of its seam, and what it costs; takes two minutes.

Exit codes: 0 every policy keeps every property, 1 a property is violated, 2 misuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import AsJson, JobsOf, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.present.report.policies_matrix import PoliciesResult

EXAMPLES = (
    ("pfnlab policies matrix", "Every policy against every property of its seam"),
    ("pfnlab policies matrix --depth 2", "The same with shorter sequences, in less time"),
    ("pfnlab policies matrix --jobs 1", "The same, one search after the other"),
)


class PoliciesRequest(Request, frozen=True, kw_only=True):
    depth: Annotated[int, Option("Operations in a row.", "N", min=1)] = 3
    jobs: JobsOf = None
    as_json: AsJson = False


def perform(request: PoliciesRequest, say: Say) -> Iterator[PoliciesResult]:
    """Search with every policy."""
    from pfnlab.base.progress import working
    from pfnlab.present.report.policies_matrix import policies_result

    with working("every policy against every property") as work:
        yield policies_result(request.depth, request.jobs, work)
