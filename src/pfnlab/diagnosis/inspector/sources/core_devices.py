"""Devices, resources and modules in a kernel's memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pfnlab.diagnosis.inspector.host_snapshot import IomemLine, Module, PciFunction
from pfnlab.kernel.hw.pci_regions import Bar, bar_of
from pfnlab.lab.lens.own_types import list_at, text_at

if TYPE_CHECKING:
    from pfnlab.lab.lens.view import KernelView

#: The symbols these readers need.
SYMBOLS = ("iomem_resource", "pci_root_buses", "modules")

#: Walks are given up after this many resources, buses with their devices, and modules with their users.
MAX_RESOURCES = 1_000_000
MAX_DEVICES = 100_000
MAX_MODULES = 100_000

#: The deepest resource, and the deepest bus.
MAX_DEPTH = 64

_MAX_NAME = 256

#: The last number of the resources of a device and its virtual functions; without types, that of the ROM.
_LAST_VIRTUAL = "PCI_IOV_RESOURCE_END", 6


def read_resources(view: KernelView) -> Iterator[IomemLine]:
    """The tree of resources of memory, in the order of /proc/iomem.

    :raises LensError: the tree cannot be read, or has a loop
    """
    record = view.layouts.record("struct resource", "start", "end", "name", "sibling", "child")
    *_, first = view.members(view.symbol("iomem_resource"), record)
    visited = set[int]()
    waiting = [(first, 0)] if first else []
    while waiting:
        address, depth = waiting.pop()
        if address in visited or len(visited) >= MAX_RESOURCES or depth > MAX_DEPTH:
            raise view.error(f"the tree of resources has a loop at {address:#x}")
        visited.add(address)
        start, end, name, sibling, child = view.members(address, record)
        yield IomemLine(start, end + 1, text_at(view, name, _MAX_NAME) if name else "<BAD>", depth)
        waiting += [(sibling, depth)] * bool(sibling) + [(child, depth + 1)] * bool(child)


def read_devices(view: KernelView) -> Iterator[PciFunction]:
    """The PCI devices, in the order of their addresses.

    :raises LensError: a list cannot be read, or has a loop; or PCI is not built in
    """
    devices = _Devices(view)
    for address in devices.addresses():
        yield devices.device(address)


class _Devices:
    # Walks the buses of one kernel.

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
        """The devices, by the addresses of their structures."""
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
        """The device whose structure is at *address*."""
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
            # Of one that no driver has enabled, the firmware may have; only the device itself says that.
            enabled=True if 0 < enabled < 1 << 31 else None,
            group=self._group(group) if group else "",
        )

    def _bound(self, driver: int) -> tuple[str, tuple[str, ...]]:
        # The driver's name, and its module where it is one.
        view = self._view
        name, owner = view.members(driver, self._driver)
        modules = (_module_name(view, owner),) if owner else ()
        return text_at(view, name, _MAX_NAME), modules

    def _group(self, group: int) -> str:
        # Only declared where the driver of the IOMMU is none of the kernel's own.
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
    """The loaded modules, the newest first as /proc/modules has them, each with the modules that use it.

    :raises LensError: a list cannot be read, or has a loop; or the kernel has no modules
    """
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
