"""``pfnlab kernels meet`` and ``diff``: a kernel held against everything there is, or against another."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import msgspec

from pfnlab.cli.machines import say
from pfnlab.errors import Misuse
from pfnlab.lab.changelog import changelog_of
from pfnlab.lab.kernels import Kernel, from_file, kernel_for, read_lists, suites_of
from pfnlab.lab.machine import QemuMachine
from pfnlab.meeting.holding import PROGRAMS, SEED, litmus_programs
from pfnlab.meeting.meet import Meeting, diff, known_of, meet
from pfnlab.meeting.page import meeting_object, meeting_page
from pfnlab.policies.known import version_of_release, write_known


class MeetRequest(msgspec.Struct, frozen=True):
    """What the command line asked for.

    :param names: versions, series or bzImage files
    :param new: every kernel on offer that nobody met as well
    :param profile: the version of the model, for a file of the user's own
    :param known: the folder of known kernels
    """

    names: tuple[str, ...] = ()
    new: bool = False
    profile: str | None = None
    promote: bool = False
    known: Path | None = None
    litmus: Path = Path("litmus")
    programs: int = PROGRAMS
    seed: int = SEED
    output: Path | None = None
    as_json: bool = False


def meet_kernels(request: MeetRequest) -> int:
    """Meet every kernel that was asked for and print its page; 1 where one differs from its model."""
    names = [*request.names]
    if request.new:
        names += [one.package.version for one in read_lists(say=say) if not one.known]
        if not names:
            say("every kernel on offer is known")
            return 0
    if not names:
        raise Misuse("no kernel was named: write 6.12.107, --new, or a bzImage")
    code = 0
    for name in names:
        meeting, kernel = _meet(name, request)
        _print(meeting, [f"{kernel.package} {kernel.version}".strip()], request.output, request.as_json)
        code = max(code, int(bool(meeting.found)))
        if request.promote:
            folder = request.known or Path(str(files("pfnlab.policies.known")))
            say(f"{_written(folder, meeting, kernel)} written")
    return code


def diff_kernels(one: str, other: str, request: MeetRequest) -> int:
    """Hold two kernels against each other and print the page; 1 where they differ."""
    litmus = litmus_programs(request.litmus)
    kernels = kernel_for(one), kernel_for(other)
    changelog = changelog_of(kernels[1], say=say)
    with QemuMachine(kernels[0], say=say) as first, QemuMachine(kernels[1], say=say) as second:
        meeting = diff(
            (first, second),
            (kernels[0].upstream, kernels[1].upstream),
            litmus,
            changelog=changelog,
            programs=request.programs,
            seed=request.seed,
            say=say,
        )
    named = [f"{kernel.package} {kernel.version}" for kernel in kernels]
    _print(meeting, named, request.output, request.as_json)
    return int(bool(meeting.found))


def _meet(name: str, request: MeetRequest) -> tuple[Meeting, Kernel]:
    litmus = litmus_programs(request.litmus)
    kernel = from_file(Path(name)) if Path(name).is_file() else kernel_for(name)
    version = kernel.upstream or request.profile or version_of_release(kernel.release)
    changelog = changelog_of(kernel, say=say)
    say(f"meeting {version}: {kernel.package} {kernel.version}")
    with QemuMachine(kernel, say=say) as machine:
        meeting = meet(
            machine,
            version,
            litmus,
            profile=request.profile,
            changelog=changelog,
            programs=request.programs,
            seed=request.seed,
            say=say,
        )
    return meeting, kernel


def _written(folder: Path, meeting: Meeting, kernel: Kernel) -> Path:
    if not kernel.package:
        raise Misuse("a kernel of one's own does not become known: only packages of the archive do")
    known = known_of(meeting, kernel, next(iter(suites_of(kernel)), ""))
    try:
        return write_known(folder, known)
    except OSError as trouble:
        raise Misuse(f"{folder} cannot be written: {trouble}; name a folder with --known") from trouble


def _print(meeting: Meeting, kernels: list[str], output: Path | None, as_json: bool) -> None:
    if as_json:
        text = json.dumps(meeting_object(meeting, kernels), ensure_ascii=False) + "\n"
    else:
        text = meeting_page(meeting, kernels)
    if output is None:
        print(text, end="")
        return
    try:
        with output.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as trouble:
        raise Misuse(f"{output} cannot be written: {trouble}") from trouble
