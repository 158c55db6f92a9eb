"""The changes between two kernels: the same programs on both, and what explains each difference.

With --model the models of the two are compared, in seconds and without a kernel: each rule that differs, with
the shortest program and what a user sees in it.

Exit codes: 0 no difference, 1 they differ, 3 one could not be run, or they did not differ again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import (
    AsJson,
    JobsOf,
    LitmusOf,
    Option,
    PageFile,
    RandomPrograms,
    Request,
    Say,
    SeedOf,
    refuse_beside,
)

if TYPE_CHECKING:
    from pfnlab.hunt.meeting.meet import MeetingResult
    from pfnlab.hunt.meeting.rules_between import RulesBetween

EXAMPLES = (
    ("pfnlab kernels diff 6.12.94 6.12.107", "What changed between two point releases"),
    ("pfnlab kernels diff 7.2 mine --programs 50", "What one's own build does otherwise"),
    ("pfnlab kernels diff --model 6.12.94 6.12.107", "The rules that differ, at once"),
)


class DiffRequest(Request, frozen=True, kw_only=True):
    first: Annotated[str, Option("6.12.94, a series, a bzImage, or one built here.", "A", positional=True)]
    second: Annotated[str, Option("Another one.", "B", positional=True)]
    litmus: LitmusOf = None
    programs: RandomPrograms = 300
    seed: SeedOf = 7
    model: Annotated[bool, Option("Compare their rules alone: no kernel is booted.", names=("--model",))] = (
        False
    )
    jobs: JobsOf = None
    output: PageFile = None
    as_json: AsJson = False


def perform(request: DiffRequest, say: Say) -> Iterator[MeetingResult | RulesBetween]:
    """Run everything on both kernels, or their models; Misuse if they are one, Undecided if not run."""
    if request.jobs is not None and not request.model:
        raise Misuse("--jobs is for --model: each kernel has one guest")
    if request.model:
        refuse_beside(request, "--model", "has no random programs", but="programs seed")
    yield from _models(request) if request.model else _kernels(request, say)


def _models(request: DiffRequest) -> Iterator[RulesBetween]:
    from pfnlab.base.files import check_output
    from pfnlab.hunt.meeting.holding import Programs, litmus_files
    from pfnlab.hunt.meeting.rules_between import rules_between
    from pfnlab.kernel.bugs.kernel_name import version_named
    from pfnlab.kernel.policies.profiles import exact

    check_output(request.output, litmus_files(request.litmus))
    versions = version_named(request.first), version_named(request.second)
    if exact(versions[0]) == exact(versions[1]):
        raise Misuse(f"{request.first} and {request.second} are the same version: name two")
    yield rules_between(versions, Programs.of(request.litmus), jobs=request.jobs)


def _kernels(request: DiffRequest, say: Say) -> Iterator[MeetingResult]:
    from pfnlab.base.files import check_output
    from pfnlab.base.progress import working
    from pfnlab.hunt.meeting.by_name import named_kernel
    from pfnlab.hunt.meeting.holding import Programs, litmus_files
    from pfnlab.hunt.meeting.meet import MeetingResult, diff
    from pfnlab.kernel.policies.releases import version_key
    from pfnlab.lab.images.changelog import changelog_of
    from pfnlab.lab.running.qemu_machine import QemuMachine

    names = request.first, request.second
    check_output(request.output, [*map(Path, names), *litmus_files(request.litmus)])
    programs = Programs.of(request.litmus, request.programs, request.seed)
    kernels = named_kernel(request.first), named_kernel(request.second)
    if kernels[0].name == kernels[1].name:
        raise Misuse(f"{request.first} and {request.second} are the same kernel: name two")
    newer = max(kernels, key=lambda kernel: version_key(kernel.version))
    changelog = changelog_of(newer.image, say=say)
    with (
        QemuMachine(kernels[0].image, guests=1, say=say) as first,
        QemuMachine(kernels[1].image, guests=1, say=say) as second,
        working(f"comparing {kernels[0].name} and {kernels[1].name}") as work,
    ):
        meeting = diff(
            {f"qemu:{kernels[0].name}": first, f"qemu:{kernels[1].name}": second},
            (kernels[0].version, kernels[1].version),
            programs,
            changelog=changelog,
            say=say,
            counted=work,
        )
    yield MeetingResult.of(meeting, [kernel.words for kernel in kernels])
