"""The slot of a guest, against a monitor alone; that a kernel follows is in test_machine.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from monitor import DONE, Monitor

from pfnlab.base.errors import LostGuest
from pfnlab.lab.vm import qmp
from pfnlab.lab.vm.qmp import Slot


def obedient(command: dict[str, Any]) -> list[dict[str, Any]]:
    """Does what it is told, and lets go of a device a little later."""
    if command["execute"] != "device_del":
        return [DONE]
    return [DONE, {"event": "DEVICE_DELETED", "data": {"device": command["arguments"]["id"]}}]


def test_a_slot_is_full_at_first() -> None:
    """The device is behind a port at the address given."""
    arguments = " ".join(Slot.arguments(64, 0x10))

    assert "pcie-root-port,id=behind,chassis=1,slot=1,addr=0x10" in arguments
    assert "ivshmem-plain,id=device-0,memdev=bar-device-0,bus=behind" in arguments


def test_the_first_device_is_the_first_to_go(tmp_path: Path) -> None:
    """By the name it has on the command line."""
    with Monitor(tmp_path / "qmp", obedient) as monitor:
        Slot(64).unplug(tmp_path / "qmp")

    assert ["device-0"] == [one["arguments"]["id"] for one in monitor.heard]


def test_every_device_has_memory_of_its_own(tmp_path: Path) -> None:
    """As large as the first one's, and nobody's before."""
    one = Slot(64)
    with Monitor(tmp_path / "qmp", obedient) as monitor:
        for _ in range(2):
            one.unplug(tmp_path / "qmp")
            one.plug(tmp_path / "qmp")

    added = [given["arguments"] for given in monitor.heard if given["execute"] == "object-add"]
    assert [("bar-device-1", 64 << 20), ("bar-device-2", 64 << 20)] == [(a["id"], a["size"]) for a in added]
    plugged = [given["arguments"] for given in monitor.heard if given["execute"] == "device_add"]
    assert [("device-1", "bar-device-1"), ("device-2", "bar-device-2")] == [
        (a["id"], a["memdev"]) for a in plugged
    ]


def test_a_guest_that_does_not_let_go_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the limit."""
    monkeypatch.setattr(qmp, "UNPLUG_LIMIT", 0.2)

    with (
        Monitor(tmp_path / "qmp", lambda _: [DONE]),
        pytest.raises(LostGuest, match="could not be unplugged"),
    ):
        Slot(64).unplug(tmp_path / "qmp")


def test_what_qemu_refuses(tmp_path: Path) -> None:
    """Its reason is told."""
    refusing = [{"error": {"desc": "slot 0 function 0 not available"}}]

    with Monitor(tmp_path / "qmp", lambda _: refusing), pytest.raises(LostGuest, match="not available"):
        Slot(64).plug(tmp_path / "qmp")
