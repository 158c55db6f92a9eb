"""Devices, resources, modules, and processes with their device mappings, from kernel memory.

Each reader raises LensError if the data is missing, cannot be read, or has a loop.
"""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE
from pfnlab.diagnosis.inspector.host_snapshot import (
    Entries,
    HostMapping,
    IomemLine,
    Module,
    PciFunction,
    Process,
)
from pfnlab.kernel.hw.pci_regions import Bar, bar_of
from pfnlab.kernel.mm.flags import VM_IO, VM_MIXEDMAP, VM_PAT, VM_PFNMAP, perms_text, vm_flags_text
from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.own_types import list_at, text_at

if TYPE_CHECKING:
    from pfnlab.lab.lens.file_paths import FilePaths
    from pfnlab.lab.lens.page_runs import RunReader
    from pfnlab.lab.lens.view import KernelView


#: Symbols that these readers need.
SYMBOLS = ("iomem_resource", "pci_root_buses", "modules")
#: Limits on walks: over buses with their devices, and modules with their users.
MAX_DEVICES = 100_000
MAX_MODULES = 100_000
#: The deepest bus.
MAX_DEPTH = 64
_MAX_NAME = 256
#: The last resource number of a device and its virtual functions; without type information, the ROM's.
_LAST_VIRTUAL = "PCI_IOV_RESOURCE_END", 6


def read_resources(view: KernelView) -> Iterator[IomemLine]:
    """Read the tree of memory resources, in /proc/iomem order."""
    for start, end, name, depth in view.resources():
        yield IomemLine(start, end + 1, text_at(view, name, _MAX_NAME) if name else "<BAD>", depth)


def read_devices(view: KernelView) -> Iterator[PciFunction]:
    """Read the PCI devices, in address order."""
    devices = _Devices(view)
    for address in devices.addresses():
        yield devices.device(address)


class _Devices:
    # Walks the buses in one kernel.

    def __init__(self, view: KernelView) -> None:
        self._view = view
        layouts = view.layouts
        self._device = layouts.record(
            "struct pci_dev",
            *("vendor", "device", "class", "enable_cnt.counter"),
            *("dev.kobj.name", "dev.driver", "dev.iommu_group"),
        )
        self._driver = layouts.record("struct device_driver", "name", "owner")
        self._resource = layouts.record("struct resource", "start", "end", "flags")
        self._resources = layouts.offset("struct pci_dev", "resource")
        self._resource_size = layouts.size("struct resource")
        count = layouts.length("struct pci_dev", "resource")
        self._numbers = range(min(count, self._number(*_LAST_VIRTUAL) + 1))
        self._of_bus = layouts.offset("struct pci_bus", "node")
        self._children = layouts.offset("struct pci_bus", "children")
        self._devices = layouts.offset("struct pci_bus", "devices")
        self._of_device = layouts.offset("struct pci_dev", "bus_list")

    def _number(self, name: str, default: int) -> int:
        try:
            return int(self._view.program.constant(name).value_())
        except LookupError:
            return default

    def addresses(self) -> list[int]:
        """Return the addresses of the device structures."""
        view = self._view
        heads, found, seen = [(view.symbol("pci_root_buses"), 0)], list[int](), set[int]()
        while heads:
            head, depth = heads.pop(0)
            if depth > MAX_DEPTH:
                raise view.error(f"the buses below {head:#x} have a loop")
            for bus in list_at(view, head, self._of_bus, "buses", MAX_DEVICES):
                if bus in seen or len(seen) >= MAX_DEVICES:
                    raise view.error(f"the buses have a loop at {bus:#x}")
                seen.add(bus)
                found += list_at(view, bus + self._devices, self._of_device, "devices", MAX_DEVICES)
                heads.append((bus + self._children, depth + 1))
                if len(found) > MAX_DEVICES:
                    raise view.error(f"its buses have more than {MAX_DEVICES:,} devices")
        return found

    def device(self, address: int) -> PciFunction:
        """Read the device whose structure is at *address*."""
        view = self._view
        vendor, device, kind, enabled, name, driver, group = view.members(address, self._device)
        driver_name, modules = self._bound(driver) if driver else (None, ())
        return PciFunction(
            text_at(view, name, _MAX_NAME),
            f"{vendor:04x}:{device:04x}",
            f"{kind:06x}",
            driver_name,
            tuple(self._bars(address)),
            modules,
            # Firmware may have enabled a device that no driver enabled; only the device itself knows.
            enabled=True if 0 < enabled < 1 << 31 else None,
            group=self._group(group) if group else "",
        )

    def _bound(self, driver: int) -> tuple[str, tuple[str, ...]]:
        # The driver's name, and its module if it has one.
        view = self._view
        name, owner = view.members(driver, self._driver)
        modules = (_module_name(view, owner),) if owner else ()
        return text_at(view, name, _MAX_NAME), modules

    def _group(self, group: int) -> str:
        # The type information declares it only if the IOMMU driver is not built in.
        if not self._view.layouts.has("struct iommu_group", "id"):
            return ""
        record = self._view.layouts.record("struct iommu_group", "id")
        return str(self._view.members(group, record)[0])

    def _bars(self, device: int) -> Iterator[Bar]:
        for number in self._numbers:
            at = device + self._resources + number * self._resource_size
            start, end, flags = self._view.members(at, self._resource)
            if bar := bar_of(number, start, end, flags):
                yield bar


def _module_name(view: KernelView, module: int) -> str:
    return text_at(view, module + view.layouts.offset("struct module", "name"), _MAX_NAME)


def read_modules(view: KernelView) -> Iterator[Module]:
    """Read the loaded modules, each with the modules that use it, in /proc/modules order (newest first)."""
    layouts = view.layouts
    at = layouts.offset("struct module", "list")
    has_users = layouts.has("struct module", "source_list")
    users = layouts.offset("struct module", "source_list") if has_users else 0
    use = layouts.record("struct module_use", "source") if has_users else None
    use_at = layouts.offset("struct module_use", "source_list") if has_users else 0
    for module in list_at(view, view.symbol("modules"), at, "modules", MAX_MODULES):
        using = [] if use is None else list_at(view, module + users, use_at, "a module's users", MAX_MODULES)
        names = [_module_name(view, view.members(one, use)[0]) for one in using if use is not None]
        yield Module(_module_name(view, module), tuple(names))


#: Flags of a mapping that maps device page frames, or may do so.
OF_DEVICES = VM_PFNMAP | VM_IO | VM_MIXEDMAP
#: Maximum number of open files examined per process.
MAX_FILES = 1 << 20
#: Files whose mappings have the page frame number in ``vm_pgoff``.
_PHYSICAL = re.compile(r"/dev/mem|/sys/.*/resource\d+(?:_wc)?|/proc/bus/pci/.*")
#: Device files, recognized by a device inode or by their path.
_OF_DEVICES = re.compile(r"/sys/.*/resource\d+(?:_wc)?|/proc/bus/pci/.+|anon_inode:\[vfio.*")
_DEVICE_KINDS = frozenset({stat.S_IFCHR, stat.S_IFBLK})
#: Kinds without a relevant path.
_OTHER_KINDS = frozenset({stat.S_IFSOCK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFLNK})
_ULONG_MAX = (1 << 64) - 1
_COMM = 16
#: VMA members that stand for a reservation in kernels without VM_PAT: since 6.16, and in kernels with a
#: tracker from evidence/patches/.
_TRACKERS = ("pfnmap_track_ctx", "pfnmap_parts.rb_node", "pfnmap_end")


class _Task(NamedTuple):
    # A process: its task_struct, pid and mm_struct.
    address: int
    pid: int
    mm: int


class Tasks:
    """Reads the processes in one kernel.

    :param tables: its page tables; None if the PAT, and so the mode of any entry, is unknown
    :ivar troubles: the reasons why processes were not fully read
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
        """Read every process, including kernel threads, in pid order."""
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
        """Read every device mapping, by pid and address; put unreadable processes into `troubles`."""
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
        from pfnlab.lab.lens.view import smaps_bits

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
                flags=tuple(vm_flags_text(smaps_bits(bits, self._sealed)).split()),
                physical=(offset, offset + end - start) if _PHYSICAL.fullmatch(path) else None,
                entries=self._entries(pgd, start, end),
                tracked=bool(tracker[0]) if tracker else bool(bits & VM_PAT),
                mode=None if self._tables is None else self._tables.mode(prot),
            )

    def _entries(self, pgd: int, start: int, end: int) -> tuple[Entries, ...] | None:
        if self._tables is None:
            return None
        return tuple(Entries(*run) for run in self._tables.runs(self._view.physical(pgd), start, end))


class _OpenFiles:
    # The device files that a process has open.

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
