"""A guest's console: its lines, and a cache file that keeps them if the guest is lost."""

import contextlib
import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path

from pfnlab.lab.images.cache import cache_root, write_cached
from pfnlab.programs.runs.alarm import Alarm, alarms_in, first_alarm

# QEMU prints this message when the guest has been stopped but QEMU keeps running.
_KVM_GAVE_UP = "KVM internal error"

# The beginning of the agent's last line.
_AGENT = "pfnlab agent:"

_CONSOLES_KEPT = 50
_serial = itertools.count()


def lines_of(path: Path) -> list[str]:
    """The nonempty lines of a log; none if there is no log."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def keep_console(lines: Sequence[str]) -> Path | None:
    """Keep a lost guest's output in the cache; None if it cannot be stored."""
    folder = cache_root() / "lost"
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{next(_serial)}.console"
    try:
        write_cached(path, "\n".join([*lines, ""]))
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        return None
    for old_console in sorted(folder.glob("*.console"))[:-_CONSOLES_KEPT]:
        old_console.unlink(missing_ok=True)
    return path


def alarm_of(console: Sequence[str]) -> Alarm | None:
    """A kernel's first alarm; None if the agent gave up, because such a panic is not the kernel's own."""
    if any(_AGENT in line for line in console):
        return None
    return first_alarm(alarms_in(console))


def gave_up(stderr: Sequence[str]) -> bool:
    """True if KVM gave up: QEMU keeps running, but the guest is stopped."""
    return any(_KVM_GAVE_UP in line for line in stderr)


def last_words(console: Sequence[str], stderr: Sequence[str], status: int | None) -> str:
    """The reason why a guest ended without an alarm: a panic, QEMU's *stderr*, the console, or *status*."""
    panics = [line for line in console if "Kernel panic" in line or _AGENT in line]
    if panics:
        return "; ".join(dict.fromkeys(line.partition("] ")[2] or line for line in panics))
    if status is None:
        return next((line for line in stderr if _KVM_GAVE_UP in line), "QEMU stopped it")
    said = [*stderr[-1:], *console[-1:], "no output"]
    return f"QEMU ended with status {status} ({said[0]})"
