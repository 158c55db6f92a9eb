"""The page ``docs/profiles.md``: the switches of every release, and the source of each.

``python -m evidence.pages profiles --write`` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evidence.pages.markdown import table
from pfnlab.kernel.policies.commits import NO_SWITCH
from pfnlab.kernel.policies.profiles import SEAMS, era_of, exact
from pfnlab.kernel.policies.releases import CONFIRMED, RELEASES
from pfnlab.kernel.policies.switches import ERAS, SWITCHES, fully
from pfnlab.present.report.profile_lines import NONE, origin, span

_INTRO = """\
# Profiles: which kernel behaves how

A profile is a tracker, a flush placement, what walkers accept and the switches below (all policies:
[policies](policies.md)). It belongs to an exact version, `model:6.1.176`. {confirmed}
were compared with kernels: there the bare series is the newest version that is known
([kernels](kernels.md) has them all). Every other release is mainline as it was first released, **not
confirmed on a kernel**; what its stable series took over later is had by the exact version (`model:6.6.87`)
or with `with=COMMIT`. A `?` is an assumption: the change was only measured between the two kernels around it,
or the release is older than every kernel that was asked.

```console synopsis
pfnlab run PROGRAM --on model:6.12.107                      one point release
pfnlab run PROGRAM --on model:6.8                           a release nobody ran
pfnlab run PROGRAM --on model:6.1,without=04c35ab3bdae      a kernel without one commit
pfnlab run PROGRAM --on model:6.8,with=04c35ab3bdae         and with one more
pfnlab policies show 6.8                                    the switches of one release
```

**Known by** says how a behaviour is known, not when it came. *Measured*: kernels of these series show it in
this program, some with it and some without where the archive has both. A model with the switch the other way
differs from them there. *Seen*: on kernels once, and no program shows it. Else by *source*, or by the
*commit message* alone.

What 5.10 and 5.15 do with advice newer than they are, with `mremap dontunmap` and with anything that is held
is not known, and refused. Programs that tell each commit from its absence are in
[history](../evidence/history/README.md).
"""


def profiles_page() -> str:
    """The page ``docs/profiles.md``."""
    parts = [
        _INTRO.format(confirmed=", ".join(CONFIRMED)),
        "## Where each comes from\n",
        table(("switch", "since", "commit", "catalogue", "also in", "known by", "source"), _origins()),
        "## Which release has what\n",
        table(("switch", *RELEASES), _matrix()),
        "## What stable releases took over\n",
        table(("switch", "is", "from", "source"), _taken_over()),
        "## Commits without a switch\n",
        table(("commit", "why"), NO_SWITCH.items()),
    ]
    return "\n".join(parts)


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
    versions = [exact(series) for series in RELEASES]
    for seam in SEAMS:
        eras = [era for era in ERAS if era.seam == seam]
        cells = [
            era_of(seam, version).name + ("" if all(era.known(version) for era in eras) else "?")
            for version in versions
        ]
        yield seam, *cells
    for switch in SWITCHES:
        cells = [
            ("on" if switch.on(version) else NONE) + ("" if switch.known(version) else "?")
            for version in versions
        ]
        yield switch.name, *cells


def _taken_over() -> Iterator[Sequence[str]]:
    for switch in SWITCHES:
        for state, backports in (("on", switch.stable), ("off", switch.ended_stable)):
            for backport in backports:
                yield switch.name, state, backport.point, backport.source
