"""The machine of a guest as QEMU's arguments: processor, devices, and the parameters of its kernel."""

from __future__ import annotations

from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.launch import (
    NO_DRIVER_OF_CONTROLLER,
    controller_arguments,
    cpu_arguments,
    device_arguments,
    parameters_for,
)
from pfnlab.lab.vm.saved_state import SAVABLE
from pfnlab.lab.vm.slot import Slot
from pfnlab.programs.runs.machine import Accel

#: Kernel parameters of every guest: an oops ends it at once; the same addresses in every boot, less to wait
#: for, and no DAMON statistics (on by default in Debian's kernels from 6.17 on), which clear accessed bits of
#: page-table entries to sample them.
PARAMETERS = (
    "console=ttyS0 quiet oops=panic panic=-1 damon_stat.enabled=0 "
    "nokaslr norandmaps mitigations=off no_timer_check tsc=reliable cryptomgr.notests random.trust_cpu=on"
)

#: The bus addresses of the device under test, or of its slot, and of the channel's device.
UNDER_TEST, CHANNEL = 0x10, 0x11

# Saving reads every page of the BAR, 0.1 s a GiB; a boot takes some seconds.
_SAVABLE_BAR_MIB = 8192


def machine_arguments(shape: GuestShape, ram_mib: int, *, iommu: bool) -> list[str]:
    """The arguments for a machine, without its kernel and its channel.

    :param iommu: it has one, which vfio-pci wants
    """
    return [
        *("-M", "q35"),
        *cpu_arguments(shape.accel, shape.cpus, shape.phys_bits),
        *("-m", str(ram_mib)),
        # An IOMMU has to come before other devices.
        *(("-device", "intel-iommu") if iommu else ()),
        *("-nodefaults", "-no-reboot", "-display", "none", "-nic", "none"),
        *_under_test(shape),
        *(word for device in shape.devices for word in ("-device", device)),
        *SAVABLE,
    ]


def common_parameters(shape: GuestShape) -> str:
    """The kernel parameters of every guest on such a processor."""
    return " ".join((PARAMETERS, *parameters_for(shape.accel, shape.cpus)))


def kernel_parameters(shape: GuestShape, offsets: str | None, *, iommu: bool) -> str:
    """All parameters of the kernel of a guest.

    :param offsets: those of an earlier guest with the same kernel
    """
    words = (
        common_parameters(shape),
        *["intel_iommu=on"] * iommu,
        *[NO_DRIVER_OF_CONTROLLER] * shape.resets,
        *[f"pfnlab.offsets={offsets}"] * bool(offsets),
        *shape.parameters,
    )
    return " ".join(words)


def can_be_saved(shape: GuestShape) -> bool:
    """True where the state of such a machine can be saved after its boot, and fits another time."""
    # A state of the controller that stands for a device with resets cannot be saved.
    special = shape.resets or bool(shape.devices or shape.parameters)
    return not special and shape.bar_mib <= _SAVABLE_BAR_MIB and shape.accel is not Accel.KVM


def _under_test(shape: GuestShape) -> list[str]:
    # The arguments for the device under test.
    if shape.slot:
        return Slot.arguments(shape.bar_mib, UNDER_TEST)
    if shape.resets:
        return controller_arguments(shape.bar_mib, UNDER_TEST)
    return device_arguments("bar", f"memory-backend-ram,size={shape.bar_mib}M", UNDER_TEST)
