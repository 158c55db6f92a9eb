"""Kernel versions in any of their usual forms: upstream, distribution, ``uname -r``."""

import re

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.kernel.bugs.distributions import Distribution, distribution_of
from pfnlab.kernel.policies.known_kernels import version_of_release
from pfnlab.kernel.policies.releases import is_version, version_key

#: 2.6.32 is a release, so its point release is the fourth number; in all other versions it is the third.
_NAMED = re.compile(
    r"v?(?P<release>2\.6\.[0-9]{1,3}|(?!2\.6)[0-9]{1,3}\.[0-9]{1,3})(?:\.(?P<point>[0-9]{1,4}))?"
    r"(?:[-~]rc(?P<candidate>[0-9]{1,3}))?(?P<rest>(?:\.[0-9]{1,4}(?=$|-|\.[a-z]))?(?![0-9.,]).*)?"
)

#: The release that a distribution's kernel was built from, after its name.
_IN_BRACKETS = re.compile(r" \((?P<release>[0-9]+\.[0-9]+)\.(?P<point>[0-9]{1,4})\)$")

#: A point release, for messages.
_EXAMPLE = 147

#: The number of characters of a version that are read.
_MOST = 200


class KernelName(msgspec.Struct, frozen=True):
    """A kernel, identified by its version.

    :param text: the input, with control characters made harmless
    :param release: the mainline release it is based on: ``6.1``, ``2.6.32``
    :param point: the stable point release; 0 for the release itself, None if the text does not show it,
        e.g. ``5.15.0-91-generic``
    :param candidate: the number of a release candidate, or None
    :param packaged: more text follows the version: the kernel is a package or private build,
        and may have extra commits
    :param distribution: the distribution, if the version shows it
    """

    text: str
    release: str
    point: int | None
    candidate: int | None = None
    packaged: bool = False
    distribution: Distribution | None = None

    @property
    def mainline(self) -> tuple[int, ...]:
        """Its position in mainline, as returned by :func:`release_key`; a point release has the
        position of its release.
        """
        if self.candidate is not None:
            return (*release_key(self.release)[:3], -1, self.candidate)
        return release_key(self.release)


def release_key(release: str) -> tuple[int, ...]:
    """Convert a mainline release to sortable numbers: ``6.16``, ``2.6.29``, ``5.5-rc1``, or
    ``6.15-rc`` for any candidate.

    :raises ValueError: if it is not a release
    """
    match = re.fullmatch(r"(?P<release>[0-9.]+)(?P<candidate>-rc(?P<number>[0-9]*))?", release)
    if match is None:
        raise ValueError(release)
    numbers = [int(part) for part in match["release"].split(".")]
    # Except in 2.6.x, the third number is not part of the mainline release.
    numbers = [*numbers, 0][:3] if numbers[:2] == [2, 6] else [*numbers[:2], 0]
    if match["candidate"]:
        return (*numbers, -1, *([int(match["number"])] if match["number"] else []))
    return (*numbers, 0)


def kernel_name(text: str) -> KernelName:
    """Parse a kernel name: ``6.1.85``, ``6.1.176-1``, ``6.12.117+deb13-cloud-amd64``, ``7.3-rc7``.

    A ``uname -r`` that hides the point release (``6.1.0-56-cloud-amd64``) is looked up among the known
    kernels, unless the release follows it: ``6.8.0-45-generic (6.8.12)``.

    :raises Misuse: if *text* does not start like a version
    """
    shown = visible_name(text.strip()[:_MOST])
    match = _NAMED.fullmatch(text.strip()[:_MOST])
    if match is None:
        raise Misuse(
            f"{shown!r} is not a kernel version: write 6.1.85, 6.12.107-1, or the output of `uname -r`"
        )
    packaged = bool(match["rest"])
    distribution = distribution_of(match["rest"] or "")
    point: int | None = int(match["point"] or 0)
    if packaged and point == 0 and match["candidate"] is None:
        point = _hidden_point(text.strip())
    candidate = int(match["candidate"]) if match["candidate"] is not None else None
    return KernelName(shown, match["release"], point, candidate, packaged, distribution)


def version_named(text: str) -> str:
    """The version as used in machine names: ``6.12.117`` for ``6.12.117+deb13-cloud-amd64``, ``7.3-rc7`` for
    ``7.3~rc7-1~exp1``; a series is returned unchanged.

    :raises Misuse: if *text* does not start like a version, or hides its point release,
        like ``5.15.0-91-generic``
    """
    name = kernel_name(text)
    if is_version(text.strip()):
        return text.strip()
    if name.candidate is not None:
        return f"{name.release}-rc{name.candidate}"
    if name.point is None:
        raise Misuse(
            f"{name.text!r} does not say its point release: write the version it was made of, as "
            f"{name.release}.{_EXAMPLE}"
        )
    return f"{name.release}.{name.point}"


def _hidden_point(text: str) -> int | None:
    """The point release that a distribution's kernel name hides; None if unknown."""
    said = _IN_BRACKETS.search(text)
    if said is not None and text.startswith(f"{said['release']}."):
        return int(said["point"])
    version = version_of_release(text)
    if not is_version(version):
        return None
    point = version_key(version)[2]
    # Package 7.3-1 is the release itself; 7.3.0-1-amd64 does not show which point release it is.
    return point if point > 0 else 0 if re.match(r"[0-9]+\.[0-9]+(?![0-9.])", text) else None
