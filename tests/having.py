"""The needs of tests on real kernels: each is there, or the test says what is missing.

Such a test is skipped where something is missing; where ``PFNLAB_LAB=required`` is set, as ``make test``
does, it fails. Which kernels are asked follows from what the archive offers
(:func:`pfnlab.lab.images.kernel_offers.roles_for`): those of the stable series and the newest that is known.
A kernel that is not to be had any more is skipped even then, for recorded runs stand in for it; what differs
on a new kernel is news, not a failure (``conftest.py``).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest
from targets import TARGET

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.kernel.policies.known_kernels import nearest
from pfnlab.kernel.policies.releases import CONFIRMED, RELEASES, series_of
from pfnlab.lab.images.archive import Unverified, read_listing
from pfnlab.lab.images.cache import cache_root
from pfnlab.lab.images.kernel_offers import SUITES, Role, available_offers, roles_for
from pfnlab.lab.images.kernels import KernelImage, cached_versions, kernel_for, read_lists

T = TypeVar("T")


#: Whether what is missing fails a test; it does in every target of the Makefile.
REQUIRED = os.environ.get("PFNLAB_LAB") == "required" or TARGET != ""


def lists_were_read() -> bool:
    """Whether the archive was ever asked what it has."""
    return any(read_listing(cache_root() / "apt", suite) for suite in SUITES)


def roles() -> tuple[Role, ...]:
    """The kernels asked, oldest first.

    Before any list was read each is fetched when it is needed; where kernels are required the lists are read
    now, and what cannot be had then is gone.
    """
    if REQUIRED and not lists_were_read():
        try:
            read_lists()
        except Unverified:
            raise
        except Undecided as nobody:
            print(f"{nobody}; continuing with the lists fetched before", file=sys.stderr)
    found = roles_for(available_offers(), cached_versions())
    if REQUIRED or lists_were_read():
        return tuple(found)
    return tuple(Role(one.name, "known") for one in found)


ROLES = roles()

#: The oldest kernel asked, that of the newest stable series, and the newest of all.
OLD, STABLE, NEW = (one.name for one in ROLES)

#: What modules import those by.
ROLE_NAMES = ("OLD", "STABLE", "NEW", "SERIES")

#: Whether every series is asked: ``make test-all-kernels``.
EVERY_SERIES = os.environ.get("PFNLAB_KERNELS") == "all"

#: What most tests on kernels ask, and what those ask that have time for three.
ASKED = CONFIRMED if EVERY_SERIES else (OLD, NEW)
ASKED_WIDELY = CONFIRMED if EVERY_SERIES else (OLD, STABLE, NEW)


def kernels_of(item: pytest.Item) -> list[str]:
    """The kernels asked that are among the parameters of a test."""
    callspec = getattr(item, "callspec", None)
    values = list(callspec.params.values()) if callspec is not None else []
    return [one for one in values if isinstance(one, str) and any(one == role.name for role in ROLES)]


def asks_older(item: pytest.Item) -> bool:
    """True where a test of several kernels asks an older one than the newest, which is asked the same."""
    if EVERY_SERIES or item.get_closest_marker("lab") is None:
        return False
    return any(one != NEW for one in kernels_of(item))


def status(name: str) -> str:
    """How a kernel is to be had; that of every series is known."""
    return next((one.status for one in ROLES if one.name == name), "known")


def model_of(name: str) -> str:
    """The model that stands for a kernel: its own, or where its series is new the nearest known one's."""
    return name if series_of(name) in RELEASES else nearest(name) or name


def recorded_as(name: str) -> str:
    """The series whose recorded runs stand for a kernel."""
    return series_of(model_of(name))


def lacking(reason: str) -> NoReturn:
    """End the test, for the lab lacks something; *reason* says what to do about it."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


def have(what: Callable[[], T]) -> T:
    """What *what* returns, unless it cannot be had."""
    try:
        return what()
    except (MissingTool, Undecided) as missing:
        lacking(str(missing))


def bootable(name: str) -> KernelImage:
    """A kernel, and QEMU to boot it in."""
    if status(name) == "gone":
        pytest.skip(f"{name} is not to be had any more: recorded runs stand in for it")
    if shutil.which("qemu-system-x86_64") is None:
        lacking("no QEMU: apt-get install --no-install-recommends qemu-system-x86")
    return have(lambda: kernel_for(name))
