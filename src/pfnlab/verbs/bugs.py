"""The known bugs, which kernels have them, and programs that show them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from pfnlab.verbs.option import BUG, AccelOf, AsJson, LookOf, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.hunt.meeting.bug_shown import BugRunResult
    from pfnlab.present.report.affected import AffectsResult
    from pfnlab.present.report.bug_entry import BugEntry
    from pfnlab.present.report.bug_list import BugList
    from pfnlab.present.report.bug_search import BugFindings


VERBS = ("list", "find", "show", "affects", "run")


class BugsRequest(Request, frozen=True, kw_only=True):
    """The bugs, regressions, changes and rules of PFN mappings that are known (docs/bugs.md).

    Several options leave what all of them fit.
    """

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


def perform_list(request: BugsRequest, say: Say) -> Iterator[BugList]:
    """The bugs that the options leave; Misuse if there is no such kind, property or series."""
    from pfnlab.present.report.bug_list import BugWish, listed

    wishes = msgspec.structs.asdict(request)
    del wishes["as_json"]
    yield listed(BugWish(**wishes))


class FindRequest(Request, frozen=True, kw_only=True):
    """Search bugs, messages, programs and claims by a commit, a CVE, a log line, or words.

    Exit code 0, also if nothing is found.
    """

    words: Annotated[
        tuple[str, ...],
        Option("7 to 40 digits of a commit, a CVE, a log line, or words.", "WORD", positional=True),
    ]
    every: Annotated[bool, Option("All matches, not the best of each kind.", names=("--all",))] = False
    as_json: AsJson = False


def perform_find(request: FindRequest, say: Say) -> Iterator[BugFindings]:
    """The entries that fit; Misuse if there is nothing to search for."""
    from pfnlab.present.report.bug_search import bug_findings

    yield bug_findings(" ".join(request.words), every=request.every)


class BugRequest(Request, frozen=True, kw_only=True):
    """One bug: what happens, since when and until when, how to trigger it, and what shows it.

    For a commit, all bugs that it fixes or brings.
    """

    bug: Annotated[str, BUG._replace(help="Its number, A06, its CVE or title, or a commit.")]
    as_json: AsJson = False


def perform_show(request: BugRequest, say: Say) -> Iterator[BugEntry]:
    """The bug, or those that a commit fixes or brings; Misuse if there is none of that name."""
    from pfnlab.kernel.bugs.repairs import bugs_called
    from pfnlab.present.report.bug_entry import BugEntry

    yield from map(BugEntry.of, bugs_called(request.bug))


class AffectsRequest(Request, frozen=True, kw_only=True):
    """Bugs that a kernel has, by its version, gravest first, and where each is fixed.

    Backports of distributions are not known from the version; --changelog reads what a package names.
    Exit code 0, whatever is found.
    """

    version: Annotated[str, Option("6.1.85, 6.1.176-1, or what uname -r says.", "VERSION", positional=True)]
    config: Annotated[Path | None, Option("Kernel .config; bugs it rules out are marked.", "FILE")] = None
    changelog: Annotated[
        Path | None,
        Option("Changelog of its package (Debian, RPM) or git log of its tree: fixes it names.", "FILE"),
    ] = None
    arch: Annotated[
        str | None, Option("Architecture, e.g. arm64. Default: that of VERSION, if it names one.", "ARCH")
    ] = None
    every: Annotated[bool, Option("Include fixed bugs, rules and proposals.", names=("--all",))] = False
    as_json: AsJson = False


def perform_affects(request: AffectsRequest, say: Say) -> Iterator[AffectsResult]:
    """Where the kernel stands with each bug.

    :raises Misuse: it is no version, no kernel has it, or a file cannot be read
    """
    from pfnlab.kernel.policies.kconfig import options_of
    from pfnlab.present.report.affected import affecting

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
    """A bug shown by its programs: on a machine that has it, on one that does not, and on those you name.

    The first step in which the two part is its sign; a machine is broken where it answers that as the first
    does.
    Exit codes: 0 all is as the bug's dates have it, 1 something is not, 3 a machine could not tell.
    """

    bug: Annotated[str, BUG]
    on: Annotated[tuple[str, ...], Option("A machine more, as for run; several times.", "MACHINE")] = ()
    accel: AccelOf = "tcg"
    look: LookOf = None
    as_json: AsJson = False


def perform_run(request: BugRunRequest, say: Say) -> Iterator[BugRunResult]:
    """Run the programs that show the bug; Misuse if there is no such bug or machine, or no program."""
    from pfnlab.hunt.meeting.bug_shown import show_bug
    from pfnlab.kernel.bugs.here import bug_called
    from pfnlab.programs.runs.look import look_named
    from pfnlab.programs.runs.machine import accel_named

    look = None if request.look is None else look_named(request.look)
    yield show_bug(bug_called(request.bug), request.on, look=look, accel=accel_named(request.accel))
