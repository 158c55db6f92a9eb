"""Processes with mappings of page frames or open device files: /proc/PID/smaps, maps, fd, fdinfo and comm."""

from __future__ import annotations

import re

import msgspec

from pfnlab.base.progress import Work
from pfnlab.base.units import PAGE_SIZE, number_of
from pfnlab.diagnosis.inspector.host_snapshot import Access, HostMapping, PciFunction, Process, SnapshotSource
from pfnlab.diagnosis.inspector.parsing.mapped_range import VFIO, BarPlaces
from pfnlab.diagnosis.inspector.parsing.process_maps import (
    TRIMMED_LINE,
    is_device_file,
    is_of_interest,
    is_trimmed,
    trimmed,
    vmas,
)
from pfnlab.diagnosis.inspector.parsing.text_files import (
    FileText,
    LongFiles,
    TextFiles,
    Unparsable,
    decoded,
    first_line,
    odd_line,
    shown,
)
from pfnlab.diagnosis.inspector.parsing.vfio_owners import VfioOwners

#: What gives the rest to a user who may not see other users' processes.
_COMMAND = "sudo pfnlab inspect"

#: The names of what all processes have, as sources: their mappings, and the files they have open.
MAPS, DESCRIPTORS = "/proc/*/smaps", "/proc/*/fd"

_VFIO = VFIO.encode()
_ADDRESS = re.compile(r"0x[0-9a-f]{1,16}")
_PID = re.compile(r"[0-9]{1,10}")

#: The beginning of the path of a device of UIO; no region, and what is beyond physical addresses.
_UIO, _NOWHERE, _MOST_PHYSICAL = "/dev/uio", 0, 1 << 52

#: The process that every machine has.
_FIRST = 1

#: The most descriptors of a process that are looked at.
MOST_DESCRIPTORS = 1 << 16


# Of a VMA by its file, flags and permissions: of interest, those as text, and through UIO.
_Kind = tuple[bool, str, tuple[str, ...] | None, str, bool]


class ProcessesSeen(msgspec.Struct, frozen=True):
    """All that processes say; None where there is no /proc."""

    processes: tuple[Process, ...] | None
    mappings: tuple[HostMapping, ...] | None
    sources: tuple[SnapshotSource, ...]


class _Tally:
    """One file of every process: how many were read, and how many refused."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.read = self.refused = self.cut = 0
        self.others_hidden = False
        self.why = self.why_cut = ""
        self.seconds: float | None = None

    def count(self, text: FileText) -> None:
        """One more file."""
        if text.access is Access.REFUSED:
            self.refused += 1
            self.why = text.why
        elif text.there:
            self.read += 1
            if text.access is Access.CUT:
                self.cut += 1
                self.why_cut = text.why
        if text.seconds is not None:
            self.seconds = text.seconds

    def source(self) -> SnapshotSource:
        """All of them as one source."""
        if self.refused:
            access = Access.CUT if self.read else Access.REFUSED
            why = f"{number_of(self.refused, 'process', 'processes')}: {self.why}"
            return SnapshotSource(self.name, access, why, self.seconds, _COMMAND)
        if self.cut:
            why = f"{number_of(self.cut, 'process', 'processes')}: {self.why_cut}"
            return SnapshotSource(self.name, Access.CUT, why, self.seconds)
        if self.others_hidden:
            why = "processes of other users are not shown (hidepid)"
            return SnapshotSource(self.name, Access.CUT, why, self.seconds, _COMMAND)
        return SnapshotSource(self.name, Access.READ if self.read else Access.ABSENT, "", self.seconds)


class ProcessFiles:
    """Reads the processes of one machine.

    :param long: those of its files that have many lines
    :param devices: its PCI devices, None where they are not known
    """

    def __init__(self, files: TextFiles, long: LongFiles, devices: tuple[PciFunction, ...] | None) -> None:
        self._files, self._long = files, long
        self._places = BarPlaces(devices or ())
        self._owners = VfioOwners(files, devices or ())
        # Where such a mapping is, and the inode of its file.
        self._of_vfio: list[tuple[int, bytes]] = []
        self._regions: dict[tuple[str, int], int] = {}
        self._known: dict[tuple[bytes, bytes, bytes], _Kind] = {}
        self._maps, self._links = _Tally(MAPS), _Tally(DESCRIPTORS)

    def read(self, work: Work) -> ProcessesSeen:
        """All processes, in the order of their numbers.

        :raises Unparsable: a bundle has a line that no file of a process has
        """
        listing = self._files.names("/proc")
        pids = sorted(int(name) for name in decoded(listing.data).split("\n") if _PID.fullmatch(name))
        if not listing.there or not pids:
            why = listing.why or "no processes"
            access = Access.ABSENT if listing.there else listing.access
            return ProcessesSeen(None, None, (SnapshotSource(MAPS, access, why, listing.seconds),))
        # Where it is not hidden, every user sees the first one.
        self._maps.others_hidden = self._links.others_hidden = not self._files.root and _FIRST not in pids
        work.expect(len(pids))
        processes: list[Process] = []
        mappings: list[HostMapping] = []
        for pid in pids:
            self._add(pid, processes, mappings)
            work.advance()
        self._find_devices(mappings)
        return ProcessesSeen(tuple(processes), tuple(mappings), (self._maps.source(), self._links.source()))

    def _add(self, pid: int, processes: list[Process], mappings: list[HostMapping]) -> None:
        path, text = self._maps_of(pid)
        targets, listing = self._open_files(pid)
        self._links.count(listing)
        if not text.data and not targets:
            return
        if targets:
            self._owners.add(pid, targets)
        known, places = self._known, self._places
        before, count = len(mappings), 0
        for start, end, perms, offset, inode, file, flags in vmas(text.data):
            count += 1
            kind = known.get((file, flags, perms))
            if kind is None:
                kind = known[file, flags, perms] = _kind_of(file, flags, perms)
            wanted, name, names, permitted, of_uio = kind
            if wanted:
                first, last, at = int(start, 16), int(end, 16), int(offset, 16)
                physical = places.range_of(name, at, last - first, None) if last > first else None
                if file == _VFIO:
                    self._of_vfio.append((len(mappings), inode))
                elif of_uio and last > first:
                    physical = self._uio_range(name, at, last - first)
                mappings.append(HostMapping(pid, first, last, permitted, name, at, names, physical))
        # A bundle has nothing else.
        if self._files.strict and not is_trimmed(text.data, count):
            odd = odd_line(text.data, TRIMMED_LINE.fullmatch)
            if odd is not None:
                reason = f"line {odd[0]} is none of a mapping: {shown(odd[1])}"
                raise Unparsable(self._files.origin, path, text.line + odd[0], reason)
        if targets or len(mappings) > before:
            opened = tuple(sorted(set(targets.values())))
            processes.append(Process(pid, first_line(self._files, f"/proc/{pid}/comm"), opened))

    def _maps_of(self, pid: int) -> tuple[str, FileText]:
        # What is kept of another file than a bundle's is as small as that.
        kept = bytes if self._files.strict else trimmed
        path = f"/proc/{pid}/smaps"
        text = self._long.read(path, kept)
        if text.access is Access.ABSENT:
            # A kernel without CONFIG_PROC_PAGE_MONITOR has no flags.
            path = f"/proc/{pid}/maps"
            text = self._long.read(path, kept)
        self._maps.count(text)
        return path, text

    def _open_files(self, pid: int) -> tuple[dict[str, str], FileText]:
        folder = f"/proc/{pid}/fd"
        listing = self._files.names(folder)
        found = {}
        for name in decoded(listing.data).split("\n")[:MOST_DESCRIPTORS]:
            target = self._files.link(f"{folder}/{name}") if name.isdigit() else None
            if target is not None and is_device_file(target):
                found[name] = decoded(target.encode("utf-8", "surrogateescape"))
        return found, listing

    def _find_devices(self, mappings: list[HostMapping]) -> None:
        """Give mappings through VFIO their ranges, once all that is open is known."""
        for number, inode in self._of_vfio:
            one = mappings[number]
            device = self._owners.device_of(one.pid, inode)
            if device is not None and one.start < one.end:
                found = self._places.range_of(one.path, one.offset, one.end - one.start, device)
                mappings[number] = msgspec.structs.replace(one, physical=found)

    def _uio_range(self, path: str, offset: int, size: int) -> tuple[int, int] | None:
        """The range of a mapping of UIO: the offset is the number of a region, in pages (uio_mmap)."""
        key = path.removesuffix(" (deleted)").removeprefix(_UIO), offset // PAGE_SIZE
        start = self._regions.get(key)
        if start is None:
            place = f"/sys/class/uio/uio{key[0]}/maps/map{key[1]}/addr"
            text = first_line(self._files, place) if key[0].isdigit() else ""
            start = self._regions[key] = int(text, 16) if _ADDRESS.fullmatch(text) else _NOWHERE
        # Memory of the kernel's own has its virtual address there.
        start -= start % PAGE_SIZE
        return (start, start + size) if 0 < start < _MOST_PHYSICAL else None


def _kind_of(path: bytes, flags: bytes, perms: bytes) -> _Kind:
    names = tuple(decoded(flags).split()[1:]) if flags else None
    name = decoded(path)
    return is_of_interest(path, flags), name, names, perms.decode(), name.startswith(_UIO)
