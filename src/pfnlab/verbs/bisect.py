"""Find the rule, version or commit that separates a good kernel from a bad one.

The target is a program whose result differs, a violated property, or a bug. Between two models, the result is
the smallest set of rules that makes the difference. Between two kernels, the available versions are bisected;
with --tree, the commits of a git tree, each of which is built. If the good end is the newer one, the search
finds the fix. An interrupted search resumes.

Exit codes: 0 found, 2 both ends behave the same, 3 some candidates could not be tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import JOBS, AsJson, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.hunt.meeting.bisect import BisectResult


class BisectRequest(Request, frozen=True, kw_only=True):
    gradual = True

    sought: Annotated[
        str, Option("A program, a property, or a bug, e.g. A06.", "PROGRAM|PROPERTY|BUG", positional=True)
    ]
    good: Annotated[str, Option("The good end: 7.3, qemu:7.3, or a commit in the tree.", "VERSION")]
    bad: Annotated[str, Option("The bad end.", "VERSION")]
    tree: Annotated[
        Path | None, Option("Build commits from this git tree, which is left unchanged.", "TREE")
    ] = None
    repeat: Annotated[
        int | None,
        Option(
            "Runs per candidate; one bad run makes it bad. Default: 3 for programs that hold "
            "processors, otherwise 1.",
            "N",
            min=1,
        ),
    ] = None
    afresh: Annotated[bool, Option("Ignore cached answers.")] = False
    config: Annotated[
        tuple[str, ...], Option("Same as for `pfnlab kernels build`.", "FRAGMENT", needs="tree")
    ] = ()
    jobs: Annotated[
        int | None,
        JOBS._replace(
            names=("-j", "--jobs"), help="Parallel build jobs. Default: one per core.", needs="tree"
        ),
    ] = None
    series: Annotated[
        str | None,
        Option(
            "Use this series' model instead of the one of the tree's own series.",
            "SERIES",
            ("--like",),
            needs="tree",
        ),
    ] = None
    as_json: AsJson = False


def perform(request: BisectRequest, say: Say) -> Iterator[BisectResult]:
    """Bisect, and report each answer. Misuse if both ends behave the same, Undecided if one cannot be run."""
    from pfnlab.hunt.meeting.bisection import BisectOptions, bisected

    options = BisectOptions(
        *(request.tree, request.repeat, request.afresh, request.config, request.jobs, request.series)
    )
    yield bisected(request.sought, request.good, request.bad, options, say)
