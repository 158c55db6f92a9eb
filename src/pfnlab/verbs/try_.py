"""Build a kernel, compare it with a model or the kernel without a patch, and report for a cover letter.

A tree, or a patch with a policy (--policy, or its line `Policy:`), is compared with a model. A patch without
one is reviewed: the kernels with and without it answer the same questions.

Exit codes suit `git bisect run` (docs/try.md): 0 equal, or nothing newly broken; 1 different from the model,
or something newly broken by the patch; 125 it cannot be built, booted or decided. 130 (misuse) and 132 (a
defect of pfnlab) end the bisection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import (
    SECONDS,
    AccelOf,
    AsJson,
    JobsOf,
    LitmusOf,
    Option,
    OutputFile,
    Request,
    Say,
    SeedOf,
)

if TYPE_CHECKING:
    from pfnlab.base.part_times import PartTimes
    from pfnlab.hunt.meeting.trial import TrialResult
    from pfnlab.lab.building.patch_file import PatchFile
    from pfnlab.programs.runs.machine import Accel


#: Time limits, in seconds: for the review of a patch that names its policy, and for measuring what one that
#: does not costs.
_REVIEWED = _MEASURED = 60.0


class TryRequest(Request, frozen=True, kw_only=True):
    gradual = True

    tree: Annotated[
        Path, Option("A kernel tree, 7.2 for its source package, or a bzImage.", "TREE", positional=True)
    ]
    like: Annotated[
        str | None,
        Option(
            "The version whose model the kernel is compared with: 7.2, 7.2.13. Default: the tree's.",
            "VERSION",
        ),
    ] = None
    patch: Annotated[
        tuple[Path, ...], Option("A patch or mailbox to apply (needs git; repeatable).", "FILE")
    ] = ()
    policy: Annotated[
        tuple[str, ...],
        Option(
            "Policy that the patch implements, e.g. flush=end_vma. Default: from its `Policy:` lines.",
            "SEAM=POLICY",
        ),
    ] = ()
    config: Annotated[tuple[str, ...], Option("Same as for `pfnlab kernels build`.", "FRAGMENT")] = ()
    programs: Annotated[int, Option("Number of random programs.", "N", min=1)] = 200
    seed: SeedOf = 7
    seconds: Annotated[
        float,
        SECONDS._replace(help="Start no new programs in a review of kernels after this many seconds."),
    ] = 480.0
    litmus: LitmusOf = None
    output: OutputFile = None
    accel: AccelOf = "tcg"
    jobs: JobsOf = None
    as_json: AsJson = False


def perform(request: TryRequest, say: Say) -> Iterator[TrialResult]:
    """Build the kernel, and compare it with the model or the unpatched kernel.

    :raises Undecided: if it cannot be built or booted
    """
    import msgspec

    from pfnlab.base.files import check_output
    from pfnlab.base.part_times import PartTimes
    from pfnlab.base.result import Outcome
    from pfnlab.hunt.meeting.holding import litmus_files
    from pfnlab.hunt.meeting.trial import policies_of
    from pfnlab.kernel.policies.releases import series_of
    from pfnlab.lab.building.patch_file import read_patch
    from pfnlab.lab.building.source import series_in
    from pfnlab.programs.runs.machine import Accel
    from pfnlab.programs.runs.named_machines import check_series

    accel, tree = Accel(request.accel), request.tree
    if request.like is None and tree.is_file():
        raise Misuse(f"{tree} is built already: name its version with --like, e.g. --like 7.2")
    like = request.like or series_in(str(tree))
    check_series(series_of(like))
    words = (str(tree), *map(str, request.patch), *request.config)
    check_output(request.output, [*map(Path, words), *litmus_files(request.litmus)])
    patches, parts = [read_patch(path) for path in request.patch], PartTimes()
    policies = policies_of(patches, request.policy)
    if patches and not policies and request.litmus is None:
        request.refuse("--patch without a policy", ("programs", "seed"))
        result = _reviewed(request, like, patches, accel, parts, say)
    else:
        request.refuse("a comparison with a model", ("seconds",))
        result = _compared(request, like, patches, policies, accel, parts, say)
    yield msgspec.structs.replace(result, seconds=parts.seconds)
    if request.output is not None or result.outcome is Outcome.UNDECIDED:
        say(result.says)


def _name(tree: Path) -> str:
    return tree.name or tree.resolve().name or str(tree)


def _compared(
    request: TryRequest,
    like: str,
    patches: Sequence[PatchFile],
    policies: Sequence[str],
    accel: Accel,
    parts: PartTimes,
    say: Say,
) -> TrialResult:
    """Review the policies, build the kernel, and compare it with the model that has them."""
    from pfnlab.base.processes import processors
    from pfnlab.base.progress import working
    from pfnlab.hunt.meeting.holding import Programs
    from pfnlab.hunt.meeting.trial import kernel_of_tree, try_kernel
    from pfnlab.lab.running.qemu_machine import QemuMachine

    tree, name, guests = request.tree, _name(request.tree), request.jobs or processors()
    programs = Programs.of(request.litmus, request.programs, request.seed)
    reviewed = None
    if policies:
        from pfnlab.checker.review.review import review
        from pfnlab.programs.model.model_machine import ModelMachine

        # Review before the build: it takes less time, and may be conclusive.
        with parts.part("review"), working(f"reviewing {', '.join(policies)}"):
            models = ModelMachine(like), ModelMachine(",".join((like, *policies)))
            reviewed = review(*models, seconds=_REVIEWED, jobs=guests)
    with working(f"building {tree}"):
        tried = kernel_of_tree(tree, request.patch, request.config, like, say, parts)
    with (
        parts.part("ask"),
        QemuMachine(tried.kernel, guests=guests, name=f"qemu:{name}", accel=accel, say=say) as machine,
        working(f"comparing {name} with model:{like}") as work,
    ):
        return try_kernel(
            *(machine, like, programs),
            tree=str(tree) if tree.name else name,
            built=tried.says,
            patches=patches,
            policies=policies,
            name=name,
            # If the user chose programs, run only those.
            claims=request.litmus is None,
            review=reviewed,
            say=say,
            counted=work,
        )


def _reviewed(
    request: TryRequest,
    like: str,
    patches: Sequence[PatchFile],
    accel: Accel,
    parts: PartTimes,
    say: Say,
) -> TrialResult:
    """Build the kernel with and without the patches, and review the one against the other."""
    from pfnlab.base.processes import processors
    from pfnlab.base.progress import working
    from pfnlab.base.units import number_of
    from pfnlab.hunt.meeting.measured_costs import measured_costs
    from pfnlab.hunt.meeting.trial import kernel_of_tree, reviewed_patch, with_costs
    from pfnlab.lab.building.build import check_patches
    from pfnlab.lab.images.kernels import KernelImage
    from pfnlab.lab.running.qemu_machine import QemuMachine
    from pfnlab.programs.runs.look import LookLevel

    tree, name, guests = request.tree, _name(request.tree), request.jobs or processors()

    def machine(kernel: KernelImage | Path) -> QemuMachine:
        # Judges see most in memory, e.g. an access without an entry.
        look = LookLevel.MEMORY
        return QemuMachine(kernel, guests=guests, look=look, name=f"qemu:{name}", accel=accel, say=say)

    # If the patch does not apply, nothing is built. It is built last, so that its next version finds its
    # objects.
    with parts.part("unpack"):
        check_patches(str(tree), request.patch, request.config, say=say)
    with working(f"building {name}"):
        untouched = kernel_of_tree(tree, (), request.config, like, say, parts)
    with working(f"building {name} with the patch"):
        tried = kernel_of_tree(tree, request.patch, request.config, like, say, parts)
    reviewing = f"reviewing {name} with the patch"
    with (
        parts.part("ask"),
        machine(untouched.kernel) as base,
        machine(tried.kernel) as patched,
        working(reviewing) as work,
    ):

        def count(programs: int) -> None:
            # Time ends the review, so a percentage of all programs would mislead.
            work.words = f"{reviewing}: {number_of(work.done + programs, 'program')}"
            work.advance(programs)

        result = reviewed_patch(
            *(base, patched, like),
            seconds=request.seconds,
            tree=str(tree) if tree.name else name,
            built=tried.says,
            patches=patches,
            done=count,
        )
        images = base.kernel, patched.kernel
    with parts.part("measure"), working(f"measuring what {name} with the patch costs"):
        return with_costs(result, measured_costs(*images, seconds=_MEASURED))
