"""Prices of fields in the recorded kernels, with equal series merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from evidence.pages.sizes.price import Price, configuration_of, laid_out, price
from pfnlab.lab.sizes.kernel_sizes import (
    VMA,
    WORD,
    Configuration,
    SeriesSizes,
    configurations,
    configured,
    members_of,
)

T = TypeVar("T")


def grouped(kept: Sequence[SeriesSizes], value: Callable[[SeriesSizes], T]) -> Iterator[tuple[str, T]]:
    """Merge neighbouring series with the same value: ``6.16 to 7.2``, and the value."""
    for common, group in groupby(kept, value):
        names = [series.series for series in group]
        yield (names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"), common


def price_of(series: SeriesSizes, size: int, configuration: Configuration | None = None) -> Price:
    """Return the price of a *size*-byte field in every VMA; None means the recorded configuration."""
    members = members_of(series)
    on = configuration_of(members) if configuration is None else configuration
    return price(members, size, series.slabs[VMA], on)


def prices_of(series: SeriesSizes, size: int) -> list[Price]:
    """Return the same for every configuration."""
    return [price_of(series, size, on) for on in configurations(members_of(series))]


def room_of_the_move(series: SeriesSizes) -> tuple[int, int, int]:
    """
    The room made by "mm: optimize CONFIG_PER_VMA_LOCK member placement in vm_area_struct" (3b612c8f069f).

    Before it, `detached` followed `vm_lock`, with holes of 4 and 7 bytes; since then it shares a word with
    `vm_lock_seq`.

    :return: the size of a VMA in the order of 6.9; the number of configurations that keep this size with the
        order of 6.10 and one more word, and the number of others
    """
    members = members_of(series)
    (detached,) = (member for member in members if member.name == "detached")
    older = []
    for member in members:
        if member is not detached:
            older.append(member)
        if member.name == "vm_lock":
            older.append(detached)
    paid = [
        price_of(series, WORD, on).after <= laid_out(configured(older, on))[1]
        for on in configurations(members)
    ]
    _, size, _ = laid_out(configured(older, configuration_of(members)))
    return size, sum(paid), len(paid) - sum(paid)
