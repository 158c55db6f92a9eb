"""Changes on one machine between two moments, one per line."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from pfnlab.diagnosis.inspector.finding.every import findings
from pfnlab.diagnosis.inspector.finding.finding_form import range_text
from pfnlab.diagnosis.inspector.host_snapshot import Snapshot
from pfnlab.diagnosis.inspector.joined_host import JoinedHost


class WatchedMoment:
    """A machine at one moment, for comparison with the next; its findings are computed once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.machine = JoinedHost(snapshot)

    @cached_property
    def findings(self) -> tuple[str, ...]:
        """The findings, in words."""
        return tuple(one.says for one in findings(self.machine))


def changes(before: WatchedMoment, after: WatchedMoment) -> Iterator[str]:
    """List the reservations, mappings, drivers, modules, log lines and findings added (+) or removed (-)."""
    old, new = before.machine.snapshot, after.machine.snapshot
    yield from _both("reservation", _reservations(old), _reservations(new))
    yield from _both("mapping", _mappings(before.machine), _mappings(after.machine))
    yield from _both("driver", _drivers(old), _drivers(new))
    yield from _both(
        "module", (module.name for module in old.modules or ()), (module.name for module in new.modules or ())
    )
    yield from (line for line in _both("log", old.log or (), new.log or ()) if line.startswith("+"))
    yield from _both("finding", before.findings, after.findings)


def _reservations(snapshot: Snapshot) -> Iterator[str]:
    for entry in snapshot.book or ():
        yield f"{range_text(entry.start, entry.end)} {entry.mode.cattr}"


def _mappings(machine: JoinedHost) -> Iterator[str]:
    for mapping in machine.snapshot.mappings or ():
        where = f" {range_text(*mapping.physical)}" if mapping.physical else ""
        place = f"{mapping.start:x}-{mapping.end:x} {mapping.perms} {mapping.path}{where}"
        yield f"{machine.who(mapping.pid)} {place}"


def _drivers(snapshot: Snapshot) -> Iterator[str]:
    for device in snapshot.devices or ():
        yield f"{device.address}: {device.driver or 'no driver'}"


def _both(noun: str, before: Iterable[Any], after: Iterable[Any]) -> Iterator[str]:
    old, new = Counter(before), Counter(after)
    for sign, more in (("-", old - new), ("+", new - old)):
        for text, count in more.items():
            yield f"{sign} {noun} {text}" + (f" ({count} times)" if count > 1 else "")
