"""Comparing snapshots of one machine that were taken in different ways."""

from __future__ import annotations

from typing import Any

import msgspec

from pfnlab.diagnosis.inspector.host_snapshot import Snapshot


def facts(snapshot: Snapshot) -> dict[str, Any]:
    """All of a snapshot but its own name, and the times of its sources."""
    found = {name: getattr(snapshot, name) for name in snapshot.__struct_fields__}
    del found["origin"]
    found["sources"] = [msgspec.structs.replace(one, seconds=None) for one in snapshot.sources]
    return found
