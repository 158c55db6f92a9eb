"""What distinguishes two kernels' rules: changes as a machine's name says them, and where each comes from."""

from __future__ import annotations

from pfnlab.policies.profiles import SWITCHES, profile_of
from pfnlab.policies.releases import series_of
from pfnlab.policies.switches import Switch

_BY_NAME = {switch.name: switch for switch in SWITCHES}


def changes_between(one: str, other: str) -> list[str]:
    """What turns the rules of version *one* into those of *other*, as ``fork_opens_first=on``."""
    first, second = profile_of(one), profile_of(other)
    changed = [
        f"{name}={'on' if getattr(second, name) else 'off'}"
        for name in _BY_NAME
        if getattr(first, name) != getattr(second, name)
    ]
    if first.tracker != second.tracker:
        changed.append(f"tracker={second.tracker}")
    if first.flushes != second.flushes:
        changed.append(f"flush={second.flushes}")
    if first.walkers != second.walkers:
        changed.append(f"walker={second.walkers.walk_page_vma}")
    return changed


def source_of(change: str, version: str) -> str:
    """Where a change comes from: the release that brought it, and what the series of *version* took over."""
    switch = _BY_NAME.get(change.partition("=")[0])
    if switch is None:
        return "another policy"
    own = [
        backport
        for backport in (*switch.stable, *switch.ended_stable)
        if series_of(backport.point) == series_of(version)
    ]
    if own:
        return "; ".join(f"{backport.point}: {backport.source}" for backport in own)
    return _dated(switch)


def _dated(switch: Switch) -> str:
    commit = f", commit {switch.commit}" if switch.commit else ""
    until = f" until {switch.until}" if switch.until else ""
    return f"since {switch.since}{until}: {switch.source}{commit}"
