"""What distinguishes two kernels' rules: changes as a machine's name says them, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.mm.profile import Profile
from pfnlab.policies.profiles import ERAS, SEAMS, SWITCHES, profile_of
from pfnlab.policies.releases import series_of
from pfnlab.policies.switches import Era, Switch

_BY_NAME = {switch.name: switch for switch in SWITCHES}


def changes_between(one: str, other: str) -> list[str]:
    """What turns the rules of version *one* into those of *other*, as ``fork_opens_first=on``.

    Policies come first: a tracker brings its own way with the book, which switches then may change.
    """
    first, second = profile_of(one), profile_of(other)
    changed = [_policy(seam, _of(second, seam)) for seam in SEAMS if _of(first, seam) != _of(second, seam)]
    changed += [
        f"{name}={_word(getattr(second, name))}"
        for name in _BY_NAME
        if getattr(first, name) != getattr(second, name)
    ]
    return changed


def single_changes(version: str) -> Iterator[str]:
    """Every change that turns one switch of *version*, or gives it another policy that some kernel had."""
    profile = profile_of(version)
    for name in _BY_NAME:
        yield f"{name}={_word(not getattr(profile, name))}"
    for seam in SEAMS:
        names = dict.fromkeys(era.name for era in ERAS if era.seam == seam)
        yield from (_policy(seam, name) for name in names if name != _of(profile, seam))


def source_of(change: str, version: str) -> str:
    """Where a change comes from: the release that brought it, and what the series of *version* took over."""
    name, _, value = change.partition("=")
    switch = _BY_NAME.get(name)
    if switch is None:
        eras = [era for era in ERAS if value in (era.commit, era.name) and name in (era.seam, *_BY_COMMIT)]
        own = [era for era in eras if era.only == series_of(version)]
        return _brought((own or eras)[0])
    taken = [
        backport
        for backport in (*switch.stable, *switch.ended_stable)
        if series_of(backport.point) == series_of(version)
    ]
    if taken:
        return "; ".join(f"{backport.point}: {backport.source}" for backport in taken)
    return _dated(switch)


def is_of(change: str, series: str) -> bool:
    """Whether a point release of *series* is known to have made that change."""
    switch = _BY_NAME.get(change.partition("=")[0])
    points = () if switch is None else (*switch.stable, *switch.ended_stable)
    return any(series_of(backport.point) == series for backport in points)


#: What a machine's name says of a walker: that of one place is had by its commit only.
_BY_COMMIT = ("with", "without")


def _policy(seam: str, name: str) -> str:
    if seam != "walker":
        return f"{seam}={name}"
    # walker=NAME would be all walkers; over the releases only walk_page_vma() changed, and by one commit.
    (era,) = (era for era in ERAS if era.seam == seam and era.before is not None)
    return f"with={era.commit}" if era.name == name else f"without={era.commit}"


def _of(profile: Profile, seam: str) -> str:
    policies = {"tracker": profile.tracker, "flush": profile.flushes}
    return policies.get(seam, profile.walkers.walk_page_vma)


def _word(on: bool) -> str:
    return "on" if on else "off"


def _brought(era: Era) -> str:
    commit = f", commit {era.commit}" if era.commit else ""
    return f"since {era.since}: {era.source}{commit}"


def _dated(switch: Switch) -> str:
    commit = f", commit {switch.commit}" if switch.commit else ""
    until = f" until {switch.until}" if switch.until else ""
    until += f" (commit {switch.ended_by})" if switch.ended_by else ""
    return f"since {switch.since}{until}: {switch.source}{commit}"
