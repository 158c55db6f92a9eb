"""What tests on real kernels need: it is had, or the test says what is missing.

Such a test is skipped; where ``PFNLAB_LAB=required`` is set, as ``make test`` does, it fails.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

from pfnlab.errors import MissingTool, Undecided
from pfnlab.lab.kernels import Kernel, kernel_for

T = TypeVar("T")


def lacking(reason: str) -> NoReturn:
    """End the test, for the lab lacks something; *reason* says what to do about it."""
    if os.environ.get("PFNLAB_LAB") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def have(what: Callable[[], T]) -> T:
    """What *what* returns, unless it cannot be had."""
    try:
        return what()
    except (MissingTool, Undecided) as missing:
        lacking(str(missing))


def bootable(series: str) -> Kernel:
    """A kernel, and QEMU to boot it in."""
    if shutil.which("qemu-system-x86_64") is None:
        lacking("no QEMU: apt-get install --no-install-recommends qemu-system-x86")
    return have(lambda: kernel_for(series))
