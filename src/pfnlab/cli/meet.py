"""``pfnlab kernels meet`` and ``diff``: a kernel compared with its model in everything, or with another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import msgspec

from pfnlab.document.compose import document_of
from pfnlab.document.mail import mail
from pfnlab.document.parts.meeting import part
from pfnlab.errors import Discovery, Misuse, Undecided
from pfnlab.files import check_output
from pfnlab.lab.images.changelog import changelog_of
from pfnlab.lab.images.kernels import KernelImage, read_lists, suites_of
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.meeting.by_name import NamedKernel, meet_named, named_kernel
from pfnlab.meeting.holding import PROGRAMS, SEED, litmus_files, litmus_looks, litmus_programs
from pfnlab.meeting.meet import Meeting, MeetingResult, diff, known_of
from pfnlab.policies.known import write_known
from pfnlab.policies.releases import version_key
from pfnlab.processes import in_order, processors
from pfnlab.programs.lang.ops import Program
from pfnlab.progress import say, working
from pfnlab.result import Outcome
from pfnlab.units import number_of


class MeetRequest(msgspec.Struct, frozen=True):
    """The request of the command line.

    :param names: versions, series, bzImage files, or names of kernels that were built here
    :param new: every kernel on offer that nobody met as well
    :param profile: the version of the model, for a file of the user's own
    :param known: the folder of known kernels
    :param litmus: the folder of programs; None for those that come with pfnlab
    :param jobs: kernels met at a time, or guests of a single one; None for as many as there are processors
    """

    names: tuple[str, ...] = ()
    new: bool = False
    profile: str | None = None
    promote: bool = False
    known: Path | None = None
    litmus: Path | None = None
    programs: int = PROGRAMS
    seed: int = SEED
    output: Path | None = None
    as_json: bool = False
    jobs: int | None = None


def meet_kernels(request: MeetRequest) -> int:
    """Meet every kernel that was asked for and print its page.

    Of several, one that cannot be met is reported, and the others are met all the same.

    :return: 1 where one differs from its model, else 3 where one could not be met or differed once
    :raises Undecided: the only one could not be met
    """
    offers = read_lists(say=say) if request.new else []
    names = [*request.names, *(offer.package.version for offer in offers if not offer.known)]
    if request.new and not names:
        say("every kernel on offer is known")
        return 0
    if not names:
        raise Misuse("no kernel was named: write 6.12.107, --new, or a bzImage")
    if request.promote and request.profile:
        raise Misuse("a kernel becomes known by the model of its own version: leave --profile out")
    _check_output(request, names)
    litmus = litmus_programs(request.litmus)
    outcomes = []
    jobs = request.jobs or processors()
    guests = max(1, jobs // len(names))

    def met(name: str) -> _Met | Undecided:
        try:
            return _meet_kernel(name, litmus, request, guests)
        except Undecided as trouble:
            if len(names) == 1:
                raise
            say(f"{name} could not be met: {trouble}")
            return trouble

    for answer in _answers(met, names, jobs):
        if isinstance(answer, Undecided):
            outcomes.append(Outcome.UNDECIDED)
            continue
        outcomes.append(_print(answer.meeting, [answer.asked.words], request))
        if request.promote:
            folder = request.known or Path(str(files("pfnlab.policies.known")))
            _promote(folder, answer.meeting, answer.asked.image)
    return Outcome.of_all(outcomes).value


def _answers(
    met: Callable[[str], _Met | Undecided], names: Sequence[str], jobs: int
) -> Iterator[_Met | Undecided]:
    """One answer a kernel; of several, how many are met already is shown."""
    if len(names) == 1:
        yield met(names[0])
        return
    with working(f"meeting {number_of(len(names), 'kernel')}", len(names)) as work:
        yield from in_order(met, names, jobs, done=work.advance)


def diff_kernels(left: str, right: str, request: MeetRequest) -> int:
    """Hold two kernels against each other and print the page; 1 where they differ, 3 where they did once."""
    _check_output(request, (left, right))
    litmus = litmus_programs(request.litmus)
    kernels = named_kernel(left), named_kernel(right)
    if kernels[0].name == kernels[1].name:
        raise Misuse(f"{left} and {right} are the same kernel: name two")
    newer = max(kernels, key=lambda kernel: version_key(kernel.version))
    changelog = changelog_of(newer.image, say=say)
    with (
        QemuMachine(kernels[0].image, guests=1, say=say) as first,
        QemuMachine(kernels[1].image, guests=1, say=say) as second,
        working(f"holding {kernels[0].name} against {kernels[1].name}") as work,
    ):
        meeting = diff(
            {f"qemu:{kernels[0].name}": first, f"qemu:{kernels[1].name}": second},
            (kernels[0].version, kernels[1].version),
            litmus,
            changelog=changelog,
            programs=request.programs,
            seed=request.seed,
            looks=litmus_looks(request.litmus),
            say=say,
            counted=work,
        )
    return _print(meeting, [kernel.words for kernel in kernels], request).value


def _check_output(request: MeetRequest, names: Sequence[str]) -> None:
    check_output(request.output, [*map(Path, names), *litmus_files(request.litmus)])


class _Met(NamedTuple):
    """A kernel that was met."""

    asked: NamedKernel
    meeting: Meeting


def _meet_kernel(name: str, litmus: Mapping[str, Program], request: MeetRequest, guests: int) -> _Met:
    """Meet one kernel, in so many guests."""
    asked = named_kernel(name)
    meeting = meet_named(
        asked,
        litmus,
        guests=guests,
        profile=request.profile,
        programs=request.programs,
        seed=request.seed,
        looks=litmus_looks(request.litmus),
    )
    return _Met(asked, meeting)


def _promote(folder: Path, meeting: Meeting, kernel: KernelImage) -> None:
    """Write the file of a kernel that is known now, or say why it is not."""
    if not kernel.package:
        raise Misuse("a kernel of one's own does not become known: only packages of the archive do")
    try:
        known = known_of(meeting, kernel, next(iter(suites_of(kernel)), ""))
        say(f"{write_known(folder, known)} written")
    except Discovery as discovery:
        say(str(discovery))
    except OSError as trouble:
        raise Misuse(f"{folder} cannot be written: {trouble}; name a folder with --known") from trouble


def _print(meeting: Meeting, kernels: list[str], request: MeetRequest) -> Outcome:
    result = MeetingResult.of(meeting, kernels)
    text = f"{result.as_json()}\n" if request.as_json else mail(document_of([part(result)]))
    if request.output is None:
        print(text, end="")
        return result.outcome
    try:
        with request.output.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as trouble:
        raise Misuse(f"{request.output} cannot be written: {trouble}") from trouble
    return result.outcome
