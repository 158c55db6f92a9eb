"""Facts of a boot: their memory is bounded, and devices come up or give up in the words of drivers."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.messages import boot_facts
from pfnlab.diagnosis.messages.boot_facts import came_up, probe_failed
from pfnlab.diagnosis.messages.explaining import explain

WORKS = {
    "[drm] Initialized xe 1.1.0 20201103 for 0000:03:00.0 on minor 1": "0000:03:00.0",
    "bnxt_en 0000:18:00.1 eno2np1: NIC Link is Up, 25000 Mbps": "0000:18:00.1",
    "hwmon fe200000.adc: registered as hwmon3": "fe200000.adc",
    "bnxt_en 0000:18:00.1 eno2np1: NIC Link is Down": None,
    "foo fe200000.adc: not registered": None,
    "foo fe200000.adc: failed to get link up": None,
    "usbcore: registered new interface driver usbfs": None,
}


@for_each("line, device", WORKS.items())
def test_a_device_comes_up(line: str, device: str | None) -> None:
    """In the words of its driver; a driver alone is no device."""
    assert device == came_up(line)


GAVE_UP = {
    "foo: probe of fe200000.adc failed with error -16": "fe200000.adc",
    "foo 0000:05:00.0: probe with driver foo failed with error -16": "0000:05:00.0",
    "foo 0000:05:00.0: probe deferral": None,
}


@for_each("line, device", GAVE_UP.items())
def test_a_driver_gives_up(line: str, device: str | None) -> None:
    """In the wordings of old and new kernels."""
    assert device == probe_failed(line)


def bridges(count: int) -> list[bytes]:
    """A log that names many bridges, and at its end a BAR without addresses."""
    lines = [f"pci {at:04x}:00:00.0: PCI bridge to [bus 01]\n".encode() for at in range(count)]
    return [*lines, b"pci 0000:09:00.0: BAR 0 [mem size 0x1000]: failed to assign\n"]


def test_what_is_forgotten_is_said() -> None:
    """The first bridge is no bridge any more where too many follow."""
    most = boot_facts.MOST_DEVICES

    few, many = explain(bridges(most)), explain(bridges(most + 1))

    assert [0, 1] == [len(found.events[0].unsure) for found in (few, many)]
