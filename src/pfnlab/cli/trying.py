"""``pfnlab try``: the kernel of a tree against a model, and a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from pfnlab.document.compose import document_of
from pfnlab.document.mail import mail
from pfnlab.document.parts.trial import part
from pfnlab.errors import Misuse
from pfnlab.files import check_output, write_output
from pfnlab.lab.building.build import BuildRequest
from pfnlab.lab.building.build import build as build_kernel
from pfnlab.lab.building.patch_file import read_patch
from pfnlab.lab.images.bzimage import release_of
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.machines import check_series
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.vm.accel import Accel
from pfnlab.meeting.holding import SEED, litmus_files, litmus_looks, litmus_programs
from pfnlab.meeting.trial import PROGRAMS, TrialResult, policies_of, try_kernel
from pfnlab.policies.releases import series_of
from pfnlab.processes import processors
from pfnlab.progress import say, working
from pfnlab.result import Outcome


class TriedKernel(msgspec.Struct, frozen=True):
    """A kernel that can be booted.

    :param kernel: what :class:`~pfnlab.lab.running.qemu_machine.QemuMachine` takes: an image or a file
    :param says: what it was built of, in a line
    """

    kernel: KernelImage | Path
    says: str


class Build(Protocol):
    """Builds the kernel of a tree, which it does not write to."""

    def __call__(self, tree: Path, patches: Sequence[Path], say: Callable[[str], None]) -> TriedKernel:
        """The kernel of *tree* with *patches* on top.

        :param say: called with each line of progress
        :raises Misuse: *tree* is no source tree, or a patch is no patch
        :raises Undecided: it cannot be built: a patch does not apply, the compiler fails, an option is
            missing
        """
        ...


class TryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of the command line.

    :param tree: a source tree, or a bzImage that was built of one
    :param like: the version whose model describes the kernel
    :param configuration: of the build: packaged ones or files
    :param litmus: the folder of programs; None for those that come with pfnlab
    :param policies: changes of that model, in place of those that patches name
    :param jobs: guests of the kernel; None for as many as there are processors
    """

    tree: Path
    like: str
    patches: tuple[Path, ...] = ()
    policies: tuple[str, ...] = ()
    configuration: tuple[str, ...] = ()
    programs: int = PROGRAMS
    seed: int = SEED
    litmus: Path | None = None
    output: Path | None = None
    accel: Accel = Accel.TCG
    as_json: bool = False
    jobs: int | None = None


def try_tree(request: TryRequest, build: Build | None = None) -> int:
    """Build, hold against the model, print; the exit code.

    :param build: builds the kernel
    :raises Undecided: it cannot be built or booted
    """
    check_series(series_of(request.like))
    words = (str(request.tree), *map(str, request.patches), *request.configuration)
    check_output(request.output, [*map(Path, words), *litmus_files(request.litmus)])
    patches = [read_patch(path) for path in request.patches]
    policies = policies_of(patches, request.policies)
    litmus = litmus_programs(request.litmus)
    with working(f"building {request.tree}"):
        tried = (build or builder(request))(request.tree, request.patches, say)
    name = request.tree.name or request.tree.resolve().name or str(request.tree)
    with (
        QemuMachine(
            tried.kernel,
            guests=request.jobs or processors(),
            name=f"qemu:{name}",
            accel=request.accel,
            say=say,
        ) as machine,
        working(f"holding {name} against model:{request.like}") as work,
    ):
        trial = try_kernel(
            machine,
            request.like,
            litmus,
            policies=policies,
            name=name,
            programs=request.programs,
            seed=request.seed,
            looks=litmus_looks(request.litmus),
            say=say,
            counted=work,
        )
    tree = str(request.tree) if request.tree.name else name
    result = TrialResult.of(trial, tree, tried.says, patches)
    text = f"{result.as_json()}\n" if request.as_json else mail(document_of([part(result)]))
    write_output(request.output, text)
    if request.output is not None or result.outcome is Outcome.UNDECIDED:
        say(result.says)
    return result.outcome.value


def builder(request: TryRequest) -> Build:
    """Builds trees as ``pfnlab kernels build`` does; a file is a kernel that was built already."""

    def build(tree: Path, patches: Sequence[Path], say: Callable[[str], None]) -> TriedKernel:
        if tree.is_file():
            return _built_already(tree, patches)
        series = series_of(request.like)
        kernel = build_kernel(BuildRequest(str(tree), patches, request.configuration, series=series), say=say)
        says = f"{kernel.version} of {kernel.source}, configuration {kernel.configuration}"
        return TriedKernel(kernel.image, says)

    return build


def _built_already(image: Path, patches: Sequence[Path]) -> TriedKernel:
    """The kernel in a file.

    :raises Misuse: it is none, or patches are to be put on top
    """
    if patches:
        raise Misuse(f"{image} is built already: a patch needs the tree it belongs to")
    return TriedKernel(image, f"{release_of(image)}, {image}")
