"""Known bugs, the kernels that have them, and the programs that trigger them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import BUG, AccelOf, AsJson, LookOf, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.hunt.meeting.bug_run import BugRunResult
    from pfnlab.kernel.bugs.affected import AffectsResult
    from pfnlab.verbs.bug_entry import BugEntry
    from pfnlab.verbs.bug_list import BugList
    from pfnlab.verbs.bug_search import BugFindings


VERBS = ("list", "find", "show", "affects", "run")


class BugsRequest(Request, frozen=True, kw_only=True):
    """Known bugs, regressions, changes and rules of PFN mappings (docs/bugs.md).

    Options combine: an entry must match all of them.
    """

    kind: Annotated[
        str | None, Option("Show only entries of this kind.", "bug|regression|change|rule|proposal")
    ] = None
    breaks: Annotated[
        str | None,
        Option("Show only bugs that violate this property, named as in check and run.", "PROPERTY"),
    ] = None
    discussion: Annotated[
        str | None, Option("Show only entries for this discussion or thread, e.g. 002.", "DISCUSSION")
    ] = None
    series: Annotated[
        str | None,
        Option("Show only entries that apply to the newest release of this series, e.g. 6.1.", "SERIES"),
    ] = None
    reach: Annotated[
        str | None,
        Option("Show only entries that need this kind of access.", "user|privileged|fault|driver|hardware"),
    ] = None
    cve: Annotated[bool, Option("Show only entries with a CVE.")] = False
    as_json: AsJson = False


def perform_list(request: BugsRequest, say: Say) -> Iterator[BugList]:
    """List the matching bugs; Misuse if the kind, property or series does not exist."""
    from pfnlab.verbs.bug_list import listed

    yield listed(request)


class FindRequest(Request, frozen=True, kw_only=True):
    """Search bugs, messages, programs and claims by a commit, a CVE, a log line, or words.

    The exit code is 0 even if nothing matches.
    """

    words: Annotated[
        tuple[str, ...],
        Option("A commit hash (7 to 40 hex digits), a CVE, a log line, or words.", "WORD", positional=True),
    ]
    every: Annotated[bool, Option("Show all matches instead of the best of each kind.", names=("--all",))] = (
        False
    )
    as_json: AsJson = False


def perform_find(request: FindRequest, say: Say) -> Iterator[BugFindings]:
    """List the matches; Misuse if there is nothing to search for."""
    from pfnlab.verbs.bug_search import bug_findings

    yield bug_findings(" ".join(request.words), every=request.every)


class BugRequest(Request, frozen=True, kw_only=True):
    """Show one bug: its effect, the versions it affects, how to trigger it, and what proves it.

    For a commit, show all the bugs that it fixes or introduces.
    """

    bug: Annotated[str, BUG._replace(help="Bug number (A06), CVE, title, or a commit.")]
    as_json: AsJson = False


def perform_show(request: BugRequest, say: Say) -> Iterator[BugEntry]:
    """Show the bug, or the bugs that a commit fixes or introduces; Misuse if the name is unknown."""
    from pfnlab.kernel.bugs.repairs import bugs_called
    from pfnlab.verbs.bug_entry import BugEntry

    yield from map(BugEntry.of, bugs_called(request.bug))


class AffectsRequest(Request, frozen=True, kw_only=True):
    """List the bugs in a kernel version, most severe first, with the release that fixes each.

    A version does not reveal a distribution's backports; --changelog reads them from a changelog. The exit
    code is always 0.
    """

    version: Annotated[
        str, Option("6.1.85, 6.1.176-1, or the output of uname -r.", "VERSION", positional=True)
    ]
    config: Annotated[Path | None, Option("Kernel .config; bugs that it rules out are marked.", "FILE")] = (
        None
    )
    changelog: Annotated[
        Path | None,
        Option(
            "Changelog of the package (Debian, RPM) or git log of the tree, to see which fixes the "
            "kernel has.",
            "FILE",
        ),
    ] = None
    arch: Annotated[
        str | None, Option("Architecture, e.g. arm64. Default: the one VERSION names, if any.", "ARCH")
    ] = None
    every: Annotated[bool, Option("Include fixed bugs, rules and proposals.", names=("--all",))] = False
    as_json: AsJson = False


def perform_affects(request: AffectsRequest, say: Say) -> Iterator[AffectsResult]:
    """Report the state of each bug in the kernel.

    :raises Misuse: if it is not a version, there is no such kernel, or a file cannot be read
    """
    from pfnlab.kernel.bugs.affected import affecting
    from pfnlab.kernel.policies.kconfig import options_of

    options = options_of(request.config) if request.config is not None else None
    yield affecting(
        request.version,
        options,
        config=str(request.config) if request.config is not None else "",
        every=request.every,
        arch=request.arch,
        changelog=request.changelog,
    )


class BugRunRequest(Request, frozen=True, kw_only=True):
    """Run a bug's programs on a model that has it, on one that does not, and on any other machines given.

    The first step at which the two models diverge identifies the bug; a machine that agrees with the first
    one there has it. Exit codes: 0 all machines match the bug's recorded dates, 1 one does not, 3 one gave no
    answer.
    """

    bug: Annotated[str, BUG]
    on: Annotated[tuple[str, ...], Option("Additional machine, as in run (repeatable).", "MACHINE")] = ()
    accel: AccelOf = "tcg"
    look: LookOf = None
    as_json: AsJson = False


def perform_run(request: BugRunRequest, say: Say) -> Iterator[BugRunResult]:
    """Run the programs of the bug; Misuse if the bug, a machine or a program does not exist."""
    from pfnlab.hunt.meeting.bug_run import show_bug
    from pfnlab.kernel.bugs.here import bug_called
    from pfnlab.programs.runs.look import LookLevel
    from pfnlab.programs.runs.machine import Accel

    look = LookLevel(request.look) if request.look else None
    yield show_bug(bug_called(request.bug), request.on, look=look, accel=Accel(request.accel))
