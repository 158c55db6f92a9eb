"""Kernel profiles: which policy and which switches make up each release.

A profile follows from its release, and from the table of switches
(:mod:`pfnlab.kernel.policies.switch_table`).

A kernel is an exact version, ``6.1.176``. A confirmed series (:data:`CONFIRMED`) by its bare name is the
newest version of it that is known (:mod:`pfnlab.kernel.policies.known_kernels`). Any other bare release is
mainline as it was released; the exact version, or ``with=COMMIT``, has what its stable series took over
later.
"""

from __future__ import annotations

from functools import cache

from pfnlab.kernel.mm.configuration import DISTRIBUTION
from pfnlab.kernel.mm.gather import Flushes
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.mm.walk_policy import Walkers
from pfnlab.kernel.policies.known_kernels import known_versions, newest_known
from pfnlab.kernel.policies.releases import CONFIRMED, RELEASES, is_version, series_of, version_key
from pfnlab.kernel.policies.switch_table import SWITCHES
from pfnlab.kernel.policies.switches import Backport, Era

#: The series goldens exist for.
SERIES = CONFIRMED

#: The seams with eras, as a machine's name says them. Of the walkers only smaps and numa_maps changed.
SEAMS = ("tracker", "flush", "walker")

#: The policies of each era, oldest first, then those that only stable series had.
ERAS = (
    Era("tracker", "vm_pat", "3.7", "b3b9c2932c32, rework linear pfn-mmap tracking; S3"),
    Era(
        "tracker",
        "track_ctx",
        "6.16",
        "convert VM_PFNMAP tracking to pfnmap_track() + pfnmap_untrack(); S4",
        before="vm_pat",
        after="6.15",
        commit="f8e97613fed2",
        catalogue="D01",
    ),
    Era("flush", "none", "2.6.29", "nothing forces a flush; S8.3"),
    Era(
        "flush",
        "end_vma",
        "5.19",
        "Force tlb-flush VM_PFNMAP vmas; S8.1.4",
        before="none",
        commit="b67fbebd4cf9",
        catalogue="B01",
    ),
    Era(
        "flush",
        "free_vmas",
        "6.16",
        "tlb_free_vmas() at the head of free_pgtables(); S8.1.5",
        before="end_vma",
        commit="bfe125f1b187",
        catalogue="B03",
    ),
    Era(
        "flush",
        "first_vma",
        "5.10.141",
        "Force TLB flush for PFNMAP mappings before unlink_file_vma()",
        before="none",
        commit="895428ee124a",
        catalogue="B02",
        only="5.10",
    ),
    Era(
        "flush",
        "first_vma",
        "5.15.65",
        "Force TLB flush for PFNMAP mappings before unlink_file_vma()",
        before="none",
        commit="526a9ce7e134",
        catalogue="B02",
        only="5.15",
    ),
    Era(
        "flush",
        "any_vma",
        "5.10.y",
        "Fix TLB flush for not-first PFNMAP mappings in unmap_region(), September 2022",
        before="first_vma",
        commit="891f03f688de",
        catalogue="B02",
        only="5.10",
    ),
    Era("walker", "page_test_skip", "3.10", "walk_page_range() avoids VM_PFNMAP areas; S7.5"),
    Era(
        "walker",
        "special_bits",
        "6.2",
        "walk_page_vma() without its VM_PFNMAP test; S7.5",
        before="page_test_skip",
        commit="c31783eeae7b",
        catalogue="F02",
    ),
)


def era_of(seam: str, version: str) -> Era:
    """The policy *version* has for *seam*: mainline's, or that of its stable series instead."""
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
    """The version whose rules *version* has: of a confirmed series the newest that is known."""
    if version in CONFIRMED:
        return newest_known(version) or version
    return version


@cache
def profile_of(version: str) -> Profile:
    """The profile of a series or an exact version, whether or not it is one of :data:`RELEASES`."""
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
    """The switches and policies of *version* that are only assumed, in the form of a machine's name."""
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
    """The profile in a report: its kernel, and how far it can be trusted."""
    if version in CONFIRMED:
        return f"profile {exact(version)}, the newest known of {version}"
    if version in known_versions():
        return f"profile {version}"
    guesses = assumed(version)
    says = f"profile {version}, not confirmed on a kernel"
    if series_of(version) in CONFIRMED:
        says = f"profile {version}, which nobody met: {_around(version)}"
    return says + (f" (assumed: {', '.join(guesses)})" if guesses else "")


def _around(version: str) -> str:
    """The known versions next to *version* in its series."""
    same_series = [known for known in known_versions() if series_of(known) == series_of(version)]
    older = [known for known in same_series if version_key(known) < version_key(version)]
    newer = [known for known in same_series if version_key(known) > version_key(version)]
    if older and newer:
        return f"{older[-1]} and {newer[0]} were"
    return f"{older[-1]} is the newest that was" if older else f"{newer[0]} is the oldest that was"


#: Every release's profile, oldest first.
PROFILES = {series: profile_of(series) for series in RELEASES}
