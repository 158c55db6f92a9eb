"""Comparisons with kernels that were patched to have a policy no kernel has (``evidence/patches/``).

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
    """One patched kernel, and how it compared with the model that has the policy.

    :param policy: ``flush=end_vma``
    :param series: the series of the kernel, ``7.2``
    :param kernel: the name of the kernel
    :param source: the package containing its source
    :param configuration: the name of its configuration, ``lab``
    :param build_seconds: how long it took to build, usually from a tree that had been built before
    :param seed: the seed for the random programs
    :param litmus: how many hand-written programs both ran: litmus, walkers, orders, schedules
    :param random: how many random programs both ran
    :param steps: how many steps all of these have
    :param changed: the hand-written programs whose result on the model the policy changes
    :param schedules: those in ``changed`` that hold a processor
    :param undecided: programs without a rule, or whose machine was lost
    :param differences: programs that differ
    :param stale: in how many schedules the model predicts a stale read, and in how many one was
        seen; None if not checked
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
        """Number of programs that both ran."""
        return self.litmus + self.random


@cache
def patched_kernels() -> Mapping[str, PatchedKernel]:
    """The kernels that were compared, by patch name."""
    return read_patched(Path(str(files("pfnlab.kernel.policies") / "patched.json")))


def read_patched(path: Path) -> dict[str, PatchedKernel]:
    """The content of a file like ``patched.json``; empty if the file does not exist."""
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, PatchedKernel])
