"""All findings on a machine, most serious first, and the checks that could not be made.

Findings of the same kind at the same place are merged, however many entries or mappings they involve.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from pfnlab.base.units import number_of, size_text
from pfnlab.diagnosis.inspector.finding import mappings, reservations, whole_host
from pfnlab.diagnosis.inspector.finding.finding_form import (
    MOST_PLACES,
    EvidenceLine,
    Finding,
    PhysicalPlace,
    finding_kinds,
)
from pfnlab.diagnosis.inspector.finding.raw_finding import RawFinding
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot, SnapshotSource
from pfnlab.diagnosis.inspector.intervals import uncollected
from pfnlab.diagnosis.inspector.joined_host import JoinedHost, pat_off
from pfnlab.diagnosis.inspector.parsing import machine_facts, memory_lists, pci_files
from pfnlab.diagnosis.inspector.parsing.process_files import DESCRIPTORS, MAPS
from pfnlab.diagnosis.inspector.parsing.text_files import DMESG, JOURNAL, LSPCI
from pfnlab.kernel.bugs.here import BugHere, bugs_here
from pfnlab.kernel.hw.cachemode import CacheMode

_DEEP = "sudo pfnlab inspect --deep"
#: How to obtain a part that is missing from the memory in a core.
_WHOLE_CORE = "take a core of all pages: makedumpfile -d 0"


class NotLookedFor(msgspec.Struct, frozen=True):
    """A kind of findings that was skipped, wholly or in part.

    :param kind: its name
    :param title: its name for a reader
    :param in_part: true if the available part was checked; false if nothing was
    :param why: the missing sources, each with the reason
    :param commands: commands that supply them, for a user to run
    """

    kind: str
    title: str
    in_part: bool
    why: str
    commands: tuple[str, ...]


class _SourcedPart(msgspec.Struct, frozen=True):
    """A part of a snapshot.

    :param seen: the field that is None, or a function that returns false, if the part was not read
    :param sources: its source names: files, and parts of kernel memory
    :param command: the command that supplies it, unless its source already names one
    :param tells: what cannot be decided without it; empty if a paste does not need this file
    :param asked: the file to ask for, and how to get all of it
    """

    seen: str | Callable[[Snapshot], bool]
    sources: tuple[str, ...]
    command: str = ""
    tells: str = ""
    asked: tuple[str, str] = ("", "")

    def has(self, snapshot: Snapshot) -> bool:
        """True if it was read."""
        seen = self.seen
        return getattr(snapshot, seen) is not None if isinstance(seen, str) else seen(snapshot)


def _tables_seen(snapshot: Snapshot) -> bool:
    mappings = snapshot.mappings
    return not mappings or any(mapping.entries is not None for mapping in mappings)


def _mtrrs_seen(snapshot: Snapshot) -> bool:
    flags = snapshot.processor
    return snapshot.mtrrs is not None or (flags is not None and "mtrr" not in flags)


#: Parts by their names in ``kinds.toml``. Kernel type information supplies every part of a core.
_PARTS = {
    "reservations": _SourcedPart(
        "book",
        (memory_lists.MEMTYPES, "memtype tree"),
        tells="which mode is reserved",
        asked=(memory_lists.MEMTYPES, f"all of {memory_lists.MEMTYPES}"),
    ),
    "resources": _SourcedPart(
        "resources",
        (memory_lists.IOMEM, "resource tree"),
        f"sudo cat {memory_lists.IOMEM}",
        tells="who claimed it",
        asked=("/proc/iomem as root", "all of /proc/iomem"),
    ),
    "devices": _SourcedPart(
        "devices",
        (pci_files.DEVICES, LSPCI, "PCI devices"),
        tells="whose memory it is",
        asked=("`lspci -vv`", "`lspci -vv` of all devices"),
    ),
    "mappings": _SourcedPart(
        "mappings",
        (MAPS, "tasks", "mappings"),
        "sudo pfnlab inspect",
        tells="who maps it",
        asked=("/proc/PID/maps", "/proc/PID/maps of every process"),
    ),
    "processes": _SourcedPart(
        "processes",
        (DESCRIPTORS, "tasks", "processes"),
        "sudo pfnlab inspect",
        tells="who has it open",
        asked=("`ls -l /proc/PID/fd`", "`ls -l /proc/PID/fd` of every process"),
    ),
    "page tables": _SourcedPart(_tables_seen, ("page tables",), _DEEP),
    "kernel mappings": _SourcedPart(
        lambda seen: not seen.mappings or seen.aliases is not None, ("kernel mappings",), _DEEP
    ),
    "MTRRs": _SourcedPart(
        _mtrrs_seen,
        (memory_lists.MTRRS, "MTRRs"),
        f"cat {memory_lists.MTRRS}",
        tells="in which mode it is accessed",
        asked=(memory_lists.MTRRS, memory_lists.MTRRS),
    ),
    "PAT": _SourcedPart(
        lambda seen: seen.pat is not None or bool(pat_off(seen)),
        ("PAT", machine_facts.KMSG, DMESG, JOURNAL),
        "sudo journalctl -k -b -g 'x86/PAT: Configuration'",
    ),
}


def not_looked_for(snapshot: Snapshot) -> tuple[NotLookedFor, ...]:
    """Return the kinds whose sources a snapshot lacks, in order; raise KeyError for an unknown part."""
    found = []
    for name, kind in finding_kinds().items():
        whole = [_lack(snapshot, part, cut=True) for part in kind.needs]
        missing = [_lack(snapshot, part, cut=False) for part in kind.through]
        stops = [one for one in (*whole, *missing) if one is not None]
        partly = [_lack(snapshot, part, cut=True) for part in (*kind.through, *kind.helps)]
        lacks = stops or [one for one in partly if one is not None]
        if lacks:
            why = "; ".join(dict.fromkeys(one.why for one in lacks))
            commands = tuple(dict.fromkeys(one.command for one in lacks if one.command))
            found.append(NotLookedFor(name, kind.title, not stops, why, commands))
    return tuple(found)


def untold(snapshot: Snapshot) -> str:
    """Describe the undecidable questions and the missing source; empty if everything can be decided."""
    tells, asked = list[str](), list[str]()
    for name, part in _PARTS.items():
        if part.tells and _lack(snapshot, name, cut=True) is not None:
            tells.append(part.tells)
            asked.append(part.asked[part.has(snapshot)])
    if not tells:
        return ""
    what = _listed(tells)
    return f"{what[:1].upper()}{what[1:]} cannot be told without {_listed(asked)}."


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _lack(snapshot: Snapshot, name: str, *, cut: bool) -> SnapshotSource | None:
    # Describes the missing source of a part; None if the part is present.
    part = _PARTS[name]
    sources = map(snapshot.source, part.sources)
    unread = [one for one in sources if one is not None and one.access is not Access.READ]
    if part.has(snapshot) and not (cut and unread):
        return None
    source = next(iter(unread), None) or snapshot.source("kernel types")
    if source is None:
        return SnapshotSource(name, Access.ABSENT, f"{name}: not read", None, part.command)
    why = f"{source.name}: {source.access.value}{f' ({source.why})' if source.why else ''}"
    from_core = not source.name.startswith("/") and source.access in (Access.CUT, Access.ABSENT)
    command = source.command or (_WHOLE_CORE if from_core else part.command)
    return SnapshotSource(source.name, source.access, why, None, command)


#: Maximum number of processes named, and of lines shown, in a finding.
_MOST_PIDS, _MOST_EVIDENCE = 64, 12


class _Gathering:
    # All findings of one kind at one place; only the first few are kept.

    def __init__(self, first: RawFinding) -> None:
        self._first, self.kind = first, first.kind
        self._places: list[tuple[int, int, CacheMode | None]] = []
        self._evidence: dict[EvidenceLine, None] = {}
        self._pids: dict[int, None] = {}
        self._size = self._pieces = self._times = 0

    def add(self, more: RawFinding) -> None:
        self._times += 1
        self._pieces += len(more.places)
        for start, end, _ in more.places:
            self._size += end - start
        for pid in more.pids:
            self._pids[pid] = None
        if len(self._places) < MOST_PLACES:
            self._places += more.places[: MOST_PLACES - len(self._places)]
        if self._times == 1 or len(self._evidence) < _MOST_EVIDENCE:
            self._evidence |= dict.fromkeys(more.evidence() if callable(more.evidence) else more.evidence)

    def finding(self, bugs: tuple[BugHere, ...]) -> Finding:
        first, place = self._first, self._first.place
        kind, evidence = finding_kinds()[first.kind], tuple(self._evidence)
        says = first.says() if callable(first.says) else first.says
        if self._times > 1:
            evidence = evidence[:_MOST_EVIDENCE]
            users = f", of {number_of(len(self._pids), 'process', 'processes')}" if self._pids else ""
            says += f" And {self._times - 1:,} more like it: {size_text(self._size)} in all{users}."
        return Finding(
            kind=first.kind,
            severity=kind.severity,
            says=says,
            means=kind.means,
            places=tuple(
                PhysicalPlace.of(start, end, None if mode is None else mode.short)
                for start, end, mode in self._places
            ),
            size=self._size,
            count=max(1, self._pieces),
            device=first.device if place is None else place.device.address,
            bar=None if place is None else place.bar.number,
            pids=tuple(sorted(self._pids)[:_MOST_PIDS]),
            evidence=evidence,
            bugs=bugs,
            programs=kind.programs,
            advice=kind.advice,
        )


def _gathered(found: Iterable[RawFinding]) -> list[_Gathering]:
    """Merge findings by kind and BAR or device, adding up size and count; hidden sources stay separate."""
    groups: dict[tuple[object, ...], _Gathering] = {}
    for one in found:
        key: tuple[object, ...]
        if one.place is not None:
            key = (one.kind, one.place.device.address, one.place.bar.number)
        elif one.device is not None or one.places:
            key = (one.kind, one.device)
        else:
            key = (one.kind, None, len(groups))
        group = groups.get(key)
        if group is None:
            group = groups[key] = _Gathering(one)
        group.add(one)
    return list(groups.values())


#: Each function looks for several kinds in a single pass.
_LOOKS: tuple[Callable[[JoinedHost], Iterator[RawFinding]], ...] = (
    reservations.loose,
    mappings.odd,
    mappings.aliased,
    mappings.of_removed,
    reservations.spanning,
    reservations.uncached_prefetchable,
    whole_host.claimed,
    whole_host.no_write_combining,
    whole_host.mtrrs_decide,
    whole_host.hidden,
)


def findings(machine: JoinedHost) -> tuple[Finding, ...]:
    """Return the findings, merged by kind and place, and sorted by severity, kind and place.

    Kinds whose source is missing are left out (:func:`not_looked_for`).
    """
    lacking = {one.kind for one in not_looked_for(machine.snapshot) if not one.in_part}
    kinds = finding_kinds()
    order = list(kinds)
    with uncollected():
        looked = (one for look in _LOOKS for one in look(machine))
        decided = (one.otherwise if one.kind in lacking else one for one in looked)
        groups = _gathered(one for one in decided if one is not None and one.kind not in lacking)
    kernel = machine.snapshot.kernel
    bugs = {kind: tuple(bugs_here(kernel, kinds[kind].bugs)) for kind in {one.kind for one in groups}}
    found = [one.finding(bugs[one.kind]) for one in groups]
    return tuple(
        sorted(
            found,
            key=lambda one: (
                one.severity.weight,
                order.index(one.kind),
                one.places[0].bounds if one.places else (0, 0),
            ),
        )
    )
