"""The kernel of a recorded run, as every recorded form names it."""

from __future__ import annotations

import msgspec

from pfnlab.policies.known_kernels import version_of_release
from pfnlab.policies.releases import series_of


class RecordedRelease(msgspec.Struct):
    """A line of a recorded run.

    :param kernel_release: of the kernel, as ``uname -r`` prints it
    """

    kernel_release: str

    @property
    def series(self) -> str:
        """The kernel's series."""
        return series_of(self.version)

    @property
    def version(self) -> str:
        """The kernel's exact version, where it is known."""
        return version_of_release(self.kernel_release)
