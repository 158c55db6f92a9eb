"""A snapshot from a kernel's memory: a vmcore or kdump, or the running kernel through /proc/kcore.

Each unreadable part becomes a source with its reason; the only error is a file without a kernel.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from pfnlab.base.extras import need_packages
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot, SnapshotSource
from pfnlab.lab.lens import THE_LENS, LensError
from pfnlab.lab.lens.memory import MemorySource, open_core, running_kernel

T = TypeVar("T")
#: The memory of the running kernel.
KCORE = Path("/proc/kcore")
#: How often to reread part of a running kernel that changed during reading.
TRIES = 5


def core_snapshot(path: Path) -> Snapshot:
    """Read the machine in a vmcore or kdump; raise LensError for a bad file, MissingTool without the lens."""
    need_packages("lens", THE_LENS, "drgn")
    with open_core(path) as source:
        return _snapshot(source, path.name)


def deep_snapshot(path: Path = KCORE) -> Snapshot:
    """Return this machine, read from kernel memory; raise LensError if access is denied, or MissingTool."""
    need_packages("lens", THE_LENS, "drgn")
    with running_kernel(path) as source:
        return _snapshot(source, "this machine")


class _Parts:
    # The parts read from one kernel, and the source of each.

    def __init__(self, *, live: bool) -> None:
        self._live = live
        self.sources: list[SnapshotSource] = []

    def value(self, name: str, read: Callable[[], T]) -> T | None:
        # Returns the result of *read*, or None if it fails.
        found = self.rows(name, lambda: (read(),))
        return found[0] if found else None

    def rows(
        self, name: str, read: Callable[[], Iterable[T]], troubles: Sequence[str] = ()
    ) -> tuple[T, ...] | None:
        # Returns the rows from *read*, including those before a failure; skipped rows add to *troubles*.
        found: list[T] = []
        why = ""
        before = len(troubles)
        for _ in range(TRIES if self._live else 1):
            found = []
            try:
                for row in read():
                    found.append(row)
            except LensError as trouble:
                why = str(trouble)
                continue
            left_out = troubles[before:]
            if left_out:
                others = f", and {len(left_out) - 1:,} more" * (len(left_out) > 1)
                self._note(name, Access.CUT, f"{left_out[0]}{others}")
            else:
                self._note(name, Access.READ)
            return tuple(found)
        self._note(name, Access.CUT if found else Access.ABSENT, why)
        return tuple(found) or None

    def _note(self, name: str, access: Access, why: str = "") -> None:
        self.sources.append(SnapshotSource(name, access, why, time.time() if self._live else None))


def _snapshot(source: MemorySource, origin: str) -> Snapshot:
    from pfnlab.diagnosis.inspector.sources import core_devices, core_kernel
    from pfnlab.lab.lens.own_types import open_kernel
    from pfnlab.lab.lens.page_runs import RunReader

    parts = _Parts(live=source.live)
    names = (*core_devices.SYMBOLS, *core_kernel.SYMBOLS)
    view = parts.value("kernel types", lambda: open_kernel(source, names))
    if view is None:
        return Snapshot(origin, tuple(parts.sources), kernel=source.info.release)

    def tables() -> RunReader:
        if pat is None:
            raise view.error("entries have no modes, for its PAT is not known")
        return RunReader(view, pat)

    pat = parts.value("PAT", lambda: core_kernel.read_pat(view))
    book = parts.rows("memtype tree", lambda: core_kernel.read_book(view))
    resources = parts.rows("resource tree", lambda: core_devices.read_resources(view))
    devices = parts.rows("PCI devices", lambda: core_devices.read_devices(view))
    modules = parts.rows("modules", lambda: core_devices.read_modules(view))
    tasks = parts.value(
        "tasks", lambda: core_devices.Tasks(view, None if pat is None else RunReader(view, pat))
    )
    mappings = processes = None
    if tasks is not None:
        processes = parts.rows("processes", tasks.processes, tasks.troubles)
        mappings = parts.rows("mappings", tasks.mappings, tasks.troubles)
    aliases = parts.rows("kernel mappings", lambda: core_kernel.read_aliases(view, tables(), resources))
    mtrrs = parts.value("MTRRs", lambda: core_kernel.read_mtrrs(view))
    return Snapshot(
        origin,
        host=parts.value("host name", lambda: core_kernel.read_host(view)) or "",
        kernel=view.info.release,
        book=book,
        resources=resources,
        devices=devices,
        modules=modules,
        processes=processes,
        mappings=mappings,
        aliases=aliases,
        mtrrs=None if mtrrs is None else mtrrs[0],
        mtrr_default=None if mtrrs is None else mtrrs[1],
        pat=pat,
        log=parts.rows("kernel log", lambda: core_kernel.read_log(view)),
        options=parts.value("command line", lambda: core_kernel.read_options(view)) or "",
        virtual=parts.value("hypervisor", lambda: core_kernel.read_hypervisor(view)) or "",
        sources=tuple(parts.sources),
    )
