"""The changes between two moments of one machine, a line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pfnlab.inspector.finding.every import findings
from pfnlab.inspector.finding.finding_form import range_text
from pfnlab.inspector.host_snapshot import Snapshot
from pfnlab.inspector.joined_host import JoinedHost


def changes(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """The reservations, mappings, drivers, modules, lines and findings that came (``+``) and went (``-``)."""
    old, new = JoinedHost(before), JoinedHost(after)
    yield from _both(
        "reservation",
        (f"{range_text(entry.start, entry.end)} {entry.mode.cattr}" for entry in before.book or ()),
        (f"{range_text(entry.start, entry.end)} {entry.mode.cattr}" for entry in after.book or ()),
    )
    yield from _both("mapping", _mappings(old), _mappings(new))
    yield from _both("driver", _drivers(before), _drivers(after))
    yield from _both(
        "module",
        (module.name for module in before.modules or ()),
        (module.name for module in after.modules or ()),
    )
    yield from (line for line in _both("log", before.log or (), after.log or ()) if line.startswith("+"))
    yield from _both("finding", (one.says for one in findings(old)), (one.says for one in findings(new)))


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
