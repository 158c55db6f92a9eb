"""The devices behind mappings through VFIO: by descriptors of the process, or of whoever has the file open.

A mapping outlives the descriptor it was made with, and may come from another process. So what is open
anywhere counts where the process itself has nothing open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pfnlab.diagnosis.inspector.host_snapshot import PciFunction
from pfnlab.diagnosis.inspector.parsing.mapped_range import VFIO
from pfnlab.diagnosis.inspector.parsing.text_files import TextFiles, decoded

_SYSPATH = re.compile(rb"^vfio-device-syspath:\s*(\S+)\s*$", re.MULTILINE)
_INODE = re.compile(rb"^ino:\s*([0-9]+)\s*$", re.MULTILINE)
_GROUP = re.compile(r"/dev/vfio/([0-9]+)")

#: A device without its group (VFIO_DEVICE_CDEV), whose number says nothing of its address.
_WITHOUT_GROUP = "/dev/vfio/devices/"


class VfioOwners:
    """Devices by process and by file, as far as descriptors say them.

    :param devices: the PCI devices of the machine
    """

    def __init__(self, files: TextFiles, devices: Iterable[PciFunction]) -> None:
        self._files = files
        self._bound = [device for device in devices if (device.driver or "").startswith("vfio")]
        # Of a process the files of which the device is known, and its only device.
        self._own: dict[int, tuple[dict[bytes, set[str]], str | None]] = {}
        self._by_inode: dict[bytes, set[str]] = {}
        self._groups: set[str] = set()
        self._without_group = False

    def add(self, pid: int, targets: Mapping[str, str]) -> None:
        """Look at the device files that a process has open, by the number of the descriptor."""
        groups = {group[1] for target in targets.values() if (group := _GROUP.fullmatch(target))}
        self._groups |= groups
        self._without_group |= any(target.startswith(_WITHOUT_GROUP) for target in targets.values())
        descriptors = [name for name, target in targets.items() if target == VFIO]
        by_inode: dict[bytes, set[str]] = {}
        found: set[str] = set()
        unknown = not descriptors
        for name in descriptors:
            text = self._files.read(f"/proc/{pid}/fdinfo/{name}").data
            syspath, inode = _SYSPATH.search(text), _INODE.search(text)
            if syspath is None:
                unknown = True
                continue
            address = decoded(syspath[1]).rpartition("/")[2]
            found.add(address)
            if inode is not None:
                for table in (by_inode, self._by_inode):
                    table.setdefault(inode[1], set()).add(address)
        if unknown:
            found |= {device.address for device in self._bound if device.group in groups}
        self._own[pid] = by_inode, next(iter(found)) if len(found) == 1 else None

    def device_of(self, pid: int, inode: bytes) -> str | None:
        """The device of a mapping, None where nothing says which; all processes have to be added before.

        :param inode: of the file that it maps; until 6.9 all files of VFIO have the same
        """
        by_inode, single = self._own.get(pid, ({}, None))
        for named in (by_inode.get(inode), {single} if single else None, self._by_inode.get(inode)):
            if named is not None:
                return next(iter(named)) if len(named) == 1 else None
        # Nothing open says it: the only device that VFIO has, unless something else may have been open.
        if len(self._bound) == 1 and not self._without_group and self._groups <= {self._bound[0].group}:
            return self._bound[0].address
        return None
