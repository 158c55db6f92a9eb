"""The one step that lets an inspection see more: as root, with debugfs, or on the host of a container."""

from __future__ import annotations

import os
from pathlib import Path

from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot
from pfnlab.diagnosis.inspector.parsing.memory_lists import MEMTYPES
from pfnlab.diagnosis.inspector.sources.origins import HERE

_STATUS, _LOCKDOWN = Path("/proc/self/status"), Path("/sys/kernel/security/lockdown")
#: The CAP_SYS_ADMIN bit in a capability mask; it allows mounting.
_SYS_ADMIN = 1 << 21
_SUDO = "sudo "


def here_as_root(snapshot: Snapshot) -> bool:
    """Return True if the inspected machine is this one, and the user is root."""
    return snapshot.origin == HERE and os.geteuid() == 0


def for_root(text: str) -> str:
    """Rewrite commands as root would type them."""
    return text.replace(_SUDO, "")


def how_to_see_more(snapshot: Snapshot) -> str:
    """Return the step that would supply most of the parts an inspection lacks.

    Empty if nothing is missing or no such step is known.
    """
    unread = [source for source in snapshot.sources if source.access is not Access.READ]
    commands = [source.command for source in unread if source.command]
    if snapshot.origin != HERE:
        return next(iter(commands), "")
    if os.geteuid() != 0:
        return "sudo pfnlab inspect" if unread else ""
    book = next((source for source in unread if source.name == MEMTYPES), None)
    if book is None:
        return next((text for text in map(for_root, commands) if text != "pfnlab inspect"), "")
    if _is_locked_down():
        return "boot without lockdown: it hides debugfs from root too"
    if not _may_mount():
        return "`pfnlab inspect --script > collect.sh`, and run collect.sh on the host of this container"
    return f"{for_root(book.command)} && pfnlab inspect" if "mount" in book.command else ""


def _may_mount() -> bool:
    """Return True unless the process lacks CAP_SYS_ADMIN, as in most containers."""
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
        (mask,) = (line.split()[1] for line in lines if line.startswith("CapEff:"))
        return bool(int(mask, 16) & _SYS_ADMIN)
    except (OSError, ValueError):
        return True


def _is_locked_down() -> bool:
    """Return True if the kernel restricts root."""
    try:
        return "[none]" not in _LOCKDOWN.read_text(encoding="ascii")
    except (OSError, ValueError):
        return False
