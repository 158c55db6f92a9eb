"""``docs/profiles.md`` and ``docs/profiles.csv``: the switches in every release, and the source of each.

``python -m evidence.pages profiles profiles.csv --write`` writes both.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from evidence.pages.markdown import table
from pfnlab.kernel.policies.commits import NO_SWITCH
from pfnlab.kernel.policies.profiles import SEAMS, era_of, exact
from pfnlab.kernel.policies.releases import CONFIRMED, RELEASES, version_key
from pfnlab.kernel.policies.switches import ERAS, SWITCHES, fully
from pfnlab.verbs.profile_lines import NONE, origin, span

_INTRO = """\
# Profiles: which kernel behaves how

A profile is the behaviour of one kernel version: a tracker, a flush placement, a walker policy and {count}
switches ([policies](policies.md)).
Most stable releases differ from their mainline release, so a profile belongs to an exact version.

```console synopsis
pfnlab policies show 6.8                                    the switches of one release, with sources
pfnlab policies show 6.12.96 6.12.107                       the switches in which two versions differ
pfnlab run PROGRAM --on model:6.12.107                      one point release
pfnlab run PROGRAM --on model:6.8                           a release that is in no archive
pfnlab run PROGRAM --on model:6.1,without=04c35ab3bdae      a kernel without one commit
pfnlab run PROGRAM --on model:6.8,with=04c35ab3bdae         a kernel with one more
```

{confirmed} were compared with kernels ([all of them](kernels.md)).
There, the bare series means its newest known version.
Every other release is mainline as first released, **not confirmed on a kernel**.
Backports to its stable series are part of the exact version (`model:6.6.87`), or come with `with=COMMIT`.
5.10 and 5.15 refuse programs with advice newer than these releases, `mremap dontunmap`, or held functions.

[profiles.csv](profiles.csv) has a row for each switch: dates, commit, catalogue entry, backports, and its
value in each release; `?` marks an assumption, a change only measured between two kernels around it.
`known_by` is the evidence for the behaviour, not its date.
*Measured*: kernels of these series show it in this program, some with it and some without, if the archive has
both; a model with the other value differs from them there.
*Seen*: on kernels once, and no program shows it.
Otherwise it is known from the *source*, or from the *commit message* alone.

```console synopsis
grep saved_dirty docs/profiles.csv                          one switch in all releases
```

[History](../evidence/history/README.md) has a program for each commit that tells a model with it from one
without it.
"""


def profiles_page() -> str:
    """The page ``docs/profiles.md``."""
    return "\n".join(
        (
            _INTRO.format(confirmed=", ".join(CONFIRMED), count=len(SWITCHES)),
            "## What each release has\n",
            table(("release", *SEAMS, "switches on", "switches assumed"), _releases()),
            "## Backports by stable release\n",
            table(("release", "switches"), _taken_over()),
            "## Commits without a switch\n",
            table(("commit", "why"), NO_SWITCH.items()),
        )
    )


def profiles_data() -> str:
    """Return ``docs/profiles.csv``: a row for each policy and switch, with its value in every release."""
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(("switch", "since", "commit", "catalogue", "also_in", "known_by", "source", *RELEASES))
    rows.writerows((*origins, *cells) for origins, cells in zip(_origins(), _matrix(), strict=True))
    return written.getvalue()


def _origins() -> Iterator[Sequence[str]]:
    for era in ERAS:
        also = f"{era.only}.y only" if era.only else NONE
        yield (
            f"{era.seam}={era.name}",
            era.since,
            *origin(era),
            also,
            fully(era.known_by),
            era.source,
        )
    for switch in SWITCHES:
        also = ", ".join(backport.point for backport in switch.stable) or NONE
        yield (
            switch.name,
            span(switch),
            *origin(switch),
            also,
            fully(switch.known_by),
            switch.source,
        )


def _matrix() -> Iterator[Sequence[str]]:
    """Yield the values in every release: the policies for each era, then the switches."""
    versions = [exact(series) for series in RELEASES]
    for era in ERAS:
        has = (era_of(era.seam, version).name == era.name for version in versions)
        yield [_value(on, era.known(version)) for on, version in zip(has, versions, strict=True)]
    for switch in SWITCHES:
        yield [_value(switch.on(version), switch.known(version)) for version in versions]


def _value(on: bool, known: bool) -> str:
    return ("on" if on else NONE) + ("" if known else "?")


def _releases() -> Iterator[Sequence[str]]:
    """Yield the policies in every release, and how many of its switches are on or assumed."""
    for series in RELEASES:
        version = exact(series)
        policies = (
            era_of(seam, version).name
            + ("" if all(era.known(version) for era in ERAS if era.seam == seam) else "?")
            for seam in SEAMS
        )
        on = sum(switch.on(version) for switch in SWITCHES)
        assumed = sum(not switch.known(version) for switch in SWITCHES)
        yield series, *policies, str(on), str(assumed)


def _taken_over() -> Iterator[Sequence[str]]:
    """Yield the switches that each point release changed."""
    points: dict[str, list[str]] = {}
    for switch in SWITCHES:
        for state, backports in (("on", switch.stable), ("off", switch.ended_stable)):
            for backport in backports:
                points.setdefault(backport.point, []).append(f"`{switch.name}` {state}")
    for point in sorted(points, key=version_key):
        yield point, ", ".join(points[point])
