"""The bugs, regressions, changes and rules of PFN mappings that are known (docs/bugs.md).

Several options leave what all of them fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec

from pfnlab.verbs.option import AsJson, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.present.report.bug_list import BugList

EXAMPLES = (
    ("pfnlab bugs list", "Every entry with its kind, its title and its dates"),
    ("pfnlab bugs list --kind regression --series 6.12", "The regressions that the newest 6.12 has"),
    ("pfnlab bugs list --breaks no_leak --reach privileged", "Leaks that root can bring about"),
    ("pfnlab bugs list --log 'freeing invalid memtype'", "Those that print such a line"),
)


class BugsRequest(Request, frozen=True, kw_only=True):
    kind: Annotated[str | None, Option("Of this kind.", "bug|regression|change|rule|proposal")] = None
    breaks: Annotated[
        str | None, Option("Those that violate this property, as check and run name it.", "PROPERTY")
    ] = None
    discussion: Annotated[str | None, Option("Those of this discussion, 002, or thread.", "DISCUSSION")] = (
        None
    )
    series: Annotated[str | None, Option("Those that its newest point has: 6.1.", "SERIES")] = None
    reach: Annotated[
        str | None, Option("Those that can be reached so.", "user|privileged|fault|driver|hardware")
    ] = None
    cve: Annotated[bool, Option("Those that have a CVE.")] = False
    log: Annotated[str | None, Option("Those that print this line, or a part of it.", "TEXT")] = None
    as_json: AsJson = False


def perform(request: BugsRequest, say: Say) -> Iterator[BugList]:
    """The bugs that the options leave; Misuse if there is no such kind, property or series."""
    from pfnlab.present.report.bug_list import BugWish, listed

    wishes = msgspec.structs.asdict(request)
    del wishes["as_json"]
    yield listed(BugWish(**wishes))
