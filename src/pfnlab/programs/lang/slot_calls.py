"""The operations on a device's slot: it comes or goes."""

from __future__ import annotations

import msgspec


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    """The task writes 1 to the ``remove`` file of a pci device: the kernel forgets what stays in its slot."""

    device: str


class Rescan(msgspec.Struct, frozen=True, tag="rescan"):
    """The task writes 1 to /sys/bus/pci/rescan, and the device that is found is enabled."""

    device: str


class Unplug(msgspec.Struct, frozen=True, tag="unplug"):
    """A pci device is unplugged (QEMU's ``device_del``); done when it is out of its slot."""

    device: str


class Plug(msgspec.Struct, frozen=True, tag="plug"):
    """Another device, whose memory is zero, is plugged into the slot (``device_add``) and enabled."""

    device: str


SlotCall = Remove | Rescan | Unplug | Plug

#: The same, to ask whether a call is one.
SLOT_CALLS = (Remove, Rescan, Unplug, Plug)
