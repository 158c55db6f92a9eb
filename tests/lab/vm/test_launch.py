"""QEMU's command line."""

from __future__ import annotations

from pfnlab.lab.vm.launch import controller_arguments


def test_a_device_that_resets_has_memory_as_large_as_asked_for() -> None:
    """As BAR2 of an NVMe controller, in the place of the device under test."""
    _, device = controller_arguments(256, 0x10)

    assert {"nvme", "cmb_size_mb=256", "addr=0x10"} <= set(device.split(","))
