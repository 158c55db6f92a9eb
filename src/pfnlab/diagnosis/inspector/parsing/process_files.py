"""Processes with mappings of page frames or open device files: /proc/PID/smaps, maps, fd, fdinfo and comm.

A VMA is relevant if it has the flag ``pf`` (VM_PFNMAP) or ``io`` (VM_IO), or if it maps a file whose page
frames can be mapped. The clock pages that the kernel maps into every process ([vvar]) are excluded.
"""

import re
from collections.abc import Iterator

import msgspec

from pfnlab.base.progress import Work
from pfnlab.base.units import PAGE_SIZE, number_of
from pfnlab.diagnosis.inspector.host_snapshot import Access, HostMapping, PciFunction, Process, SnapshotSource
from pfnlab.diagnosis.inspector.parsing import text_files
from pfnlab.diagnosis.inspector.parsing.mapped_range import VFIO, BarPlaces, VfioOwners

#: Files whose mappings and open descriptors are relevant.
DEVICE_FILE = (
    rb"(?:/dev/(?:mem|kfd|hpet|fb[0-9]+|dri/|nvidia|uio[0-9]|infiniband/|vfio/|accel/)"
    rb"|/proc/bus/pci/|/sys/devices/[^\n]*/resource[0-9]|anon_inode:\[vfio-device\])"
)

#: A maps line that its file makes relevant; smaps has the same lines.
_OF_FILE = re.compile(
    rb"^[0-9a-f]{1,16}-[0-9a-f]{1,16} [rwxsp-]{4} [0-9a-f]{1,16} [0-9a-f]+:[0-9a-f]+ [0-9]+ +"
    + DEVICE_FILE
    + rb"[^\n]*$"
)

#: Text that every line has if its file makes it relevant.
_PARTS = (b"/dev/", b"/proc/bus/pci/", b"/resource", b"anon_inode:[vfio-device]")
_OF_FLAGS = re.compile(rb"^VmFlags:[^\n]* (?:pf|io)(?= |$)[^\n]*$", re.MULTILINE)
_FLAGS = re.compile(rb"^VmFlags:([^\n]*)$", re.MULTILINE)
_DIGITS = b"0123456789abcdef"

#: A maps line; the path may contain any byte except a newline.
HEAD = re.compile(
    rb"^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([rwxsp-]{4}) ([0-9a-f]{1,16}) [0-9a-f]+:[0-9a-f]+ ([0-9]+)"
    rb"(?: +([^\n]*))?$",
    re.MULTILINE,
)

#: The same, followed by the line of flags.
_VMA = re.compile(HEAD.pattern[:-1] + rb"(?:\n(VmFlags:[ a-z0-9?]*))?$", re.MULTILINE)
#: The lines of a trimmed file, for validating a bundle.
TRIMMED_LINE = re.compile(HEAD.pattern[1:-1] + rb"|VmFlags:[ a-z0-9?]*")
Vma = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes]
_OPEN = re.compile(DEVICE_FILE)
_CLOCK = b"[vvar"


def is_device_file(target: str) -> bool:
    """True if the target of an open descriptor is relevant."""
    return _OPEN.match(target.encode("utf-8", "surrogateescape")) is not None


def trimmed(data: bytes) -> bytes:
    """Reduce maps or smaps to the relevant VMAs: for each, its line and its line of flags.

    Trimming a trimmed file changes nothing. Lines of other VMAs cost no time.
    """
    heads: dict[int, int] = {}
    for found in _OF_FLAGS.finditer(data):
        at = _head_before(data, found.start())
        if at is not None and _CLOCK not in data[at : data.find(b"\n", at)]:
            heads[at] = found.start()
    for part in _PARTS:
        if part in data:
            heads.update((at, -1) for at in _lines_with(data, part) if at not in heads)
    kept = []
    for at in sorted(heads):
        end = _line_end(data, at)
        kept.append(data[at:end])
        flags = heads[at] if heads[at] >= 0 else _flags_after(data, end)
        if flags is not None:
            kept.append(data[flags : _line_end(data, flags)])
    return b"\n".join((*kept, b"")) if kept else b""


def vmas(data: bytes) -> Iterator[Vma]:
    """Return the VMAs in a trimmed file, each split into its parts; missing parts are empty.

    The parts are start, end, permissions, offset, inode, path and flags.
    """
    for piece in text_files.line_pieces(data, _DIGITS):
        yield from _VMA.findall(piece)


def is_trimmed(data: bytes, count: int) -> bool:
    """True if a file consists of the lines of its *count* VMAs."""
    lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    return lines == count + data.count(b"\nVmFlags:")


def is_of_interest(path: bytes, flags: bytes) -> bool:
    """True if a VMA with this file and these flags is relevant."""
    return _OPEN.match(path) is not None or (_OF_FLAGS.match(flags) is not None and _CLOCK not in path)


def _head_before(data: bytes, at: int) -> int | None:
    # smaps fields begin with a capital and VMA lines with a digit; each VMA has about 25 fields.
    for _ in range(64):
        if at <= 0:
            return None
        at = data.rfind(b"\n", 0, at - 1) + 1
        if data[at : at + 1] in _DIGITS:
            return at
    return None


def _lines_with(data: bytes, part: bytes) -> Iterator[int]:
    at = data.find(part)
    while at >= 0:
        start, end = data.rfind(b"\n", 0, at) + 1, _line_end(data, at)
        if _OF_FILE.match(data[start:end]):
            yield start
        at = data.find(part, end)


def _flags_after(data: bytes, at: int) -> int | None:
    # The fields up to the next VMA.
    found = _FLAGS.search(data, at, at + 4096)
    if found is None:
        return None
    between = HEAD.search(data, at, found.start())
    return found.start() if between is None else None


def _line_end(data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    return end if end >= 0 else len(data)


#: The command that shows everything to users who may not see other users' processes.
_COMMAND = "sudo pfnlab inspect"
#: Source names for the data of all processes: their mappings, and their open files.
MAPS, DESCRIPTORS = "/proc/*/smaps", "/proc/*/fd"
_VFIO = VFIO.encode()
_ADDRESS = re.compile(r"0x[0-9a-f]{1,16}")
_PID = re.compile(r"[0-9]{1,10}")
#: UIO device path prefix; the start of an unknown region; the limit of physical addresses.
_UIO, _NOWHERE, _MOST_PHYSICAL = "/dev/uio", 0, 1 << 52
#: The process that every machine has.
_FIRST = 1
#: Maximum number of descriptors examined per process.
MOST_DESCRIPTORS = 1 << 16


# For a VMA's file, flags and permissions: whether it is relevant, these three as text, and whether it is UIO.
_Kind = tuple[bool, str, tuple[str, ...] | None, str, bool]


class ProcessesSeen(msgspec.Struct, frozen=True):
    """All facts about processes; None if there is no /proc."""

    processes: tuple[Process, ...] | None
    mappings: tuple[HostMapping, ...] | None
    sources: tuple[SnapshotSource, ...]


class _Tally:
    """For one per-process file, counts how many were read and how many refused."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.read = self.refused = self.cut = 0
        self.others_hidden = False
        self.why = self.why_cut = self.part = ""
        self.seconds: float | None = None

    def count(self, text: text_files.FileText) -> None:
        """Count one more file."""
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
        """All these files as one source."""
        access, why, command = Access.CUT, "", ""
        if self.refused:
            access = Access.CUT if self.read else Access.REFUSED
            why, command = f"{number_of(self.refused, 'process', 'processes')}: {self.why}", _COMMAND
        elif self.cut:
            why = f"{number_of(self.cut, 'process', 'processes')}: {self.why_cut}"
        elif self.others_hidden:
            why, command = "processes of other users are not shown (hidepid)", _COMMAND
        elif self.part and self.read:
            why = self.part
        else:
            access = Access.READ if self.read else Access.ABSENT
        return SnapshotSource(self.name, access, why, self.seconds, command)


class ProcessFiles:
    """Reads the processes of one machine with the PCI devices *devices*; None if these are unknown."""

    def __init__(
        self, files: text_files.TextFiles, long: text_files.LongFiles, devices: tuple[PciFunction, ...] | None
    ) -> None:
        self._files, self._long = files, long
        self._places = BarPlaces(devices or ())
        self._owners = VfioOwners(files, devices or ())
        # The position of each VFIO mapping, and the inode of its file.
        self._of_vfio: list[tuple[int, bytes]] = []
        self._regions: dict[tuple[str, int], int] = {}
        self._known: dict[tuple[bytes, bytes, bytes], _Kind] = {}
        self._maps, self._links = _Tally(MAPS), _Tally(DESCRIPTORS)

    def read(self, work: Work) -> ProcessesSeen:
        """Return all processes, by number; raise Unparsable for a malformed line in a bundle."""
        listing = self._files.names("/proc")
        pids = sorted(
            int(name) for name in text_files.decoded(listing.data).split("\n") if _PID.fullmatch(name)
        )
        if not listing.there or not pids:
            why = listing.why or "no processes"
            access = Access.ABSENT if listing.there else listing.access
            return ProcessesSeen(None, None, (SnapshotSource(MAPS, access, why, listing.seconds),))
        if listing.access is Access.CUT:
            self._maps.part = self._links.part = listing.why
        # Every user sees process 1 unless processes are hidden.
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
                words = tuple(text_files.decoded(flags).split()[1:]) if flags else None
                text_name = text_files.decoded(file)
                kind = (
                    is_of_interest(file, flags),
                    text_name,
                    words,
                    perms.decode(),
                    text_name.startswith(_UIO),
                )
                known[file, flags, perms] = kind
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
            odd = text_files.odd_line(text.data, TRIMMED_LINE.fullmatch)
            if odd is not None:
                reason = f"line {odd[0]} is not a mapping: {text_files.shown(odd[1])}"
                raise text_files.Unparsable(self._files.origin, path, text.line + odd[0], reason)
        if targets or len(mappings) > before:
            opened = tuple(sorted(set(targets.values())))
            processes.append(Process(pid, text_files.first_line(self._files, f"/proc/{pid}/comm"), opened))

    def _maps_of(self, pid: int) -> tuple[str, text_files.FileText]:
        # The kept part of a file outside a bundle is as small as that.
        kept = bytes if self._files.strict else trimmed
        path = f"/proc/{pid}/smaps"
        text = self._long.read(path, kept)
        if text.access is Access.ABSENT:
            # Kernels without CONFIG_PROC_PAGE_MONITOR print no flags.
            path = f"/proc/{pid}/maps"
            text = self._long.read(path, kept)
        self._maps.count(text)
        return path, text

    def _open_files(self, pid: int) -> tuple[dict[str, str], text_files.FileText]:
        folder = f"/proc/{pid}/fd"
        listing = self._files.names(folder)
        found = {}
        for name in text_files.decoded(listing.data).split("\n")[:MOST_DESCRIPTORS]:
            target = self._files.link(f"{folder}/{name}") if name.isdigit() else None
            if target is not None and is_device_file(target):
                found[name] = text_files.decoded(target.encode("utf-8", "surrogateescape"))
        return found, listing

    def _find_devices(self, mappings: list[HostMapping]) -> None:
        """Set the ranges of VFIO mappings once all open files are known."""
        for number, inode in self._of_vfio:
            one = mappings[number]
            device = self._owners.device_of(one.pid, inode)
            if device is not None and one.start < one.end:
                found = self._places.range_of(one.path, one.offset, one.end - one.start, device)
                mappings[number] = msgspec.structs.replace(one, physical=found)

    def _uio_range(self, path: str, offset: int, size: int) -> tuple[int, int] | None:
        """Return the range of a UIO mapping; its offset, in pages, is the region number (uio_mmap)."""
        key = path.removesuffix(" (deleted)").removeprefix(_UIO), offset // PAGE_SIZE
        start = self._regions.get(key)
        if start is None:
            place = f"/sys/class/uio/uio{key[0]}/maps/map{key[1]}/addr"
            text = text_files.first_line(self._files, place) if key[0].isdigit() else ""
            start = self._regions[key] = int(text, 16) if _ADDRESS.fullmatch(text) else _NOWHERE
        # For kernel memory the file gives the virtual address.
        start -= start % PAGE_SIZE
        return (start, start + size) if 0 < start < _MOST_PHYSICAL else None
