"""The differences between two kernels' rules, as changes in a machine name, with sources and programs."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from pfnlab.base.toml_text import package_toml
from pfnlab.kernel.policies.profiles import SEAMS, profile_of
from pfnlab.kernel.policies.releases import series_of
from pfnlab.kernel.policies.seams import policy_of
from pfnlab.kernel.policies.switches import ERAS, SWITCHES, Era, Switch

_BY_NAME = {switch.name: switch for switch in SWITCHES}


def changes_between(before: str, after: str) -> list[str]:
    """The changes that turn the rules of *before* into those of *after*, e.g. ``fork_opens_first=on``.

    Policies come first, because the tracker determines how the memtype list is used;
    switches may then change that.
    """
    first, second = profile_of(before), profile_of(after)
    changes = [
        _policy(seam, policy_of(second, seam))
        for seam in SEAMS
        if policy_of(first, seam) != policy_of(second, seam)
    ]
    changes += [
        f"{name}={_word(getattr(second, name))}"
        for name in _BY_NAME
        if getattr(first, name) != getattr(second, name)
    ]
    return changes


def single_changes(version: str) -> Iterator[str]:
    """Every change to *version* that flips one switch, or uses another policy that some kernel has."""
    profile = profile_of(version)
    for name in _BY_NAME:
        yield f"{name}={_word(not getattr(profile, name))}"
    for seam in SEAMS:
        names = dict.fromkeys(era.name for era in ERAS if era.seam == seam)
        yield from (_policy(seam, name) for name in names if name != policy_of(profile, seam))


def source_of(change: str, version: str) -> str:
    """The source of a change: the release that introduced it, or the backport in *version*'s series."""
    switch = _BY_NAME.get(change.partition("=")[0])
    if switch is None:
        eras = _eras_of(change)
        stable = [era for era in eras if era.only == series_of(version)]
        return _era_source((stable or eras)[0])
    backports = [
        backport
        for backport in (*switch.stable, *switch.ended_stable)
        if series_of(backport.point) == series_of(version)
    ]
    if backports:
        return "; ".join(f"{backport.point}: {backport.source}" for backport in backports)
    return _switch_source(switch)


def description_of(change: str) -> str:
    """A full description of a change: the behaviour, its source, and the titles of its backports."""
    switch = _BY_NAME.get(change.partition("=")[0])
    if switch is None:
        return "; ".join(era.source for era in _eras_of(change))
    backports = (backport.source for backport in (*switch.stable, *switch.ended_stable))
    return "; ".join(dict.fromkeys((switch.says, switch.source, *backports)))


class Origin(NamedTuple):
    """The origin of a change.

    :ivar commit: 12 digits; None if unknown
    :ivar catalogue: its entry in the bug catalogue; None if it has none
    """

    commit: str | None
    catalogue: str | None


def origin_of(change: str) -> Origin:
    """The commit and the bug behind a change; for a switch being turned off, the commit that ended it."""
    name, _, value = change.partition("=")
    switch = _BY_NAME.get(name)
    if switch is not None:
        ended = switch.until is not None and value == "off"
        return Origin(switch.ended_by if ended else switch.commit, switch.catalogue)
    era = _eras_of(change)[0]
    return Origin(era.commit, era.catalogue)


def field_of(change: str) -> str:
    """The profile field that a change sets."""
    name = change.partition("=")[0]
    return {"flush": "flushes", "walker": "walkers", **dict.fromkeys(_BY_COMMIT, "walkers")}.get(name, name)


def _eras_of(change: str) -> list[Era]:
    name, _, value = change.partition("=")
    return [era for era in ERAS if value in (era.commit, era.name) and name in (era.seam, *_BY_COMMIT)]


def is_of(change: str, series: str) -> bool:
    """True if a point release in *series* is known to have made that change."""
    switch = _BY_NAME.get(change.partition("=")[0])
    points = () if switch is None else (*switch.stable, *switch.ended_stable)
    return any(series_of(backport.point) == series for backport in points)


#: A machine name can change the walker of a single place only through its commit.
_BY_COMMIT = ("with", "without")


def _policy(seam: str, name: str) -> str:
    if seam != "walker":
        return f"{seam}={name}"
    # walker=NAME would change all walkers, but between releases only walk_page_vma() ever
    # changed, in one commit.
    (era,) = (era for era in ERAS if era.seam == seam and era.before is not None)
    return f"with={era.commit}" if era.name == name else f"without={era.commit}"


def _word(on: bool) -> str:
    return "on" if on else "off"


def _era_source(era: Era) -> str:
    commit = f", commit {era.commit}" if era.commit else ""
    return f"since {era.since}: {era.source}{commit}"


def _switch_source(switch: Switch) -> str:
    commit = f", commit {switch.commit}" if switch.commit else ""
    until = f" until {switch.until}" if switch.until else ""
    until += f" (commit {switch.ended_by})" if switch.ended_by else ""
    return f"since {switch.since}{until}: {switch.source}{commit}"


#: The programs that show each change. ``python tools/find_shown.py --write`` writes them, after running every
#: program on the models of all confirmed series, with and without each change.
FILE = "shown_by.toml"


def programs_of(change: str) -> tuple[str, ...]:
    """The programs known to show a change, shortest first.

    :param change: as in a machine name: ``mseal=off``, ``tracker=track_ctx``, ``with=c31783eeae7b``
    """
    return tuple(_shown().get(key_of(change), ()))


def key_of(change: str) -> str:
    """The key of a change: for a switch, the same in both directions."""
    name, _, value = change.partition("=")
    return name if value in ("on", "off") else value


@cache
def _shown() -> dict[str, list[str]]:
    return package_toml(__package__, FILE)
