"""The known kernels, one line each, with the results of comparing them with the model.

``pfnlab kernels meet --promote`` writes them, oldest first.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import write_whole
from pfnlab.base.result import Count
from pfnlab.kernel.policies.releases import is_version, series_of, upstream, version_key

FORMAT = "pfnlab-known/1"

#: The file, one JSON object per line.
KNOWN = Path(str(files("pfnlab.kernel.policies").joinpath("known_kernels.jsonl")))

_RELEASE = re.compile(r"[0-9]+\.[0-9]+(?:\.(?P<point>[0-9]+))?")


class HeldCount(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The result of one comparison with the model.

    :param programs: number of programs that both machines ran
    :param steps: number of their steps that were compared
    :param undecided: number of programs not compared because headers, modules or a rule are missing
    :param differences: number of programs in which the model and the kernel differed
    :param unexplained: number of these that no switch explains
    :param seed: the seed for the random programs
    """

    programs: Count
    steps: Count
    undecided: Count = 0
    differences: Count = 0
    unexplained: Count = 0
    seed: int | None = None


def programs_in(held: Mapping[str, HeldCount]) -> int:
    """Number of programs that both machines ran, over all kinds in *held*."""
    return sum(count.programs for count in held.values())


def steps_in(held: Mapping[str, HeldCount]) -> int:
    """Number of steps compared in these programs; steps with an order count as one of them."""
    return sum(count.steps for name, count in held.items() if name != "orders")


class KnownKernel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A kernel that has been compared with the model of its version.

    :param version: the upstream version: ``6.12.107``
    :param package_version: the distribution's version, ``6.12.107-1``
    :param release: the output of ``uname -r``
    :param sha256: the hash of its vmlinuz
    :param met: the date of the comparison, e.g. ``2026-11-21``
    :param held: the counts for each comparison: ``litmus``, ``walkers``, ``orders``,
        ``random``, ``schedules``
    :param titles: the relevant stable commits since the previous known kernel in its series,
        each as ``6.12.107: title``
    """

    version: str
    package: str
    package_version: str
    release: str
    sha256: str
    suite: str
    met: str
    held: dict[str, HeldCount]
    titles: tuple[str, ...] = ()
    format: str = FORMAT

    @property
    def series(self) -> str:
        """``6.12`` for ``6.12.107``."""
        return series_of(self.version)


@cache
def known_kernels() -> tuple[KnownKernel, ...]:
    """All known kernels, oldest first."""
    return tuple(_read(KNOWN))


def known_packages() -> tuple[str, ...]:
    """The package versions of all known kernels, oldest first."""
    return tuple(kernel.package_version for kernel in known_kernels())


@cache
def known_versions() -> tuple[str, ...]:
    """All known exact versions, oldest first."""
    return tuple(dict.fromkeys(map(upstream, known_packages())))


def newest_known(series: str) -> str | None:
    """The newest known version of *series*, or None."""
    return next((version for version in reversed(known_versions()) if series_of(version) == series), None)


def nearest(version: str) -> str | None:
    """The known version whose rules apply to *version*.

    This is the newest in its series that is not newer, or else the oldest in its series; if none in its
    series is known, it is the newest known version before it.
    """
    key = version_key(version)
    same = [known for known in known_versions() if series_of(known) == series_of(version)]
    older = [known for known in same or known_versions() if version_key(known) <= key]
    return older[-1] if older else next(iter(same), None)


def version_of_release(release: str) -> str:
    """The version in a ``uname -r``, e.g. ``6.12.107`` for ``6.12.107+deb13-cloud-amd64``, or in a version.

    A release such as ``6.1.0-56-cloud-amd64`` contains no version, so it is looked up among the known
    kernels; if it is not found, the result is its series.
    """
    if is_version(release):
        return release
    match = _RELEASE.match(release)
    if match is None:
        return release
    if int(match["point"] or 0) > 0:
        return match[0]
    return next(
        (kernel.version for kernel in known_kernels() if kernel.release == release), series_of(match[0])
    )


def known_titles(first: str, second: str) -> tuple[str, ...]:
    """The titles of stable commits between two versions in a series, collected from its known kernels.

    Empty if the two are in different series.
    """
    if series_of(first) != series_of(second):
        return ()
    older, newer = sorted(map(version_key, (first, second)))
    titles = dict.fromkeys(
        title
        for kernel in known_kernels()
        if kernel.series == series_of(first)
        for title in kernel.titles
        if older < version_key(title.partition(":")[0]) <= newer
    )
    return tuple(titles)


def write_known(path: Path, known: KnownKernel) -> None:
    """Write *known* as a line in the file at *path*, replacing an older line for it.

    :raises Misuse: if the file is damaged
    """
    kernels = {kernel.package_version: kernel for kernel in (_read(path) if path.exists() else ())}
    kernels[known.package_version] = known
    lines = msgspec.json.Encoder().encode_lines(kernels[name] for name in sorted(kernels, key=_order))
    write_whole(path, lines)
    known_kernels.cache_clear()
    known_versions.cache_clear()


def _read(path: Path) -> list[KnownKernel]:
    try:
        return msgspec.json.Decoder(KnownKernel).decode_lines(path.read_bytes())
    except msgspec.DecodeError as damage:
        raise Misuse(f"{path} is damaged: {damage}; restore it from pfnlab") from damage


def _order(package_version: str) -> tuple[tuple[int, ...], str]:
    # Revisions of one version differ in a digit; a rebuild (~deb12u1) sorts before its original.
    return version_key(upstream(package_version)), package_version.replace("~", "\0") + "\1"
