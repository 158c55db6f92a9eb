"""A kernel's rules without one of its bugs: the commit behind the bug is applied or removed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.known_bugs import Bug
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.policies.commits import known_commits, with_commit, without_commit
from pfnlab.kernel.policies.seams import with_policy
from pfnlab.kernel.policies.switches import SWITCHES


def without_bug(bug: Bug, profile: Profile) -> Profile | None:
    """*profile* without *bug*; None if it does not have it, or if no change of a profile removes it.

    A switch is preferred to a policy, which removes more than one bug.
    """
    if profile.tracker in bug.designs:
        return with_policy(profile, "tracker", bug.designs[profile.tracker])
    mended = _changed(with_commit, profile, bug.commit)
    if mended is None and bug.commit in known_commits():
        return None
    found = [mended, _changed(without_commit, profile, bug.introduced)]
    if not bug.commit:
        found += [flipped(profile, switch.name) for switch in SWITCHES if switch.catalogue == bug.number]
    there = [one for one in found if one is not None]
    return next((one for one in there if keeps_policies(one, profile)), next(iter(there), None))


def in_profiles(bug: Bug) -> bool:
    """True if a switch or policy of profiles is behind one of the bug's commits."""
    return not known_commits().keys().isdisjoint((bug.commit, bug.introduced))


def flipped(profile: Profile, switch: str) -> Profile:
    """*profile* with one switch the other way."""
    change: dict[str, Any] = {switch: not getattr(profile, switch)}
    return replace(profile, **change)


def keeps_policies(changed: Profile, profile: Profile) -> bool:
    """True if two profiles differ in switches alone."""
    return (changed.tracker, changed.flushes, changed.walkers) == (
        profile.tracker,
        profile.flushes,
        profile.walkers,
    )


def _changed(change: Callable[[Profile, str], Profile], profile: Profile, commit: str) -> Profile | None:
    """*profile* after *change*; None if it is so already, or no switch or policy is behind *commit*."""
    try:
        changed = change(profile, commit)
    except Misuse:
        return None
    other = any(
        switch.tracker not in (None, profile.tracker)
        for switch in SWITCHES
        if commit in (switch.commit, switch.ended_by)
    )
    return None if other else changed
