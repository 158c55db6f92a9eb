"""Which mainline releases have a profile, and which of those a kernel has confirmed."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

#: The series whose profile was held against kernels, oldest first.
CONFIRMED = ("6.1", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3")

#: Every release with a profile, oldest first.
RELEASES = (
    *("5.10", "5.15"),
    *(f"6.{minor}" for minor in range(1, 20)),
    *(f"7.{minor}" for minor in range(4)),
)


@cache
def series_key(series: str) -> tuple[int, ...]:
    """A series as numbers, so that 6.9 comes before 6.12."""
    return tuple(int(part) for part in series.split("."))


def confirmed_before(series: str) -> str | None:
    """The confirmed series before *series*, itself confirmed; None for the oldest and for all others."""
    return next((older for older, newer in pairwise(CONFIRMED) if newer == series), None)


def between(older: str, newer: str) -> tuple[str, ...]:
    """The releases with a profile that lie strictly between two others."""
    return tuple(one for one in RELEASES if series_key(older) < series_key(one) < series_key(newer))
