"""The files of processes with other names and addresses: mappings, what is open, and commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from pfnlab.base.units import PAGE_SIZE
from pfnlab.diagnosis.inspector.host_snapshot import Snapshot
from pfnlab.diagnosis.inspector.parsing.mapped_range import VFIO
from pfnlab.diagnosis.inspector.parsing.process_maps import HEAD, TRIMMED_LINE
from pfnlab.diagnosis.inspector.sources.address_shift import AddressShift
from pfnlab.diagnosis.inspector.sources.line_forms import TextForm, each, nothing
from pfnlab.diagnosis.inspector.sources.redacted_names import RedactedNames

_HEAD = re.compile(HEAD.pattern.decode()[1:-1])
_TRIMMED = re.compile(TRIMMED_LINE.pattern.decode())
_FLAG = re.compile(r"[a-z?]{2}")
_INFO = re.compile(r"(ino|vfio-device-syspath):\s*(\S+)\s*")

#: Offsets that are none: the number of a region of UIO in pages, of one of VFIO above bit 40.
_REGIONS_OF_UIO, _REGION_SHIFT, _REGIONS_OF_VFIO = 5, 40, 16


class RedactedProcesses:
    """The files of processes, each with its form.

    :param names: those of the bundle
    :param shift: that of physical addresses
    :param snapshot: what the files make, which says what the offsets of mappings are
    :param random: where the places of processes come from
    """

    def __init__(self, names: RedactedNames, shift: AddressShift, snapshot: Snapshot, random: Random) -> None:
        self._names = names
        self._shift = shift
        self._random = random
        mappings = snapshot.mappings or ()
        self._physical = {(one.pid, one.start): one.physical for one in mappings}
        self._lowest: dict[int, int] = {}
        for one in mappings:
            self._lowest[one.pid] = min(one.start, self._lowest.get(one.pid, one.start))
        # By as much in both files of a process.
        self._down: dict[int, int] = {}

    def form(self, pid: int, file: str) -> TextForm:
        """The form of a file of a process.

        :param file: its name below /proc/PID
        """
        if file in ("maps", "smaps"):
            return lambda text: self._mappings(pid, text)
        if file == "comm":
            return lambda text: iter((self._names.process(text.partition("\n")[0].strip()),))
        if file.startswith("fd/"):
            return each(self._names.path)
        return self._info if file.startswith("fdinfo/") else nothing

    def _mappings(self, pid: int, text: str) -> Iterator[str]:
        kept = False
        for line in text.split("\n"):
            if found := _HEAD.fullmatch(line):
                yield self._mapping(pid, found)
                kept = True
            elif kept and line.startswith("VmFlags:") and _TRIMMED.fullmatch(line):
                flags = line.split()[1:]
                yield " ".join(["VmFlags:", *(flag if _FLAG.fullmatch(flag) else "??" for flag in flags)])
                kept = False
            else:
                # Flags belong to the line right before them.
                kept = False

    def _mapping(self, pid: int, found: re.Match[str]) -> str:
        start, end, offset = int(found[1], 16), int(found[2], 16), int(found[4], 16)
        path = found[6] or ""
        offset = self._offset(path, offset, self._physical.get((pid, start)))
        down = self._below(pid)
        head = (
            f"{max(0, start - down):08x}-{max(0, end - down):08x} {found[3]} {offset:08x} 00:00 "
            f"{self._names.inode(found[5])}"
        )
        return f"{head}        {self._names.path(path)}" if path else head

    def _below(self, pid: int) -> int:
        down = self._down.get(pid)
        if down is None:
            pages = self._lowest.get(pid, 0) // PAGE_SIZE
            down = self._down[pid] = self._random.randint(1, pages // 2) * PAGE_SIZE if pages > 1 else 0
        return down

    def _offset(self, path: str, offset: int, physical: tuple[int, int] | None) -> int:
        if physical is not None and not path.startswith("/dev/uio"):
            # A place in a BAR is no address.
            return self._shift(offset) if offset == physical[0] else offset
        if path.startswith("/dev/uio") and offset < _REGIONS_OF_UIO * PAGE_SIZE:
            return offset
        if path.startswith(VFIO) and 0 < offset >> _REGION_SHIFT < _REGIONS_OF_VFIO:
            return offset
        return self._shift(offset)

    def _info(self, text: str) -> Iterator[str]:
        for line in text.split("\n"):
            found = _INFO.fullmatch(line)
            if found is None:
                continue
            if found[1] == "ino":
                if found[2].isdecimal():
                    yield f"ino:\t{self._names.inode(found[2])}"
            else:
                yield f"vfio-device-syspath: {self._names.system_path(found[2])}"
