"""What trying needs of a builder of kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from pfnlab.lab.images.kernels import KernelImage


class TriedKernel(msgspec.Struct, frozen=True):
    """A kernel that can be booted.

    :param kernel: what :class:`~pfnlab.lab.running.machine.QemuMachine` takes: an image or a file
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
