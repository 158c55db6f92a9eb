"""The result of an inspection: sources, findings, and rows for the memory around each finding."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec.structs import replace as _replaced

from pfnlab.base.result import ALWAYS, Made, Outcome, Result
from pfnlab.base.units import number_of
from pfnlab.diagnosis.inspector.device import CombiningAnswer, DeviceAnswer
from pfnlab.diagnosis.inspector.finding.every import NotLookedFor, findings, not_looked_for
from pfnlab.diagnosis.inspector.finding.finding_form import (
    Finding,
    MemoryRow,
    PlacedFinding,
    RowKind,
    serious,
)
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot, UnkeptLines
from pfnlab.diagnosis.inspector.joined_host import JoinedHost, driver_words
from pfnlab.diagnosis.inspector.parsing.memory_lists import MEMTYPES
from pfnlab.diagnosis.inspector.sources.origins import HERE

#: Maximum number of rows of each kind.
_MOST_ROWS = 8


def around(machine: JoinedHost, finding: Finding) -> tuple[MemoryRow, ...]:
    """Return the rows around a finding that has a place, sorted by start, larger ones first."""
    if not finding.places:
        return ()
    low = min(place.bounds[0] for place in finding.places)
    high = max(place.bounds[1] for place in finding.places)
    bars = machine.bar_over(low, high)
    if bars:
        low, high = min(low, bars[0].bar.start), max(high, bars[-1].bar.end)
    about = [place.bounds for place in finding.places]
    rows = list(_rows(machine, low, high, about))
    return tuple(sorted(rows, key=lambda row: (row.bounds[0], _ORDER.index(row.kind), -row.bounds[1])))


_ORDER: tuple[RowKind, ...] = ("bar", "resource", "reservation", "free", "mapping")


def _rows(machine: JoinedHost, low: int, high: int, about: list[tuple[int, int]]) -> Iterator[MemoryRow]:
    def row(kind: RowKind, start: int, end: int, label: str, mode: str = "") -> MemoryRow:
        return MemoryRow(kind, f"{start:#x}", f"{end:#x}", label, mode, (start, end) in about)

    for place in islice(machine.bars.over(low, high), _MOST_ROWS):
        yield row("bar", place.start, place.end, f"{place.owner}, {driver_words(place.owner.device)}")
    for line in islice(machine.claimants(low, high), _MOST_ROWS):
        yield row("resource", line.start, line.end, line.name)
    if machine.snapshot.book is not None:
        for entry in islice(machine.book.over(low, high), _MOST_ROWS):
            yield row("reservation", entry.start, entry.end, "reserved", entry.owner.mode.short)
        for piece in islice(machine.pieces(low, high), _MOST_ROWS):
            if piece.mode is None:
                yield row("free", piece.start, piece.end, "not reserved")
    for ranged in islice(machine.mapped.over(low, high), _MOST_ROWS):
        mapping = ranged.owner
        mode = mapping.mode.short if mapping.mode is not None else ""
        yield row("mapping", ranged.start, ranged.end, f"{machine.who(mapping.pid)} {mapping.perms}", mode)


#: Parts of a snapshot read this many seconds apart may contradict each other.
APART = 5.0


class LookedAt(msgspec.Struct, frozen=True):
    """A source of an inspection.

    :param name: the file, or the part of memory
    :param access: ``read``, ``absent``, ``refused``, ``hidden`` or ``cut``
    :param why: the reason if it was not fully read; empty otherwise
    :param command: the command that supplies it; empty if it was read
    """

    name: str
    access: Access
    why: str = ""
    command: str = ""


class PartCounts(msgspec.Struct, frozen=True):
    """The amount of data inspected; null if not read.

    :param reservations: entries of the memtype list
    :param devices: PCI devices
    :param mappings: VMAs of device memory
    :param processes: inspected processes
    :param resources: lines of /proc/iomem
    """

    reservations: int | None
    devices: int | None
    mappings: int | None
    processes: int | None
    resources: int | None


class InspectionResult(Result, frozen=True, kw_only=True, tag="pfnlab-inspection/1"):
    """One machine at one moment: its reservations and mappings, and what is wrong with them.

    :param origin: ``this machine``, or the bundle, core or folder
    :param host: the name of the machine, empty if unknown
    :param kernel: its release, empty if unknown
    :param virtual: its hypervisor, empty if unknown
    :param apart: seconds between reading the first source and the last
    :param counted: amount of data inspected
    :param sources: sources, read or not
    :param findings: the findings, most serious first
    :param not_looked_for: kinds of findings skipped, wholly or in part, for lack of sources
    :param device: the answer about one device; null if not requested
    :param says: the result as a sentence
    :param left_out: lines that a redacted bundle lacks
    :param more: the one step that shows more; empty if unknown
    """

    origin: str
    host: str
    kernel: str
    virtual: str
    apart: float
    counted: PartCounts
    sources: tuple[LookedAt, ...]
    findings: tuple[PlacedFinding, ...]
    says: str
    not_looked_for: Annotated[tuple[NotLookedFor, ...], ALWAYS] = ()
    device: Annotated[DeviceAnswer | None, ALWAYS] = None
    left_out: tuple[UnkeptLines, ...] = ()
    more: Annotated[str, ALWAYS] = ""

    @property
    def outcome(self) -> Outcome:
        """A discovery if anything is wrong, or if the requested device is not write-combining."""
        if self.device is None:
            return Outcome.DISCOVERY if serious(self.findings) else Outcome.AS_EXPECTED
        return {
            CombiningAnswer.YES: Outcome.AS_EXPECTED,
            CombiningAnswer.NO: Outcome.DISCOVERY,
            CombiningAnswer.UNKNOWN: Outcome.UNDECIDED,
        }[self.device.combining]


def inspected(machine: JoinedHost, device: DeviceAnswer | None = None) -> InspectionResult:
    """Return the result for a machine."""
    snapshot = machine.snapshot
    found, lacking, sources = findings(machine), not_looked_for(snapshot), snapshot.sources
    if here_as_root(snapshot):
        found = tuple(_replaced(one, advice=tuple(map(for_root, one.advice))) for one in found)
        lacking = tuple(_replaced(one, commands=tuple(map(for_root, one.commands))) for one in lacking)
        sources = tuple(_replaced(one, command=for_root(one.command)) for one in sources)
        if device is not None:
            device = _replaced(device, todo=tuple(map(for_root, device.todo)))
    placed = tuple(PlacedFinding(one, around(machine, one)) for one in found)
    parts = (snapshot.book, snapshot.devices, snapshot.mappings, snapshot.processes, snapshot.resources)
    return InspectionResult(
        made=Made.now(),
        apart=round(snapshot.apart, 3),
        counted=PartCounts(*(None if part is None else len(part) for part in parts)),
        sources=tuple(LookedAt(one.name, one.access, one.why, one.command) for one in sources),
        findings=placed,
        not_looked_for=lacking,
        device=device,
        says=_says(machine, placed, lacking),
        more=how_to_see_more(snapshot),
        **{name: getattr(snapshot, name) for name in ("origin", "host", "kernel", "virtual", "left_out")},
    )


def _says(machine: JoinedHost, found: tuple[PlacedFinding, ...], lacking: tuple[NotLookedFor, ...]) -> str:
    wrong = serious(found)
    missing = [source.name for source in machine.snapshot.sources if source.access is not Access.READ]
    kinds = [one for one in lacking if not one.in_part]
    unread = f"; {number_of(len(missing), 'source')} incomplete" if missing else ""
    if kinds:
        unread += f"; {number_of(len(kinds), 'check')} skipped"
    if wrong:
        return f"{number_of(len(wrong), 'finding')}{unread}."
    if machine.snapshot.book is None:
        # Unread sources are listed below, with the step that would make them readable.
        return "No findings, but the memtype list was not read: a leak would not be seen."
    return f"No findings in {number_of(len(machine.snapshot.book), 'reservation')}{unread}."


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
