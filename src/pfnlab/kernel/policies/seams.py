"""A profile's seams and policies: from this package, from eras of vm_pat, or from a user's file."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pfnlab.base.errors import Misuse
from pfnlab.base.spelling import guess
from pfnlab.kernel.mm.gather import Flushes
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.mm.walk_policy import Walkers
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.own import is_path, load_policy
from pfnlab.kernel.policies.releases import series_key
from pfnlab.kernel.policies.switches import SWITCHES
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.walkers import WALKERS

#: This package's policies by seam and name, each with its constructor for a kernel.
POLICIES: dict[str, Mapping[str, Callable[..., Any]]] = {
    "tracker": TRACKERS,
    "flush": FLUSHES,
    "walker": WALKERS,
}

#: vm_pat as it was at the end of each era, by name, with what characterizes the era: the same tracker with
#: the fixes it had by then. Every switch that it reads is as it was in mainline, on any profile.
VM_PAT_ERAS = {
    "vm_pat@3.7": "as it began: a free takes whole entries only, every copy carries the flag",
    "vm_pat@4.5": "a free may shrink an entry with the same end; a move takes the flag along (A12, A13)",
    "vm_pat@6.9": "a copied first page no longer hides the pfn, but fork fails for it (A01, A02)",
    "vm_pat@6.14.2": "a fork that fails undoes its own; a split loses its new half instead (A04, A16)",
    "vm_pat@6.15": "all repairs it ever had",
}

#: Tracker switches other than those that only the tracker reads.
_ALSO = ("end_match", "failed_remap_zaps")

#: The places in each seam that may have a policy of their own: ``walker.folio_walk_start=early_refusal``.
PLACES: dict[str, tuple[str, ...]] = {"flush": Flushes._fields, "walker": Walkers._fields}


def policy_names(seam: str) -> tuple[str, ...]:
    """This package's policies for *seam*; a tracker may be an era of vm_pat."""
    return tuple(sorted([*TRACKERS, *VM_PAT_ERAS]) if seam == "tracker" else POLICIES[seam])


def policy_of(profile: Profile, seam: str) -> str:
    """The policy that *profile* has for a seam.

    For walkers, this is the one in walk_page_vma(), the only place that ever changed; for
    flushes, the one for munmap.
    """
    policies = {"tracker": profile.tracker, "flush": profile.flushes.munmap}
    return policies.get(seam, profile.walkers.walk_page_vma)


def seam_and_place(name: str) -> tuple[str, str | None] | None:
    """The seam called *name*, plus the place if *name* is ``SEAM.PLACE``; None if it is not a seam.

    :raises Misuse: if the seam has no such place
    """
    seam, dot, place = name.partition(".")
    if seam not in POLICIES:
        return None
    if not dot:
        return seam, None
    if seam not in PLACES:
        raise Misuse(f"a {seam} is one for all places: write {seam}=POLICY")
    if place not in PLACES[seam]:
        places = ", ".join(PLACES[seam])
        raise Misuse(
            f"{seam} has no place {place!r}: {guess(place, PLACES[seam])}there are {places}, e.g. "
            f"{seam}.{PLACES[seam][0]}=POLICY"
        )
    return seam, place


def with_policy(profile: Profile, seam: str, name: str, place: str | None = None) -> Profile:
    """*profile* with the policy *name*, a file or an existing one; a tracker brings the memtype
    list of its time with it.

    :param place: the place in :data:`PLACES` that gets the policy; None for all
    :raises Misuse: if there is no such policy, or the file has none for *seam*
    """
    if is_path(name):
        make = load_policy(name, seam).make
    elif seam == "tracker" and name in VM_PAT_ERAS:
        switches: dict[str, Any] = era_switches(name)
        return replace(profile, tracker="vm_pat", **switches)
    elif name in POLICIES[seam]:
        make = POLICIES[seam][name]
    else:
        noun = "flush placement" if seam == "flush" else seam
        names = [*POLICIES[seam], *(VM_PAT_ERAS if seam == "tracker" else ())]
        raise Misuse(
            f"there is no {noun} {name!r}: {guess(name, names)}there are {', '.join(names)}, and files that "
            "end in .py"
        )
    if seam == "tracker":
        return replace(profile, tracker=name, end_match=getattr(make, "END_MATCH", False))
    if seam == "flush":
        flushes = profile.flushes._replace(**{place: name}) if place else Flushes.all(name)
        return replace(profile, flushes=flushes)
    return replace(profile, walkers=profile.walkers._replace(**{place: name}) if place else Walkers.all(name))


def era_switches(name: str) -> dict[str, bool]:
    """The switches in the era *name*, one of :data:`VM_PAT_ERAS`: ``vm_pat@4.5``."""
    release = series_key(name.partition("@")[2])
    return {
        switch.name: (
            _reached(switch.since, release)
            or any(_reached(backport.point, release) for backport in switch.stable)
        )
        and not (switch.until and _reached(switch.until, release))
        for switch in SWITCHES
        if switch.tracker == "vm_pat" or switch.name in _ALSO
    }


def _reached(since: str, release: tuple[int, ...]) -> bool:
    """True if *release* is *since* or later; a point release counts only within its own series."""
    first = series_key(since)
    if len(first) == 3 and first[0] > 2:
        return release[:2] == first[:2] and release >= first
    return release >= first
