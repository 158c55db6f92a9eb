"""QEMU's monitor protocol: commands, waiting for an event, and hotplug of a device."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pfnlab.base.errors import LostGuest

#: Time limits for one answer and for writing a core, in seconds.
ANSWER_LIMIT, DUMP_LIMIT = 20.0, 300.0

#: Formats of a core: ELF, which is as large as all memory, or compressed by kdump.
CoreForm = Literal["elf", "kdump-zlib"]


class QmpError(Exception):
    """QEMU answered with an error."""


class Qmp:
    """A connection to the monitor on the socket *path*; a context manager.

    :raises OSError: if QEMU is not listening, or an answer takes longer than *limit* seconds
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
        """The value that QEMU returns for a command; QmpError if it answers with an error or disconnects."""
        self._lines.write(json.dumps({"execute": execute, "arguments": arguments}) + "\n")
        self._lines.flush()
        while answer := self._next():
            if "error" in answer:
                raise QmpError(answer["error"])
            if "return" in answer:
                return answer["return"]
            self._events.append(answer)
        raise QmpError(f"{execute}: QEMU disconnected")

    def wait_for(self, event: str, device: str, limit: float) -> None:
        """Wait for the device's *event*; TimeoutError after *limit* seconds, QmpError if QEMU disappears."""
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
                raise QmpError(f"{event}: QEMU disconnected")
            self._events.append(message)

    def _next(self) -> dict[str, Any] | None:
        line = self._lines.readline()
        return json.loads(line) if line else None


@contextmanager
def _asking(qmp: Path, trouble: str, limit: float = ANSWER_LIMIT) -> Iterator[Qmp]:
    # A connection through the socket *qmp*; LostGuest, which begins with *trouble*, if a command fails.
    try:
        with Qmp(qmp, limit) as ask:
            yield ask
    except (OSError, ValueError, QmpError) as reason:
        raise LostGuest(f"{trouble}: {reason}") from reason


def tell_monitor(qmp: Path, command: str) -> str:
    """The human monitor's answer to a command, through the socket *qmp*; LostGuest if it gives none."""
    with _asking(qmp, f"QEMU's monitor did not accept `{command.partition(' ')[0]}`") as ask:
        return str(ask("human-monitor-command", **{"command-line": command}))


def obeys(qmp: Path, command: str) -> bool:
    """True if QEMU (socket *qmp*) carries out a command without arguments."""
    try:
        with _asking(qmp, command) as ask:
            ask(command)
    except LostGuest:
        return False
    return True


def dump_memory(qmp: Path, core: Path, form: CoreForm) -> None:
    """Have QEMU (socket *qmp*) write all memory to the file *core*; LostGuest on failure."""
    with _asking(qmp, f"QEMU did not write the core {core}", DUMP_LIMIT) as ask:
        ask("dump-guest-memory", paging=False, protocol=f"file:{core.absolute()}", format=form)


#: Seconds that a guest has to release a device.
UNPLUG_LIMIT = 30.0

#: The largest BAR, in MiB, for which the slot's address window has room at a second location.
MOVABLE_BAR_MIB = 256

#: The id of the port; no property on the port itself has this name.
_BUS = "behind"


class Slot:
    """A PCI Express root port and its device; each device plugged in has a BAR of *bar_mib* MiB."""

    def __init__(self, bar_mib: int) -> None:
        self._bar_mib = bar_mib
        self._device = 0

    @classmethod
    def arguments(cls, bar_mib: int, address: int) -> list[str]:
        """QEMU arguments for the slot at *address* on the bus, and for the first device."""
        name = cls(bar_mib)._name()
        # Space for two BARs, so that the kernel can move the device's BAR; larger ones stay where they are.
        room = f",pref64-reserve={2 * bar_mib}M" if bar_mib <= MOVABLE_BAR_MIB else ""
        return [
            *("-object", f"memory-backend-ram,id=bar-{name},size={bar_mib}M"),
            *("-device", f"pcie-root-port,id={_BUS},chassis=1,slot=1,addr={address:#x}{room}"),
            *("-device", f"ivshmem-plain,id={name},memdev=bar-{name},bus={_BUS},master=on"),
        ]

    def unplug(self, qmp: Path) -> None:
        """Remove the device; LostGuest if the guest does not release it within :data:`UNPLUG_LIMIT`."""
        with _asking(qmp, "the device could not be unplugged") as ask:
            ask("device_del", id=self._name())
            ask.wait_for("DEVICE_DELETED", self._name(), UNPLUG_LIMIT)

    def plug(self, qmp: Path) -> None:
        """Add a new device with its own memory; LostGuest if QEMU refuses."""
        self._device += 1
        name = self._name()
        memory = {"qom-type": "memory-backend-ram", "id": f"bar-{name}"}
        with _asking(qmp, "no device could be plugged in") as ask:
            ask("object-add", **memory, size=self._bar_mib << 20)
            device = {"driver": "ivshmem-plain", "memdev": memory["id"], "bus": _BUS}
            # QEMU 10 does not take a boolean here, but one of on, off and auto.
            ask("device_add", id=name, master="on", **device)

    def _name(self) -> str:
        return f"device-{self._device}"
