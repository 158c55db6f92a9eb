"""The switches, i.e. the differences between kernels, and how profiles of untested kernels are derived.

``switches.toml`` lists each behaviour once, with the first release that has it, its source, and how it is
known. ``eras.toml`` lists the policies that releases had.

There are two kinds of dates. If a source names a mainline release, that determines the behaviour of every
release before and after it. A behaviour that was only measured is known for the tested kernels; between two
of them, and before the oldest, it is assumed, and the profile is marked accordingly. A change that a stable
series backported has a date of its own, a :class:`Backport`.

A behaviour counts as measured if the archive has a kernel that shows it, i.e. a golden from which the model
of the same kernel differs as soon as the switch is flipped
(``tests/kernel/policies/test_switches_known.py``). When the behaviour was introduced is a separate question.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from pfnlab.base.toml_text import package_toml
from pfnlab.kernel.policies.known_kernels import known_versions
from pfnlab.kernel.policies.releases import (
    CONFIRMED,
    between,
    confirmed_before,
    series_key,
    series_of,
    version_key,
)

_OLDEST = CONFIRMED[0]


class Backport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The point release in which a stable series backported a change.

    :param point: ``6.12.114``; all later releases in its series have the change too
    :param source: the title of the stable commit in the package changelog, or how else the backport is known
    :param after: the newest known version without it, if the date comes from measurements only
    """

    point: str
    source: str
    after: str | None = None

    def reached(self, version: str) -> bool:
        """True if *version* is in this series and has the change."""
        return series_of(version) == series_of(self.point) and version_key(version) >= version_key(self.point)

    def known(self, version: str) -> bool:
        """True if kernels or the changelog show it for *version*, so that it need not be assumed."""
        if self.after is None or series_of(version) != series_of(self.point):
            return True
        return not version_key(self.after) < version_key(version) < version_key(self.point)


class SwitchEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The evidence for the value of a switch, or for a release's policy.

    Measured: kernels in the archive show it. Seen: observed on kernels when it was found, but not shown by a
    litmus program. Source: taken from the source code or image of a release. Commit message: known only from
    there, or from release notes.

    :param on: the series whose goldens of *program* show it, both with and without it if possible; or the
        kernels on which it was seen, empty if not noted; or the releases whose source was read
    :param program: the path of a program below litmus/, without suffix
    """

    how: Literal["measured", "seen", "source", "commit message"]
    on: tuple[str, ...] = ()
    program: str = ""

    def __str__(self) -> str:
        series = ", ".join(self.on)
        match self.how:
            case "measured":
                return f"measured on {series}: {self.program.rpartition('/')[2]}"
            case "seen":
                return f"seen on {series or 'kernels'}"
            case "source":
                return f"source of {series}"
        return self.how


def briefly(known: Sequence[SwitchEvidence]) -> str:
    """A short form, without programs: ``measured on 6.1, 7.2``."""
    if known[0].how != "measured":
        return str(known[0])
    found = {series for by in known if by.how == "measured" for series in by.on}
    return f"measured on {', '.join(sorted(found, key=series_key))}"


def fully(known: Sequence[SwitchEvidence]) -> str:
    """The full form, with the programs that show it."""
    return "; ".join(map(str, known))


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One behaviour that some release introduced.

    :param name: the corresponding field of :class:`~pfnlab.kernel.mm.profile.Profile`
    :param says: one sentence on how a kernel behaves if the switch is on
    :param since: the first mainline release with this behaviour or, if it was only measured, the first
        confirmed series that shows it
    :param source: the commit, release or kernel function that introduced it, and the step in docs/semantics
    :param until: the first release that no longer has it, or None
    :param after: the newest release known not to have it; if not given, the confirmed series before *since*
        if *since* is one itself, otherwise the release before it
    :param last: the newest release known to still have it, the counterpart for *until*
    :param commit: the upstream commit that introduced it, 12 digits
    :param ended_by: the upstream commit that removed it
    :param catalogue: its entry in the bug catalogue
    :param stable: backports to stable series older than mainline's *since*
    :param ended_stable: backports of the change that ended it
    :param tracker: the only tracker that reads it
    """

    name: str
    since: str
    source: str
    until: str | None = None
    after: str | None = None
    last: str | None = None
    commit: str | None = None
    ended_by: str | None = None
    catalogue: str | None = None
    stable: tuple[Backport, ...] = ()
    ended_stable: tuple[Backport, ...] = ()
    tracker: str | None = None
    known_by: tuple[SwitchEvidence, ...] = ()
    says: str = ""

    def on(self, version: str) -> bool:
        """True if *version* has this behaviour; a series means its first release."""
        release = series_key(series_of(version))
        if self.until is not None and series_key(self.until) <= release:
            return False
        if any(backport.reached(version) for backport in self.ended_stable):
            return False
        if series_key(self.since) <= release or any(backport.reached(version) for backport in self.stable):
            return True
        # Older than every tested kernel: if the date was only measured, it is assumed to be like
        # the oldest one tested.
        return self.since == _OLDEST and self.after is None

    def known(self, version: str) -> bool:
        """True if this is known for *version* rather than assumed."""
        if version in known_versions():
            return True
        if not all(backport.known(version) for backport in (*self.stable, *self.ended_stable)):
            return False
        series = series_of(version)
        if series in CONFIRMED:
            return True
        if self._older_than_measured(series) or series in _between(self.since, self.after):
            return False
        return self.until is None or series not in _between(self.until, self.last)

    def _older_than_measured(self, series: str) -> bool:
        """True if the date was only measured, and *series* is older than all tested kernels."""
        only_measured = self.after is None and self.since in CONFIRMED
        return (
            only_measured
            and (self.since == _OLDEST or bool(_between(self.since, None)))
            and series_key(series) < series_key(_OLDEST)
        )


class Era(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy that mainline, or a stable series, used from some release on.

    :param seam: ``tracker``, ``flush`` or ``walker``
    :param name: the policy
    :param since: the first mainline release to use it; for a stable variant, the first point release
    :param before: the policy that it replaced, or None for the first
    :param only: the series, for a stable variant that mainline never had
    """

    seam: str
    name: str
    since: str
    source: str
    before: str | None = None
    after: str | None = None
    commit: str | None = None
    catalogue: str | None = None
    only: str | None = None
    known_by: tuple[SwitchEvidence, ...] = ()

    def reached(self, version: str) -> bool:
        """True if mainline had it by *version*."""
        return self.only is None and series_key(self.since) <= series_key(series_of(version))

    def known(self, version: str) -> bool:
        """True if this is known for *version* rather than assumed."""
        return self.only is not None or series_of(version) not in _between(self.since, self.after)


def _between(first: str, after: str | None) -> tuple[str, ...]:
    """The untested releases: after the newest known without it, before the first known with it."""
    older = after if after is not None else confirmed_before(first)
    return between(older, first) if older is not None else ()


def _backports(groups: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A switch's backports: one change in several series, all known from the same source."""
    for group in groups:
        known = {"source": "the upstream commit", **group}
        points = known.pop("points")
        yield from ({"point": point, **known} for point in points)


def _switch(name: str, row: dict[str, Any]) -> Switch:
    content: dict[str, Any] = {"name": name, **row}
    for key in ("stable", "ended_stable"):
        content[key] = tuple(_backports(row.get(key, ())))
    return msgspec.convert(content, type=Switch)


#: Every switch, in the order of :class:`~pfnlab.kernel.mm.profile.Profile`.
SWITCHES = tuple(_switch(name, row) for name, row in package_toml(__package__, "switches.toml").items())

#: The policies in each era by seam, oldest first, followed by those that only stable series had.
ERAS = tuple(
    msgspec.convert({"seam": seam, **row}, type=Era)
    for seam, rows in package_toml(__package__, "eras.toml").items()
    for row in rows
)
