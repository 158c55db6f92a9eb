"""The kinds of findings that could not be looked for: the source that is lacking, and what gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from pfnlab.diagnosis.inspector.finding.finding_form import finding_kinds
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot, SnapshotSource
from pfnlab.diagnosis.inspector.joined_host import pat_off
from pfnlab.diagnosis.inspector.parsing import iomem, kernel_log, memtype_list, mtrr_file, pci_files
from pfnlab.diagnosis.inspector.parsing.process_files import DESCRIPTORS, MAPS
from pfnlab.diagnosis.inspector.parsing.text_files import DMESG, JOURNAL, LSPCI

_DEEP = "sudo pfnlab inspect --deep"

#: What gives a part of a core that its memory has not.
_WHOLE_CORE = "take a core of all pages: makedumpfile -d 0"


class NotLookedFor(msgspec.Struct, frozen=True):
    """A kind of findings that was not looked for, or not everywhere.

    :param kind: its name
    :param title: its name for a reader
    :param in_part: it was looked for in what was read; false where it was not looked for at all
    :param why: the sources that are lacking, each with the reason
    :param commands: what would give them, for a user to run
    """

    kind: str
    title: str
    in_part: bool
    why: str
    commands: tuple[str, ...]


class _SnapshotPart(msgspec.Struct, frozen=True):
    """A part of a snapshot.

    :param has: true where the snapshot has it
    :param sources: the names it has as a source: files, and parts of a kernel's memory
    :param command: what gives it, where its source does not say
    """

    has: Callable[[Snapshot], bool]
    sources: tuple[str, ...]
    command: str = ""


def _tables_seen(snapshot: Snapshot) -> bool:
    mappings = snapshot.mappings
    return not mappings or any(mapping.entries is not None for mapping in mappings)


def _mtrrs_seen(snapshot: Snapshot) -> bool:
    flags = snapshot.processor
    return snapshot.mtrrs is not None or (flags is not None and "mtrr" not in flags)


#: The parts by the names that ``kinds.toml`` has for them. The types of a kernel give all parts of a core.
_PARTS = {
    "reservations": _SnapshotPart(lambda seen: seen.book is not None, (memtype_list.PATH, "memtype tree")),
    "resources": _SnapshotPart(
        lambda seen: seen.resources is not None, (iomem.PATH, "resource tree"), f"sudo cat {iomem.PATH}"
    ),
    "devices": _SnapshotPart(
        lambda seen: seen.devices is not None, (pci_files.DEVICES, LSPCI, "PCI devices")
    ),
    "mappings": _SnapshotPart(
        lambda seen: seen.mappings is not None, (MAPS, "tasks", "mappings"), "sudo pfnlab inspect"
    ),
    "processes": _SnapshotPart(
        lambda seen: seen.processes is not None, (DESCRIPTORS, "tasks", "processes"), "sudo pfnlab inspect"
    ),
    "page tables": _SnapshotPart(_tables_seen, ("page tables",), _DEEP),
    "kernel mappings": _SnapshotPart(
        lambda seen: not seen.mappings or seen.aliases is not None, ("kernel mappings",), _DEEP
    ),
    "MTRRs": _SnapshotPart(_mtrrs_seen, (mtrr_file.PATH, "MTRRs"), f"cat {mtrr_file.PATH}"),
    "PAT": _SnapshotPart(
        lambda seen: seen.pat is not None or bool(pat_off(seen)),
        ("PAT", kernel_log.KMSG, DMESG, JOURNAL),
        "sudo journalctl -k -b -g 'x86/PAT: Configuration'",
    ),
}


def not_looked_for(snapshot: Snapshot) -> tuple[NotLookedFor, ...]:
    """The kinds that a snapshot has not the sources for, in the order of kinds.

    :raises KeyError: ``kinds.toml`` names a part that a snapshot has not
    """
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


def _lack(snapshot: Snapshot, name: str, *, cut: bool) -> SnapshotSource | None:
    # The source that is lacking for a part, with all words; None where the part is there.
    part = _PARTS[name]
    unread = [one for one in _of_part(snapshot, part) if one.access is not Access.READ]
    if part.has(snapshot) and not (cut and unread):
        return None
    source = next(iter(unread), None) or snapshot.source("kernel types")
    if source is None:
        return SnapshotSource(name, Access.ABSENT, f"{name}: not read", None, part.command)
    why = f"{source.name}: {source.access.value}{f' ({source.why})' if source.why else ''}"
    from_core = not source.name.startswith("/") and source.access in (Access.CUT, Access.ABSENT)
    command = source.command or (_WHOLE_CORE if from_core else part.command)
    return SnapshotSource(source.name, source.access, why, None, command)


def _of_part(snapshot: Snapshot, part: _SnapshotPart) -> Iterator[SnapshotSource]:
    for name in part.sources:
        source = snapshot.source(name)
        if source is not None:
            yield source
