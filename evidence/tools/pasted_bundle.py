"""A bundle as a paste: what its owner would copy from a terminal, and which findings can still be decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from known_machines import Kind

from pfnlab.diagnosis.inspector.host_snapshot import PciFunction
from pfnlab.diagnosis.inspector.parsing import memory_lists
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.sources.bundle import Bundle

#: Files that are pasted whole; of the processes, only those that map a device.
_WHOLE = (memory_lists.MEMTYPES, memory_lists.IOMEM, memory_lists.MTRRS)
#: Kinds that a paste decides just as a bundle does: missing lines do not affect them.
_DECIDED = frozenset(
    ("uc_where_wc_asked", "two_modes", "spans_bars", "claimed_by_another", "mtrr_decides", "removed_device")
)


def pasted_text(path: Path) -> str:
    """Return the terminal text: lists, lspci, and the maps of processes that map a device."""
    bundle = Bundle.at(path)
    snapshot = snapshot_of(bundle)
    parts = [_shown(bundle, name) for name in _WHOLE]
    parts.append("$ lspci -vnn\n" + "".join(map(_lspci, snapshot.devices or ())))
    pids = sorted({mapping.pid for mapping in snapshot.mappings or ()})
    for pid in pids:
        # smaps has the lines of maps.
        name = next(name for name in ("maps", "smaps") if bundle.read(f"/proc/{pid}/{name}").data)
        parts.append(_shown(bundle, f"/proc/{pid}/{name}"))
    return "".join(parts)


def expected_of_paste(whole: Iterable[Kind]) -> Counter[Kind]:
    """Derive a paste's findings from the whole bundle's: without all processes, a leak is only possible."""
    found = Counter[Kind]()
    for kind, pages in whole:
        if kind == "leaked_reservation":
            found["perhaps_leaked", pages] += 1
        elif kind in _DECIDED:
            found[kind, pages] += 1
    return found


def _shown(bundle: Bundle, name: str) -> str:
    return f"$ sudo cat {name}\n{bundle.read(name).data.decode('utf-8', 'replace')}"


def _lspci(device: PciFunction) -> str:
    return "".join(f"{line}\n" for line in _lines(device))


def _lines(device: PciFunction) -> Iterator[str]:
    yield f"{device.address} Device [{device.kind[:4]}]: Vendor Device [{device.ids}]"
    for bar in device.bars:
        kind = "prefetchable" if bar.prefetchable else "non-prefetchable"
        size = f"[size={bar.end - bar.start >> 10}K]"
        yield f"\tRegion {bar.number}: Memory at {bar.start:x} (64-bit, {kind}) {size}"
    if device.driver:
        yield f"\tKernel driver in use: {device.driver}"
