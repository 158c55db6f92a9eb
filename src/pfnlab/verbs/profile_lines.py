"""One profile as text: every switch, and how certain its value is."""

from collections.abc import Iterator, Sequence

from pfnlab.kernel.policies.profiles import SEAMS, described, era_of, exact
from pfnlab.kernel.policies.releases import is_version, series_of, version_key
from pfnlab.kernel.policies.switches import ERAS, SWITCHES, Era, Switch, briefly
from pfnlab.present.document.blocks import Block, Paragraph, cells, headed

#: The placeholder for a missing value.
NONE = "-"
_KNOWN = {True: "known", False: "assumed"}


def profile_blocks(*versions: str) -> Iterator[Block]:
    """Yield the output of `pfnlab policies show VERSION`: every switch, and how certain it is.

    Of two versions, the rows that differ, side by side.
    """
    exacts, is_one = list(map(exact, versions)), len(versions) == 1
    by = ("by",) if is_one else ()
    head = (
        "switch",
        *(("is",) if is_one else exacts),
        "since",
        "commit",
        "catalogue",
        "known",
        *by,
        "source",
    )
    rows, same = [], 0
    for name, source, values, since, known in _switch_values(exacts):
        if not is_one and len({*values}) == 1:
            same += 1
            continue
        known_by = (briefly(source.known_by),) if is_one else ()
        rows.append(cells(name, *values, since, *origin(source), _KNOWN[known], *known_by, source.source))
    yield from (Paragraph(described(version)) for version in versions)
    yield from headed("", head, rows, len(head))
    if not is_one:
        yield Paragraph(f"{same} switches are the same" if rows else f"all {same} switches are the same")


def _switch_values(versions: Sequence[str]) -> Iterator[tuple[str, Switch | Era, list[str], str, bool]]:
    """Yield each seam and switch: its newest source, its values, since when, and whether all are known."""
    for seam in SEAMS:
        eras = [era_of(seam, version) for version in versions]
        newest = max(eras, key=lambda era: version_key(era.since) if is_version(era.since) else ())
        known = all(era.known(version) for era in ERAS if era.seam == seam for version in versions)
        yield seam, newest, [era.name for era in eras], newest.since, known
    for switch in SWITCHES:
        points = dict.fromkeys(point for version in versions for point in _points(switch, version))
        known = all(switch.known(version) for version in versions)
        states = ["on" if switch.on(version) else "off" for version in versions]
        yield switch.name, switch, states, " ".join((span(switch), *points)), known


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
