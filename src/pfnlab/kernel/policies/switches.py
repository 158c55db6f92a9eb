"""Switches, and how the profile of a kernel that nobody ran follows from them.

Two kinds of dates are kept apart. A mainline release that a source names holds for every release before
and after it. A behaviour that was only measured holds for the kernels that were asked: between two of them,
and before the oldest, the answer is assumed and a profile says so. A change that a stable series took over
has a date of its own, a :class:`Backport`.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Backport:
    """The point release in which a stable series took a change over.

    :param point: ``6.12.114``; every later one of its series has the change too
    :param source: the title of the stable commit in the package's changelog, or how else it is known
    :param after: the newest known version without it, where the date is only measured
    """

    point: str
    source: str
    after: str | None = None

    def reached(self, version: str) -> bool:
        """True where *version* is of this series, and has the change."""
        return series_of(version) == series_of(self.point) and version_key(version) >= version_key(self.point)

    def known(self, version: str) -> bool:
        """True where kernels or the changelog show it for *version*, so that it is not assumed."""
        if self.after is None or series_of(version) != series_of(self.point):
            return True
        return not version_key(self.after) < version_key(version) < version_key(self.point)


def taken_over(*points: str, source: str = "the upstream commit") -> tuple[Backport, ...]:
    """Backports of one change to several series, all known from the same source."""
    return tuple(Backport(point, source) for point in points)


@dataclass(frozen=True)
class Switch:
    """One behaviour that came with some release.

    :param name: the field of :class:`~pfnlab.kernel.mm.profile.Profile`
    :param since: the first mainline release that behaves so; where it was only measured, the first
        confirmed series that does
    :param source: commit, release or kernel function that brought it, and the step of docs/semantics
    :param until: the first release that no longer does, or None
    :param after: the newest release known not to behave so; without it, the confirmed series before
        *since* where *since* is one, else the release before it
    :param last: the newest release known to still behave so, in the same way for *until*
    :param commit: the upstream commit that brought it, 12 digits
    :param ended_by: the upstream commit that removed it
    :param catalogue: its entry in the bug catalogue
    :param stable: backports to stable series, before mainline's *since*
    :param ended_stable: backports of the change that ended it
    :param tracker: the only tracker that asks for it
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

    def on(self, version: str) -> bool:
        """True where *version* behaves so; a series stands for its first release."""
        release = series_key(series_of(version))
        if self.until is not None and series_key(self.until) <= release:
            return False
        if any(backport.reached(version) for backport in self.ended_stable):
            return False
        if series_key(self.since) <= release or any(backport.reached(version) for backport in self.stable):
            return True
        # Older than every kernel asked: as the oldest of them, where the date is only measured.
        return self.since == _OLDEST and self.after is None

    def known(self, version: str) -> bool:
        """True where that is known of *version*, and not assumed."""
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
        """True where the date is only measured, and *series* is older than all kernels asked."""
        only_measured = self.after is None and self.since in CONFIRMED
        return (
            only_measured
            and (self.since == _OLDEST or bool(_between(self.since, None)))
            and series_key(series) < series_key(_OLDEST)
        )


@dataclass(frozen=True)
class Era:
    """A policy that mainline, or a stable series, used from some release on.

    :param seam: ``tracker``, ``flush`` or ``walker``
    :param name: the policy
    :param since: its first mainline release; for a stable variant, its first point release
    :param before: the policy it replaced, or None for the first
    :param only: the series of a stable variant, which mainline never had
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

    def reached(self, version: str) -> bool:
        """True where mainline had it by *version*."""
        return self.only is None and series_key(self.since) <= series_key(series_of(version))

    def known(self, version: str) -> bool:
        """True where that is known of *version*, and not assumed."""
        return self.only is not None or series_of(version) not in _between(self.since, self.after)


def _between(first: str, after: str | None) -> tuple[str, ...]:
    """The releases that were not asked: after the newest known without it, before the first with it."""
    older = after if after is not None else confirmed_before(first)
    return between(older, first) if older is not None else ()
