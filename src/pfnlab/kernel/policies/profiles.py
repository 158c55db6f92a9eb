"""Kernel profiles: the policies and switches of each release.

A profile is derived from the release and the table of switches (``switches.toml``).

A kernel is named by its exact version, ``6.1.176``. The name of a confirmed series alone (:data:`CONFIRMED`)
means its newest known version (:mod:`pfnlab.kernel.policies.known_kernels`). Any other release alone means
mainline at that release; an exact version, or ``with=COMMIT``, adds what its stable series backported later.
"""

from functools import cache

from pfnlab.kernel.mm.configuration import DISTRIBUTION
from pfnlab.kernel.mm.gather import Flushes
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.mm.walk_policy import Walkers
from pfnlab.kernel.policies.known_kernels import known_versions, newest_known
from pfnlab.kernel.policies.releases import CONFIRMED, RELEASES, is_version, series_of, version_key
from pfnlab.kernel.policies.switches import ERAS, SWITCHES, Backport, Era

#: The series that have goldens.
SERIES = CONFIRMED

#: The seams that have eras, as in machine names. Among walkers, only smaps and numa_maps ever changed.
SEAMS = ("tracker", "flush", "walker")


def era_of(seam: str, version: str) -> Era:
    """The policy that *version* has for *seam*: mainline's, unless its stable series has a different one."""
    mainline = [era for era in ERAS if era.seam == seam and era.reached(version)][-1]
    if version == series_of(version):
        return mainline
    stable = [
        era
        for era in ERAS
        if (era.seam, era.only) == (seam, series_of(version))
        and is_version(era.since)
        and Backport(era.since, era.source).reached(version)
    ]
    return stable[-1] if stable else mainline


def exact(version: str) -> str:
    """The version whose rules apply to *version*; for a confirmed series, the newest known one."""
    if version in CONFIRMED:
        return newest_known(version) or version
    return version


@cache
def profile_of(version: str) -> Profile:
    """The profile of a series or an exact version, even one not in :data:`RELEASES`."""
    version = exact(version)
    return Profile(
        series=series_of(version),
        version=version,
        tracker=era_of("tracker", version).name,
        flushes=Flushes.all(era_of("flush", version).name),
        walkers=Walkers(
            folio_walk_start="special_bits",
            walk_page_vma=era_of("walker", version).name,
            walk_page_range="page_test_skip",
            get_user_pages="early_refusal",
        ),
        freed_in_vain="pr_info",
        configuration=DISTRIBUTION,
        **{switch.name: switch.on(version) for switch in SWITCHES},
    )


def assumed(version: str) -> list[str]:
    """The switches and policies of *version* that are only assumed, written as in a machine name."""
    version = exact(version)
    unsure = [
        f"{seam}={era_of(seam, version).name}"
        for seam in SEAMS
        if not all(era.known(version) for era in ERAS if era.seam == seam)
    ]
    unsure += [
        f"{switch.name}={'on' if switch.on(version) else 'off'}"
        for switch in SWITCHES
        if not switch.known(version)
    ]
    return unsure


@cache
def described(version: str) -> str:
    """A profile as reports describe it: its kernel, and how far it can be trusted."""
    if version in CONFIRMED:
        return f"profile {exact(version)}, the newest known of {version}"
    if version in known_versions():
        return f"profile {version}"
    guesses = assumed(version)
    says = f"profile {version}, not confirmed on a kernel"
    if series_of(version) in CONFIRMED:
        says = f"profile {version}, not compared with a kernel; {_around(version)}"
    return says + (f" (assumed: {', '.join(guesses)})" if guesses else "")


def _around(version: str) -> str:
    """The known versions on either side of *version* in its series."""
    same_series = [known for known in known_versions() if series_of(known) == series_of(version)]
    older = [known for known in same_series if version_key(known) < version_key(version)]
    newer = [known for known in same_series if version_key(known) > version_key(version)]
    if older and newer:
        return f"{older[-1]} and {newer[0]} were compared"
    return f"{older[-1]} is the newest compared" if older else f"{newer[0]} is the oldest compared"


#: The profiles of all releases, oldest first.
PROFILES = {series: profile_of(series) for series in RELEASES}
