"""The kernel of a tree that is tried: built now, or before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from pfnlab.errors import Misuse
from pfnlab.lab.building.build import BuildRequest, build
from pfnlab.lab.images.bzimage import release_of
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.policies.releases import series_of


class TriedKernel(msgspec.Struct, frozen=True):
    """A kernel that can be booted.

    :param kernel: what :class:`~pfnlab.lab.running.machine.QemuMachine` takes: an image or a file
    :param says: what it was built of, in a line
    """

    kernel: KernelImage | Path
    says: str


def kernel_of_tree(
    tree: Path,
    patches: Sequence[Path],
    configuration: Sequence[str],
    like: str,
    say: Callable[[str], None],
) -> TriedKernel:
    """The kernel of *tree* with *patches* on top, built as ``pfnlab kernels build`` does.

    The tree is not written to. A file is a kernel that was built already.

    :param configuration: packaged ones or files
    :param like: the version whose model describes the kernel
    :raises Misuse: *tree* is neither, a patch is no patch, or patches are to be put on top of a file
    :raises Undecided: it cannot be built: a patch does not apply, the compiler fails, an option is missing
    """
    if tree.is_file():
        if patches:
            raise Misuse(f"{tree} is built already: a patch needs the tree it belongs to")
        return TriedKernel(tree, f"{release_of(tree)}, {tree}")
    asked = BuildRequest(str(tree), tuple(patches), tuple(configuration), series=series_of(like))
    kernel = build(asked, say=say)
    says = f"{kernel.version} of {kernel.source}, configuration {kernel.configuration}"
    return TriedKernel(kernel.image, says)
