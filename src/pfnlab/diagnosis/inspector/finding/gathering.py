"""Findings of one kind and place as one, however many entries or mappings there are of them."""

from __future__ import annotations

from collections.abc import Iterable

from pfnlab.base.units import number_of, size_text
from pfnlab.diagnosis.inspector.finding.finding_form import MOST_PLACES, EvidenceLine
from pfnlab.diagnosis.inspector.finding.raw_finding import RawFinding
from pfnlab.kernel.hw.cachemode import CacheMode

#: Of all processes of a finding so many are named, and so many lines are shown.
_MOST_PIDS, _MOST_EVIDENCE = 64, 12


class _Gathering:
    # All of one kind and place, of which the first few are kept.

    def __init__(self, first: RawFinding) -> None:
        self._first = first
        self._places: list[tuple[int, int, CacheMode | None]] = []
        self._evidence: dict[EvidenceLine, None] = {}
        self._pids: dict[int, None] = {}
        self._size = self._pieces = self._times = 0

    def add(self, more: RawFinding) -> None:
        self._times += 1
        self._pieces += len(more.places)
        for start, end, _ in more.places:
            self._size += end - start
        for pid in more.pids:
            self._pids[pid] = None
        if len(self._places) < MOST_PLACES:
            self._places += more.places[: MOST_PLACES - len(self._places)]
        if self._times == 1 or len(self._evidence) < _MOST_EVIDENCE:
            self._evidence |= dict.fromkeys(more.evidence())

    def whole(self) -> RawFinding:
        first = self._first
        evidence = tuple(self._evidence)
        says = first.says()
        if self._times > 1:
            evidence = evidence[:_MOST_EVIDENCE]
            users = f", of {number_of(len(self._pids), 'process', 'processes')}" if self._pids else ""
            says += f" And {self._times - 1:,} more like it: {size_text(self._size)} in all{users}."
        return RawFinding(
            first.kind,
            lambda: says,
            self._places,
            first.place,
            first.device,
            sorted(self._pids)[:_MOST_PIDS],
            lambda: evidence,
            size=self._size,
            count=self._pieces,
        )


def gathered(found: Iterable[RawFinding]) -> list[RawFinding]:
    """One finding for each kind and BAR, or kind and device, with the size and the number of all of it.

    What has no place by itself, as a source that is hidden, stays alone.

    :param found: in the order in which the first of each is to stand
    """
    groups: dict[tuple[object, ...], _Gathering] = {}
    for one in found:
        key: tuple[object, ...]
        if one.place is not None:
            key = (one.kind, one.place.device.address, one.place.bar.number)
        elif one.device is not None or one.places:
            key = (one.kind, one.device)
        else:
            key = (one.kind, None, len(groups))
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Gathering(one)
        group.add(one)
    return [group.whole() for group in groups.values()]
