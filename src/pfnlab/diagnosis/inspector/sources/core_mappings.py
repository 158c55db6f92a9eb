"""Processes and their mappings of devices in a kernel's memory."""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE
from pfnlab.diagnosis.inspector.host_snapshot import Entries, HostMapping, Process
from pfnlab.kernel.mm.flags import VM_IO, VM_MIXEDMAP, VM_PAT, VM_PFNMAP, perms_text, vm_flags_text
from pfnlab.lab.lens import LensError

if TYPE_CHECKING:
    from pfnlab.lab.lens.file_paths import FilePaths
    from pfnlab.lab.lens.page_runs import RunReader
    from pfnlab.lab.lens.view import KernelView

#: A mapping with one of these maps page frames of a device, or may.
OF_DEVICES = VM_PFNMAP | VM_IO | VM_MIXEDMAP

#: The most open files of one process that are looked at.
MAX_FILES = 1 << 20

#: Files whose mappings say in ``vm_pgoff`` which page frames they map.
_PHYSICAL = re.compile(r"/dev/mem|/sys/.*/resource\d+(?:_wc)?|/proc/bus/pci/.*")

#: Device files: their inodes are of devices, or they have such paths.
_OF_DEVICES = re.compile(r"/sys/.*/resource\d+(?:_wc)?|/proc/bus/pci/.+|anon_inode:\[vfio.*")
_DEVICE_KINDS = frozenset({stat.S_IFCHR, stat.S_IFBLK})
#: Kinds without a path that matters.
_OTHER_KINDS = frozenset({stat.S_IFSOCK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFLNK})

_ULONG_MAX = (1 << 64) - 1
_COMM = 16
#: Members of a VMA that stand for a reservation, in kernels without VM_PAT: since 6.16, and in kernels with a
#: tracker of evidence/patches/.
_TRACKERS = ("pfnmap_track_ctx", "pfnmap_parts.rb_node", "pfnmap_end")


class _Task(NamedTuple):
    # A process: its task_struct, pid and mm_struct.
    address: int
    pid: int
    mm: int


class Tasks:
    """Reads the processes of one kernel.

    :param view: its memory
    :param tables: its page tables; None where its PAT is not known, so that entries have no modes
    :raises LensError: a structure lacks a member
    :ivar troubles: what kept a process from being read whole
    """

    def __init__(self, view: KernelView, tables: RunReader | None) -> None:
        from pfnlab.lab.lens.file_paths import FilePaths

        self._view, self._tables = view, tables
        layouts = view.layouts
        self._comm = layouts.offset("struct task_struct", "comm")
        self._mm = layouts.record("struct mm_struct", "mm_mt.ma_root", "pgd")
        vma = "struct vm_area_struct"
        members = ["vm_start", "vm_end", "vm_page_prot.pgprot", "vm_flags", "vm_pgoff", "vm_file"]
        self._tracker = next((name for name in _TRACKERS if layouts.has(vma, name)), None)
        self._vma = layouts.record(vma, *members, *([self._tracker] if self._tracker else []))
        self._paths = FilePaths(view)
        self._sealed = view.sealed_bits()
        self._spaces: dict[int, list[HostMapping]] = {}
        self.troubles: list[str] = []
        self._all: list[_Task] | None = None

    def _tasks(self) -> list[_Task]:
        if self._all is None:
            found = (_Task(*task) for task in self._view.tasks())
            self._all = sorted(found, key=lambda task: task.pid)
        return self._all

    def processes(self) -> Iterator[Process]:
        """Every process, by its pid; those of the kernel itself too.

        :raises LensError: the list of tasks cannot be read
        """
        open_files = _OpenFiles(self._view, self._paths)
        for task in self._tasks():
            if not task.pid:
                continue
            try:
                comm = self._view.read(task.address + self._comm, _COMM).partition(b"\0")[0]
                files = open_files.of(task.address) if task.mm else ()
            except LensError as trouble:
                self.troubles.append(f"process {task.pid}: {trouble}")
                continue
            yield Process(task.pid, comm.decode("utf-8", "replace"), files)

    def mappings(self) -> Iterator[HostMapping]:
        """Every mapping of a device by a file, by pid and address.

        A process that cannot be read is left out, and is among `troubles`.

        :raises LensError: the list of tasks cannot be read
        """
        from msgspec.structs import replace

        for task in self._tasks():
            if not task.mm:
                continue
            # Processes may share an address space.
            found = self._spaces.get(task.mm)
            if found is None:
                found = self._spaces[task.mm] = []
                try:
                    found += self._of_space(task.pid, task.mm)
                except LensError as trouble:
                    self.troubles.append(f"process {task.pid}: {trouble}")
            yield from (one if one.pid == task.pid else replace(one, pid=task.pid) for one in found)

    def _of_space(self, pid: int, mm: int) -> Iterator[HostMapping]:
        view = self._view
        root, pgd = view.members(mm, self._mm)
        for address in view.vma_addresses(root, 0, _ULONG_MAX):
            start, end, prot, bits, pgoff, file, *tracker = view.members(address, self._vma)
            if not file or not bits & OF_DEVICES:
                continue
            if start >= end or (start | end) % PAGE_SIZE:
                raise view.error(f"the VMA at {address:#x} reaches from {start:#x} to {end:#x}")
            path, offset = self._paths.of(file).path, pgoff << PAGE_SHIFT & _ULONG_MAX
            yield HostMapping(
                pid,
                start,
                end,
                perms_text(bits),
                path,
                offset,
                flags=tuple(self._flags(bits).split()),
                physical=(offset, offset + end - start) if _PHYSICAL.fullmatch(path) else None,
                entries=self._entries(pgd, start, end),
                tracked=bool(tracker[0]) if tracker else bool(bits & VM_PAT),
                mode=None if self._tables is None else self._tables.mode(prot),
            )

    def _flags(self, bits: int) -> str:
        from pfnlab.lab.lens.view import smaps_bits

        return vm_flags_text(smaps_bits(bits, self._sealed))

    def _entries(self, pgd: int, start: int, end: int) -> tuple[Entries, ...] | None:
        if self._tables is None:
            return None
        return tuple(Entries(*run) for run in self._tables.runs(self._view.physical(pgd), start, end))


class _OpenFiles:
    # The device files that processes have open.

    def __init__(self, view: KernelView, paths: FilePaths) -> None:
        layouts = view.layouts
        self._view, self._paths = view, paths
        self._task = layouts.record("struct task_struct", "files")
        self._files = layouts.record("struct files_struct", "fdt")
        self._table = layouts.record("struct fdtable", "max_fds", "fd")

    def of(self, task: int) -> tuple[str, ...]:
        view = self._view
        (files,) = view.members(task, self._task)
        if not files:
            return ()
        (table,) = view.members(files, self._files)
        count, at = view.members(table, self._table)
        if count > MAX_FILES:
            raise view.error(f"the table of files at {table:#x} has {count:,}")
        words = struct.unpack(f"<{count}Q", view.read(at, 8 * count))
        found = dict.fromkeys(path for file in words if file for path in self._device_file(file))
        return tuple(found)

    def _device_file(self, file: int) -> Iterator[str]:
        kind = self._paths.kind(file)
        if kind in _OTHER_KINDS:
            return
        path = self._paths.of(file).path
        if kind in _DEVICE_KINDS or _OF_DEVICES.fullmatch(path):
            yield path
