"""The shape of a machine: all that a redacted bundle has to keep of it."""

from __future__ import annotations

from collections import Counter

from pfnlab.diagnosis.inspector.finding.every import findings
from pfnlab.diagnosis.inspector.host_snapshot import Snapshot
from pfnlab.diagnosis.inspector.joined_host import JoinedHost


def shape(snapshot: Snapshot) -> tuple[object, ...]:
    """The findings of a machine by kind, the sizes of its parts, and what its files and its log say of it."""
    parts = (snapshot.book, snapshot.devices, snapshot.mappings, snapshot.processes, snapshot.resources)
    return (
        Counter(one.kind for one in findings(JoinedHost(snapshot))),
        [None if part is None else len(part) for part in parts],
        [len(one.bars) for one in snapshot.devices or ()],
        sum(one.physical is not None for one in snapshot.mappings or ()),
        (snapshot.modules is None, snapshot.log is None, snapshot.pat, snapshot.mtrr_default),
        [(one.name, one.access) for one in snapshot.sources],
    )
