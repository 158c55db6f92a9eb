"""Find the rule, the version or the commit between a good kernel and a bad one.

Sought is a program whose answer differs, a property that is broken, or a bug. Between models the fewest rules
are found that make the difference; between kernels the versions on offer are halved; with --tree the commits
of a git tree, each of which is built. The good one may be the newer: then the repair is found. A search that
was interrupted goes on where it was.

Exit codes: 0 found, 2 the ends are alike or nothing, 3 candidates are left of which nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import JOBS, AsJson, Option, Request, Say, refuse_beside

if TYPE_CHECKING:
    from pfnlab.hunt.meeting.bisect import BisectResult


class BisectRequest(Request, frozen=True, kw_only=True):
    sought: Annotated[
        str, Option("A program, a property, or a bug as A06.", "PROGRAM|PROPERTY|BUG", positional=True)
    ]
    good: Annotated[str, Option("The good end: 7.3, qemu:7.3, or a commit of the tree.", "VERSION")]
    bad: Annotated[str, Option("The bad end.", "VERSION")]
    tree: Annotated[Path | None, Option("Build commits of this git tree, which is only read.", "TREE")] = None
    repeat: Annotated[
        int | None,
        Option(
            "Runs of each candidate: bad once is bad. Default: 3 with held processors, else 1.", "N", min=1
        ),
    ] = None
    afresh: Annotated[bool, Option("Ask again what an earlier search asked.")] = False
    config: Annotated[tuple[str, ...], Option("As for `pfnlab kernels build`.", "FRAGMENT")] = ()
    jobs: Annotated[
        int | None, JOBS._replace(names=("-j", "--jobs"), help="Commands at once of a build; one a core.")
    ] = None
    series: Annotated[
        str | None, Option("Whose model stands for the tree, not its own.", "SERIES", ("--like",))
    ] = None
    as_json: AsJson = False


def perform(request: BisectRequest, say: Say) -> Iterator[BisectResult]:
    """Bisect, and say each answer; Misuse if the ends are alike or none, Undecided if one cannot be run."""
    from pfnlab.hunt.meeting.bisection import BisectOptions, bisected

    if request.tree is None:
        refuse_beside(request, "without --tree", "nothing is built", but="config jobs series")
    options = BisectOptions(
        tree=request.tree,
        repeat=request.repeat,
        afresh=request.afresh,
        configuration=request.config,
        jobs=request.jobs,
        series=request.series,
    )
    yield bisected(request.sought, request.good, request.bad, options, say)
