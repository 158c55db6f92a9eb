"""One profile as text: every switch, and how certain its value is."""

from collections.abc import Iterator

from pfnlab.kernel.policies.profiles import SEAMS, described, era_of, exact
from pfnlab.kernel.policies.releases import is_version, series_of, version_key
from pfnlab.kernel.policies.switches import ERAS, SWITCHES, Era, Switch, briefly
from pfnlab.present.document.blocks import Block, Cell, Paragraph, cells, headed

#: The placeholder for a missing value.
NONE = "-"
_KNOWN = {True: "known", False: "assumed"}


def profile_blocks(version: str) -> Iterator[Block]:
    """Yield the output of `pfnlab policies show VERSION`: every switch, and how certain it is."""
    exact_version = exact(version)
    head = ("switch", "is", "since", "commit", "catalogue", "known", "by", "source")
    rows = []
    for seam in SEAMS:
        era = era_of(seam, exact_version)
        known = _KNOWN[all(era.known(exact_version) for era in ERAS if era.seam == seam)]
        by = briefly(era.known_by)
        rows.append(cells(seam, era.name, era.since, *origin(era), known, by, era.source))
    for switch in SWITCHES:
        state = "on" if switch.on(exact_version) else "off"
        since = " ".join((span(switch), *_points(switch, exact_version)))
        known = _KNOWN[switch.known(exact_version)]
        by = briefly(switch.known_by)
        rows.append(cells(switch.name, state, since, *origin(switch), known, by, switch.source))
    yield Paragraph(described(version))
    yield from headed("", head, rows, len(head))


def two_profiles(first: str, second: str) -> Iterator[Block]:
    """Yield the output of `pfnlab policies show VERSION VERSION`: the rows that differ, side by side."""
    versions = exact(first), exact(second)
    head = ("switch", *versions, "since", "commit", "catalogue", "known", "source")
    rows: list[tuple[Cell, ...]] = []
    same = 0
    for seam in SEAMS:
        eras = [era_of(seam, version) for version in versions]
        if eras[0].name == eras[1].name:
            same += 1
            continue
        newer = max(eras, key=lambda era: version_key(era.since) if is_version(era.since) else ())
        known = all(era.known(version) for era in ERAS if era.seam == seam for version in versions)
        names = eras[0].name, eras[1].name
        rows.append(cells(seam, *names, newer.since, *origin(newer), _KNOWN[known], newer.source))
    for switch in SWITCHES:
        states = ["on" if switch.on(version) else "off" for version in versions]
        if states[0] == states[1]:
            same += 1
            continue
        points = dict.fromkeys(point for version in versions for point in _points(switch, version))
        known = all(switch.known(version) for version in versions)
        since = " ".join((span(switch), *points))
        rows.append(cells(switch.name, *states, since, *origin(switch), _KNOWN[known], switch.source))
    yield from (Paragraph(described(first)), Paragraph(described(second)))
    yield from headed("", head, rows, len(head))
    yield Paragraph(f"{same} switches are the same" if rows else f"all {same} switches are the same")


def origin(source: Switch | Era) -> tuple[str, str]:
    """Return the commits that introduced and ended it, and its identifier in the catalogue."""
    ended = source.ended_by if isinstance(source, Switch) else None
    commit = " to ".join(filter(None, (source.commit, ended)))
    return commit or NONE, source.catalogue or NONE


def span(switch: Switch) -> str:
    """Return the releases that have it."""
    return switch.since if switch.until is None else f"{switch.since} until {switch.until}"


def _points(switch: Switch, version: str) -> list[str]:
    """Return the point releases in the version's series that backported the change, or its end."""
    points = [(one.point, f"({one.point})") for one in switch.stable]
    points += [(one.point, f"(until {one.point})") for one in switch.ended_stable]
    return [words for point, words in points if series_of(point) == series_of(version)]
