"""The mainline releases that have a profile, those confirmed on kernels, and comparing versions.

A *series* is ``6.1``; a *version* is one kernel in it: ``6.1.176``, ``7.3-rc7``, or ``7.3.0`` for the release
itself. The version of a distribution package (``6.1.176-1``, ``7.3~rc7-1~exp1``) is a *package version*.
"""

import re
from functools import cache
from itertools import pairwise

#: The series whose profile has been compared with kernels, oldest first.
CONFIRMED = ("6.1", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3")

#: Every release that has a profile, oldest first.
RELEASES = (
    *("5.10", "5.15"),
    *(f"6.{minor}" for minor in range(1, 20)),
    *(f"7.{minor}" for minor in range(4)),
)


_VERSION = re.compile(r"(?P<series>[0-9]+\.[0-9]+)(?:\.(?P<point>[0-9]+)|-rc(?P<candidate>[0-9]+))?")
_PACKAGED = re.compile(r"(?P<version>[0-9]+\.[0-9]+(?:\.[0-9]+)?)(?:~rc(?P<candidate>[0-9]+))?(?![0-9.])")


def is_version(text: str) -> bool:
    """True if *text* is a series or a version."""
    return _VERSION.fullmatch(text) is not None


def is_series(text: str) -> bool:
    """True if *text* is a series, not a version."""
    return is_version(text) and series_of(text) == text


def series_of(version: str) -> str:
    """The series of a version: ``6.1`` for ``6.1.176``, ``7.3`` for ``7.3-rc7``."""
    match = _VERSION.match(version)
    return match["series"] if match else version


@cache
def version_key(version: str) -> tuple[int, ...]:
    """A version as numbers that sort: candidates before the release, point releases after it.

    :raises ValueError: if it is not a version
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(version)
    major, minor = series_key(match["series"])
    if match["candidate"] is not None:
        return major, minor, -1, int(match["candidate"])
    return major, minor, int(match["point"] or 0)


def upstream(package_version: str) -> str:
    """The upstream version of a package: ``6.1.192`` for ``6.1.192-2``, ``7.3-rc7`` for ``7.3~rc7-1~exp1``,
    ``7.3.0`` for ``7.3-1``; empty if the text does not start with a version.
    """
    match = _PACKAGED.match(package_version)
    if match is None:
        return ""
    if match["candidate"] is not None:
        return f"{match['version']}-rc{match['candidate']}"
    return match["version"] if match["version"].count(".") == 2 else f"{match['version']}.0"


@cache
def series_key(series: str) -> tuple[int, ...]:
    """A series as numbers that sort, with 6.9 before 6.12."""
    return tuple(int(part) for part in series.split("."))


def confirmed_before(series: str) -> str | None:
    """The confirmed series before *series*; None if *series* is the oldest or is not confirmed."""
    return next((older for older, newer in pairwise(CONFIRMED) if newer == series), None)


def between(older: str, newer: str) -> tuple[str, ...]:
    """The releases with a profile that lie strictly between two others."""
    return tuple(
        release for release in RELEASES if series_key(older) < series_key(release) < series_key(newer)
    )
