"""The bugs that a kernel has, by its version, each with its sources.

What a distribution took over beyond its version is not known. Exit code 0, whatever is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import AsJson, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.present.report.bug_entry import AffectsResult

EXAMPLES = (
    ("pfnlab bugs affects 6.1.20", "What 6.1.20 has, and what mends it"),
    ("pfnlab bugs affects 6.12.117+deb13-cloud-amd64", "The kernel of a distribution, as uname -r says it"),
    ("pfnlab bugs affects 6.16.12 --all", "Also what is over, and rules"),
)


class AffectsRequest(Request, frozen=True, kw_only=True):
    version: Annotated[str, Option("6.1.85, 6.1.176-1, or what uname -r says.", "VERSION", positional=True)]
    config: Annotated[
        Path | None, Option("Its configuration: what that leaves out is said to be so.", "FILE")
    ] = None
    every: Annotated[bool, Option("Also rows that are over, rules and proposals.", names=("--all",))] = False
    as_json: AsJson = False


def perform(request: AffectsRequest, say: Say) -> Iterator[AffectsResult]:
    """Where the kernel stands with each bug; Misuse if it is no version, or the file no configuration."""
    from pfnlab.kernel.policies.kconfig import options_of
    from pfnlab.present.report.bug_entry import affecting

    options = options_of(request.config) if request.config is not None else None
    name = str(request.config) if request.config is not None else ""
    yield affecting(request.version, options, config=name, every=request.every)
