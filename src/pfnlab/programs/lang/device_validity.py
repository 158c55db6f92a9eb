"""The rules of devices: where an operation may name one, or pages of it (docs/programs.md)."""

from __future__ import annotations

from pfnlab.programs.lang.device_ops import (
    DRIVER_RAM,
    DRIVER_RAM_PAGES,
    MOVED_BAR,
    MOVED_PAGES,
    SECTION_PAGES,
    Bind,
    Plug,
    RescanMoved,
    SlotCall,
    Unbind,
    UnmapMappingRange,
    Unplug,
)
from pfnlab.programs.lang.names import Names, Wrong, article, forwards
from pfnlab.programs.lang.ops import (
    DEVICE_VIAS,
    END_KINDS,
    ONLY_KINDS,
    Call,
    Device,
)
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import (
    NO_DEVICE,
    did_you_mean,
    page_count,
    quoted,
)


class DeviceValidity(Names):
    """Judges what operations say of devices; records which driver has one, and whether its slot is full."""

    def _pci(self, name: str) -> Device:
        device = self.devices.get(name)
        if device is None and name == MOVED_BAR:
            raise Wrong("no device has another address yet: write `rescan_moved bar` above", "source")
        if device is None or device.kind != "pci":
            hint = did_you_mean(
                name, [other for other, candidate in self.devices.items() if candidate.kind == "pci"]
            )
            raise Wrong(f"there is no pci device {quoted(name)}{hint}", "source")
        return device

    def _device(self, call: Call, name: str) -> None:
        """A device as a whole is the one BAR of a guest; its slot is full or empty."""
        device = self._pci(name).name
        if device == MOVED_BAR:
            raise Wrong(f"{MOVED_BAR} is an address of a device, not one itself: write the device", "source")
        if isinstance(call, Bind | Unbind):
            self._alone(device, "a driver binds")
            self._taken_by("the guest driver")
            return
        if not isinstance(call, SlotCall):
            self._alone(device, "vfio takes")
            self._taken_by("vfio-pci")
            return
        self._alone(device, "a slot holds")
        if isinstance(call, Plug):
            if device not in self.unplugged:
                raise Wrong(f"{device} is in its slot: write `unplug {device}` above", "source")
            self.unplugged.remove(device)
        elif device in self.unplugged:
            raise Wrong(f"{device} is out of its slot: write `plug {device}` above", "source")
        elif isinstance(call, Unplug):
            self.unplugged.add(device)
        elif isinstance(call, RescanMoved):
            self._moved(self.devices[device])

    def _moved(self, device: Device) -> None:
        """The device has a second place from now on."""
        if device.pages > MOVED_PAGES:
            problem = f"a device that comes to another address has at most {MOVED_PAGES} pages"
            raise Wrong(f"{problem}: declare {device.name} smaller", "source")
        self.devices[MOVED_BAR] = Device(MOVED_BAR, "pci", device.pages)

    def _taken_by(self, driver: str) -> None:
        """A device has one driver; vfio-pci has it for the whole program."""
        if self.driver not in ("", driver):
            raise Wrong(
                f"{self.driver} has the device in this program, which {driver} cannot have too: "
                "write two programs",
                "verb",
            )
        self.driver = driver

    def _alone(self, device: str, claim: str) -> None:
        others = [
            name
            for name, candidate in self.devices.items()
            if candidate.kind == "pci" and name not in (device, MOVED_BAR)
        ]
        if others:
            raise Wrong(
                f"{claim} {device} as a whole, which {others[0]} would be part of: declare one pci device",
                "source",
            )

    def _on_memory(self, span: Span) -> None:
        if span.name != DRIVER_RAM:
            self._on_device(span)
            return
        self._own_pages(span)

    def _own_pages(self, span: Span) -> None:
        if span.name != DRIVER_RAM:
            right = f"{DRIVER_RAM}[0:{max(1, min(span.pages, DRIVER_RAM_PAGES))}]"
            raise Wrong(f"the driver sets the mode of its own pages only: write {right}", "source")
        forwards(span, "source")
        if span.end > DRIVER_RAM_PAGES:
            problem = f"the driver has {DRIVER_RAM_PAGES} pages of its own"
            raise Wrong(f"{problem}: write {DRIVER_RAM}[0:{DRIVER_RAM_PAGES}] at most", "source")

    def _sections(self, verb: str, span: Span) -> None:
        self._on_device(span, only_pci=True)
        if span.start % SECTION_PAGES or span.end % SECTION_PAGES:
            name, whole = span.name, SECTION_PAGES
            problem = f"{verb} takes whole sections of {whole} pages"
            raise Wrong(f"{problem}: write {name}[0:{whole}]", "source")

    def _on_device(self, span: Span, *, only_pci: bool = False) -> Device:
        """Refuse pages that are none of a device; the device."""
        device = self.devices.get(span.name)
        if device is None or device.kind not in ONLY_KINDS or only_pci:
            device = self._pci(span.name)
        forwards(span, "source")
        if span.end > device.pages:
            pages = device.pages
            most = f"{device.name}[0:{pages}]"
            raise Wrong(f"{device.name} is {page_count(pages)}: write {most} at most", "source")
        return device

    def _unmap_mapping_range(self, call: UnmapMappingRange) -> None:
        device = self._on_device(call.span)
        if call.to_end and call.span.end != device.pages:
            name, start = call.span.name, call.span.start
            raise Wrong(f"to the end is {name}[{start}:{device.pages}] and all behind: name these", "source")

    def _device_via(self, source: Span, via: str) -> None:
        device = self.devices.get(source.name)
        if device is None:
            if source.name == MOVED_BAR:
                self._pci(MOVED_BAR)
            if source.name in self.extents:
                raise Wrong(f"{source.name} is an area: mmap takes pages of a device, anon or perf", "source")
            hint = did_you_mean(source.name, (*self.devices, *NO_DEVICE))
            raise Wrong(f"there is no device {quoted(source.name)}{hint}", "source")
        if source.name == MOVED_BAR and via in ("wc", "uc", "vfio"):
            raise Wrong(f"pages of this file have no address: write pages of the device, not {source}", "via")
        vias = DEVICE_VIAS[device.kind]
        if via not in vias:
            raise Wrong(
                f"{device.name} is {article(device.kind)} device and cannot be mapped by `{via}`"
                f": write one of {', '.join(vias)}",
                "via",
            )
        if via == "vfio":
            self._alone(device.name, "vfio takes")
            self._taken_by("vfio-pci")
        if source.end > device.pages and (
            device.kind == "isa" or (device.kind in END_KINDS and via == "driver")
        ):
            pages = page_count(device.pages)
            problem = (
                "what lies behind is no program's" if device.kind == "isa" else "there is nothing behind"
            )
            raise Wrong(
                f"{device.name} is {pages}, {problem}: write {device.name}[0:{device.pages}] at most",
                "source",
            )
