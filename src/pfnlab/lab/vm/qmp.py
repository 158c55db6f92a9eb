"""QEMU's monitor protocol: commands, waiting for an event, and a device that is unplugged and plugged in."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any, Literal

from pfnlab.base.errors import LostGuest

#: How long one answer may take, and writing a core, in seconds.
ANSWER_LIMIT, DUMP_LIMIT = 20.0, 300.0

#: The forms of a core: ELF, of the size of all memory, or packed as kdump does.
CoreForm = Literal["elf", "kdump-zlib"]


class QmpError(Exception):
    """QEMU answered with an error."""


class Qmp:
    """A connection, in a ``with`` statement, to the monitor that listens on the socket *path*.

    :raises OSError: QEMU does not listen, or an answer takes longer than *limit* seconds
    """

    def __init__(self, path: Path, limit: float = ANSWER_LIMIT) -> None:
        self._limit = limit
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(limit)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rw")
        self._lines.readline()
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Qmp:
        self("qmp_capabilities")
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def __call__(self, execute: str, **arguments: object) -> Any:
        """The value QEMU returns for a command; QmpError if it answers with an error, or hangs up."""
        self._lines.write(json.dumps({"execute": execute, "arguments": arguments}) + "\n")
        self._lines.flush()
        while answer := self._next():
            if "error" in answer:
                raise QmpError(answer["error"])
            if "return" in answer:
                return answer["return"]
            self._events.append(answer)
        raise QmpError(f"{execute}: QEMU hung up")

    def wait_for(self, event: str, device: str, limit: float) -> None:
        """Wait for *event* of the device; TimeoutError after *limit* seconds, QmpError if QEMU hangs up."""
        deadline = time.monotonic() + limit
        while True:
            messages, self._events = self._events, []
            seen = [(message.get("event"), message.get("data", {}).get("device")) for message in messages]
            if (event, device) in seen:
                return
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimeoutError(f"no {event} of {device} within {limit:g} s")
            self._socket.settimeout(remaining)
            try:
                message = self._next()
            finally:
                self._socket.settimeout(self._limit)
            if message is None:
                raise QmpError(f"{event}: QEMU hung up")
            self._events.append(message)

    def _next(self) -> dict[str, Any] | None:
        line = self._lines.readline()
        return json.loads(line) if line else None


def tell_monitor(qmp: Path, command: str) -> str:
    """The answer of QEMU's human monitor, behind the socket *qmp*, to a command; LostGuest if none."""
    try:
        with Qmp(qmp) as ask:
            return str(ask("human-monitor-command", **{"command-line": command}))
    except (OSError, ValueError, QmpError) as trouble:
        raise LostGuest(f"QEMU's monitor did not take `{command.partition(' ')[0]}`: {trouble}") from trouble


def dump_memory(qmp: Path, core: Path, form: CoreForm) -> None:
    """Let QEMU, behind the socket *qmp*, write all memory to the file *core*; LostGuest if it does not."""
    try:
        with Qmp(qmp, DUMP_LIMIT) as ask:
            ask("dump-guest-memory", paging=False, protocol=f"file:{core.absolute()}", format=form)
    except (OSError, ValueError, QmpError) as trouble:
        raise LostGuest(f"QEMU wrote no core {core}: {trouble}") from trouble


#: How long a guest may take to let go of a device, in seconds.
UNPLUG_LIMIT = 30.0

#: The largest BAR, in MiB, that has a second place in the slot's window of addresses.
MOVABLE_BAR_MIB = 256

#: The id of the port; no property of the port itself has this name.
_BUS = "behind"


class Slot:
    """A PCI Express root port and its device, whose BAR, and that of every later device, has so many MiB."""

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
