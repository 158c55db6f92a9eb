"""The slot of a device under test that can be unplugged: a PCI Express root port, and its device."""

from __future__ import annotations

from pathlib import Path

from pfnlab.base.errors import LostGuest
from pfnlab.lab.vm.qmp import Qmp, QmpError

#: How long a guest may take to let go of a device, in seconds.
UNPLUG_LIMIT = 30.0

#: The largest BAR, in MiB, that has a second place in the slot's window of addresses.
MOVABLE_BAR_MIB = 256

#: The id of the port; no property of the port itself has this name.
_BUS = "behind"


class Slot:
    """A slot with a device in it, whose BAR, and that of every later device, has so many MiB."""

    def __init__(self, bar_mib: int) -> None:
        self._bar_mib = bar_mib
        self._device = 0

    @classmethod
    def arguments(cls, bar_mib: int, address: int) -> list[str]:
        """QEMU's arguments for the slot at *address* of the bus, and for the first device."""
        name = cls(bar_mib)._name()
        # Room for two BARs, so that the kernel can move the device's; larger ones stay where they are.
        room = f",pref64-reserve={2 * bar_mib}M" if bar_mib <= MOVABLE_BAR_MIB else ""
        return [
            *("-object", f"memory-backend-ram,id=bar-{name},size={bar_mib}M"),
            *("-device", f"pcie-root-port,id={_BUS},chassis=1,slot=1,addr={address:#x}{room}"),
            *("-device", f"ivshmem-plain,id={name},memdev=bar-{name},bus={_BUS},master=on"),
        ]

    def unplug(self, qmp: Path) -> None:
        """Take the device out; LostGuest if the guest does not let go of it within :data:`UNPLUG_LIMIT`."""
        try:
            with Qmp(qmp) as ask:
                ask("device_del", id=self._name())
                ask.wait_for("DEVICE_DELETED", self._name(), UNPLUG_LIMIT)
        except (OSError, ValueError, QmpError) as trouble:
            raise LostGuest(f"the device could not be unplugged: {trouble}") from trouble

    def plug(self, qmp: Path) -> None:
        """Put a new device in, with memory of its own; LostGuest if QEMU refuses."""
        self._device += 1
        name = self._name()
        memory = {"qom-type": "memory-backend-ram", "id": f"bar-{name}"}
        try:
            with Qmp(qmp) as ask:
                ask("object-add", **memory, size=self._bar_mib << 20)
                device = {"driver": "ivshmem-plain", "memdev": memory["id"], "bus": _BUS}
                # QEMU 10 takes no truth value here, of three: on, off, auto.
                ask("device_add", id=name, master="on", **device)
        except (OSError, ValueError, QmpError) as trouble:
            raise LostGuest(f"no device could be plugged in: {trouble}") from trouble

    def _name(self) -> str:
        return f"device-{self._device}"
