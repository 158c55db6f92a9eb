"""Comparisons on kernels patched with a policy that no kernel has (``evidence/patches/``).

``python evidence/tools/hold_patches.py`` writes ``patched.json`` next to this module.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec


class PatchedKernel(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """One patched kernel, and its comparison with the model that has the policy.

    :param policy: ``flush=end_vma``
    :param series: the kernel's series, ``7.2``
    :param kernel: the kernel's name
    :param source: the package with its source
    :param configuration: the name of its configuration, ``lab``
    :param build_seconds: the build time of the kernel, usually from a previously built tree
    :param seed: the seed of the random programs
    :param litmus: hand-written programs that both ran: litmus, walkers, orders, schedules
    :param random: random programs
    :param steps: number of steps of all these
    :param changed: the hand-written programs whose result the policy changes on the model
    :param schedules: those of ``changed`` that hold a processor
    :param undecided: programs without a rule, or whose machine was lost
    :param differences: programs that differ
    :param stale: schedules in which the model predicts a stale read, and in which it was seen; None if not
        checked
    """

    policy: str
    series: str
    kernel: str
    source: str
    build_seconds: int
    seed: int
    litmus: int
    random: int
    steps: int
    changed: int
    schedules: int
    undecided: int
    differences: int
    stale: tuple[int, int] | None = None
    configuration: str = "lab"

    @property
    def programs(self) -> int:
        """The number of programs both ran."""
        return self.litmus + self.random


@cache
def patched_kernels() -> Mapping[str, PatchedKernel]:
    """The kernels that were compared, by the name of the patch."""
    return read_patched(Path(str(files("pfnlab.kernel.policies") / "patched.json")))


def read_patched(path: Path) -> dict[str, PatchedKernel]:
    """The content of a file like ``patched.json``; empty if there is no file."""
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, PatchedKernel])
