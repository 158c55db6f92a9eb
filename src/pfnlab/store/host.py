"""The class of this host, as /proc tells it."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

from pfnlab.store.rows import HostClass


@cache
def this_host() -> HostClass:
    """The class of the host that this process runs on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return HostClass(_cpu(), len(os.sched_getaffinity(0)), memory)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
