"""Versions that no kernel has: releases that never existed, or that are newer than any known here."""

from functools import cache

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.kernel_name import KernelName, kernel_name, release_key
from pfnlab.kernel.bugs.known_bugs import all_bugs
from pfnlab.kernel.policies.known_kernels import known_versions
from pfnlab.kernel.policies.releases import RELEASES

#: The last minor release of each major version that has ended.
_LAST_MINOR = {"2.6": 39, "3": 19, "4": 20, "5": 19, "6": 19}

#: The last kernel.org point release of each finished series, where a public text states it: the end of 4.19,
#: and a table of releases. For other series, the newest point release known here is used.
_LAST_POINT = {"4.19": 325, "6.8": 12, "6.9": 12, "6.10": 14, "6.11": 11}


def never_released(kernel: KernelName) -> str:
    """The reason no kernel has this version, e.g. ``the last 3.x is 3.19``; empty if one may.

    Package point releases are not checked: distributions continue series that have ended upstream.
    """
    major, minor = _parts(kernel.release)
    last = _LAST_MINOR.get(major)
    if last is not None and minor > last:
        return f"the last {major}.x is {major}.{last}"
    if major not in _LAST_MINOR and release_key(kernel.release) < release_key("7.0"):
        return "there was no such series"
    point = _LAST_POINT.get(kernel.release)
    if not kernel.packaged and point is not None and (kernel.point or 0) > point:
        return f"the last {kernel.release}.y on kernel.org is {kernel.release}.{point}"
    return ""


def released_kernel(text: str) -> KernelName:
    """The kernel that *text* names.

    :raises Misuse: if it is not a version, or no kernel has that version
    """
    name = kernel_name(text)
    if why := never_released(name):
        raise Misuse(f"{name.text} is not a known kernel: {why}")
    return name


def newer_than_known(kernel: KernelName) -> str:
    """The newest version known here, if *kernel* is newer than that: ``7.4`` for 9.1,
    ``6.12.118`` for 6.12.999.

    Package point releases are not checked.
    """
    newest = _newest_release()
    if release_key(kernel.release) > release_key(newest):
        return newest
    point = _LAST_POINT.get(kernel.release) or _newest_points().get(kernel.release, 0)
    newer = not kernel.packaged and point and (kernel.point or 0) > point
    return f"{kernel.release}.{point}" if newer else ""


def is_future(kernel: KernelName) -> bool:
    """True if the kernel's release is newer than any known here, so that no dates apply to it."""
    return release_key(kernel.release) > release_key(_newest_release())


def _parts(release: str) -> tuple[str, int]:
    major, _, minor = release.rpartition(".")
    return major, int(minor)


@cache
def _newest_release() -> str:
    named = (one.mended for one in all_bugs() if one.mended)
    return max((*RELEASES, *named), key=release_key)


@cache
def _newest_points() -> dict[str, int]:
    found: dict[str, int] = {}
    dated = (point.version for one in all_bugs() for point in (*one.stable, *one.came))
    for version in (*known_versions(), *dated):
        series, _, point = version.rpartition(".")
        if point.isdigit():
            found[series] = max(found.get(series, 0), int(point))
    return found
