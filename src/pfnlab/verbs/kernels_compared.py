"""The verbs that compare a kernel with the model of its version, or with another kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Discovery, Misuse, Undecided
from pfnlab.base.result import Outcome, PlainText
from pfnlab.verbs.option import (
    JOBS,
    AsJson,
    JobsOf,
    LitmusOf,
    Option,
    PageFile,
    RandomPrograms,
    Request,
    Say,
    SeedOf,
)

if TYPE_CHECKING:
    from pfnlab.hunt.meeting.kernel_meeting import NamedKernel
    from pfnlab.hunt.meeting.meet import MeetingResult
    from pfnlab.hunt.meeting.rules_between import RulesBetween


class MeetRequest(Request, frozen=True, kw_only=True):
    """Run every comparison of a kernel with the model of its version.

    It runs litmus programs, walkers, orders of calls, schedules and random programs. The page lists the
    differences from the model, each shrunk and with the switch that explains it, and the stable commits that
    touch the area. Takes two to three minutes per kernel.

    Exit codes: 0 no difference, 1 differences, 3 the kernel could not be compared, or a difference did not
    recur.
    """

    gradual = True

    names: Annotated[
        tuple[str, ...], Option("6.12.107, 6.12, a bzImage, or a kernel built here.", "K", positional=True)
    ] = ()
    new: Annotated[bool, Option("Compare every new kernel available.")] = False
    profile: Annotated[
        str | None,
        Option(
            "The model to compare with, instead of the one of its version.", "VERSION", excludes="promote"
        ),
    ] = None
    promote: Annotated[bool, Option("Add kernels without differences to the known ones, one line each.")] = (
        False
    )
    known: Annotated[
        Path | None,
        Option("The file to add these lines to. Default: that of the package.", "FILE", needs="promote"),
    ] = None
    litmus: LitmusOf = None
    programs: RandomPrograms = 300
    seed: SeedOf = 7
    output: PageFile = None
    jobs: JobsOf = None
    as_json: AsJson = False


def perform_meet(request: MeetRequest, say: Say) -> Iterator[MeetingResult | PlainText]:
    """Compare every kernel; add it to the known ones after its result has been consumed.

    If one of several cannot be compared, that is reported, and the others are compared.

    :raises Undecided: if there is only one, and it could not be compared
    :raises Misuse: if an option is wrong or conflicts with another
    """
    from pfnlab.base.files import check_output
    from pfnlab.base.processes import in_order, processors
    from pfnlab.base.progress import working
    from pfnlab.base.units import number_of
    from pfnlab.hunt.meeting.holding import Programs, litmus_files
    from pfnlab.hunt.meeting.kernel_meeting import meet_named, named_kernel
    from pfnlab.lab.images.kernels import read_lists

    offers = read_lists(say=say) if request.new else []
    names = [*request.names, *(offer.package.version for offer in offers if not offer.known)]
    if request.new and not names:
        say("every kernel on offer is known")
        return
    if not names:
        raise Misuse("no kernel named: write 6.12.107, --new, or a bzImage")
    check_output(request.output, [*map(Path, names), *litmus_files(request.litmus)])
    programs = Programs.of(request.litmus, request.programs, request.seed)
    jobs = request.jobs or processors()

    def met(name: str) -> tuple[NamedKernel, MeetingResult] | PlainText:
        try:
            kernel = named_kernel(name)
            guests = max(1, jobs // len(names))
            return kernel, meet_named(kernel, programs, guests=guests, profile=request.profile).result
        except Undecided as trouble:
            if len(names) == 1:
                raise
            say(f"{name} could not be compared: {trouble}")
            return PlainText("", Outcome.UNDECIDED)

    def answers() -> Iterator[tuple[NamedKernel, MeetingResult] | PlainText]:
        if len(names) == 1:
            yield met(names[0])
            return
        with working(f"comparing {number_of(len(names), 'kernel')}", len(names)) as work:
            yield from in_order(met, names, jobs, done=work.advance)

    for answer in answers():
        if isinstance(answer, PlainText):
            yield answer
            continue
        kernel, result = answer
        yield result
        if request.promote:
            _promote(request.known, result, kernel, say)


def _promote(path: Path | None, result: MeetingResult, named: NamedKernel, say: Say) -> None:
    """Write the line for a kernel that is now known, or report why it is not.

    :param path: the file of known kernels; None for the one in the package
    """
    from pfnlab.hunt.meeting.meet import known_kernel
    from pfnlab.kernel.policies.known_kernels import KNOWN, write_known
    from pfnlab.lab.images.kernels import suites_of

    kernel = named.image
    if not kernel.package:
        raise Misuse("your own kernels do not become known: only packages of the archive do")
    path = path or KNOWN
    try:
        known = known_kernel(result, named.version, kernel, next(iter(suites_of(kernel)), ""))
        write_known(path, known)
        say(f"{known.package_version} added to {path}")
    except Discovery as discovery:
        say(str(discovery))
    except OSError as trouble:
        raise Misuse(f"{path} cannot be written: {trouble}; name a file with --known") from trouble


class DiffRequest(Request, frozen=True, kw_only=True):
    """Compare two kernels: run the same programs on both, and explain each difference.

    With --model, compare only their models, in seconds and without booting a kernel: each rule that differs,
    with the shortest program that shows it and its effect on a user.

    Exit codes: 0 no difference, 1 differences, 3 a kernel could not be run, or a difference did not recur.
    """

    gradual = True

    first: Annotated[
        str, Option("6.12.94, a series, a bzImage, or a kernel built here.", "A", positional=True)
    ]
    second: Annotated[str, Option("The kernel to compare it with.", "B", positional=True)]
    litmus: LitmusOf = None
    programs: RandomPrograms = 300
    seed: SeedOf = 7
    model: Annotated[bool, Option("Compare only their rules; boots no kernel.", excludes="programs seed")] = (
        False
    )
    jobs: Annotated[int | None, JOBS._replace(needs="model")] = None
    output: PageFile = None
    as_json: AsJson = False


def perform_diff(request: DiffRequest, say: Say) -> Iterator[MeetingResult | RulesBetween]:
    """Compare the kernels, or their models; Misuse if they are the same, Undecided if one did not run."""
    from pfnlab.base.files import check_output
    from pfnlab.hunt.meeting.holding import Programs, litmus_files

    names = request.first, request.second
    check_output(request.output, [*map(Path, names), *litmus_files(request.litmus)])
    if not request.model:
        from pfnlab.hunt.meeting.kernel_meeting import diff_named

        yield diff_named(*names, Programs.of(request.litmus, request.programs, request.seed))
        return
    from pfnlab.hunt.meeting.rules_between import rules_between
    from pfnlab.kernel.bugs.kernel_name import version_named
    from pfnlab.kernel.policies.profiles import exact

    first, second = (version_named(name.removeprefix("model:")) for name in names)
    if exact(first) == exact(second):
        raise Misuse(f"{request.first} and {request.second} are the same version: name two")
    yield rules_between((first, second), Programs.of(request.litmus), jobs=request.jobs)
