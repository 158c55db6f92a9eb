"""Saved machines: a guest is booted once, and later guests resume from its state in a tenth of the time.

A state fits exactly one kernel file, image, QEMU and command line; its name is a hash of these.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pfnlab.base.inert import shell_path
from pfnlab.lab.images.cache import cache_root, forget, keep, make_cache_folder
from pfnlab.lab.vm.qmp import Qmp, QmpError

#: QEMU arguments for a machine that may be saved, so that its state does not record that it was stopped.
SAVABLE = ("-global", "migration.store-global-state=off")

_SAVE_LIMIT = 20.0

#: Maximum number of states to keep, at about 85 MiB each. A run of all tests uses about forty; with a lower
#: limit, each state would be evicted before the next run needs it.
_KEPT = 48


def state_file(files: Sequence[Path], arguments: Sequence[str]) -> Path:
    """The file for the state of a machine made from *files* (QEMU, kernel, image) and *arguments*."""
    stamps = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(repr((stamps, list(arguments))).encode()).hexdigest()
    return cache_root() / "states" / f"{key[:16]}.state"


def save_state(qmp: Path, state: Path, while_stopped: Callable[[], None]) -> bool:
    """Save the state of the machine listening on the socket *qmp* to *state*, and resume the machine.

    :param while_stopped: called while the machine is stopped, before its memory is read
    :return: True if there is now a state; a machine that cannot be saved is just slower next time
    """
    part = state.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    try:
        make_cache_folder(state.parent)
        with Qmp(qmp) as ask:
            ask("stop")
            while_stopped()
            try:
                done = _migrate(ask, part)
            finally:
                ask("cont")
        if done:
            keep(part, state)
            # States are large (a third of the guest's RAM), so the least recently used ones are removed.
            states = sorted(state.parent.glob("*.state"), key=lambda file: file.stat().st_atime)
            for old in states[:-_KEPT]:
                forget(old)
        return done
    except (OSError, QmpError):
        return False
    finally:
        part.unlink(missing_ok=True)


def _migrate(ask: Qmp, path: Path) -> bool:
    ask("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
    ask("migrate", uri=f"exec:cat > {shell_path(path)}")
    deadline = time.monotonic() + _SAVE_LIMIT
    while time.monotonic() < deadline:
        status = ask("query-migrate").get("status")
        if status in ("completed", "failed", "cancelled"):
            return bool(status == "completed")
        time.sleep(0.01)
    ask("migrate_cancel")
    return False


def mark_used(state: Path) -> None:
    """Record that a machine started from *state*, so that it is not evicted first.

    Its modification time does not change, because that shows that it need not be checksummed again.
    """
    with contextlib.suppress(FileNotFoundError):
        os.utime(state, ns=(time.time_ns(), state.stat().st_mtime_ns))
