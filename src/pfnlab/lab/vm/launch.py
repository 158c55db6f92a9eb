"""QEMU's command line: processor, devices, parameters of the kernel; and the start of its process."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pfnlab.lab.images.tools import start_guard
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.channel import CHANNEL_SIZE
from pfnlab.lab.vm.qmp import Slot
from pfnlab.lab.vm.saved_state import SAVABLE
from pfnlab.programs.runs.machine import Accel

#: The model of each of several CPUs. With cx16, QEMU 7.2 was seen to kill a 6.12 guest in the instruction
#: that uses it.
CPU_OF_SEVERAL = "max,-cx16"

#: The model of a single CPU that is emulated. Without erms the kernel clears and copies memory by words, not
#: by single bytes, each of which takes the emulation as long as a word.
CPU_OF_ONE = "max,-erms,-fsrm"

#: Kernel parameters for a single CPU that is emulated: ticks of a fixed period, for to set the timer at every
#: change of tasks is dear, and nothing cleared that is written anyway.
PARAMETERS_OF_ONE = "highres=off nohz=off init_on_alloc=0"

#: The CPU model with KVM: it hides from the kernel that it is a guest, since that changes its behaviour, and
#: lacks a register that not every host gives its guests.
CPU_OF_HOST = "host,kvm=off,-arch-capabilities"

#: The kernel parameter by which kernels that have a driver for the device of `controller_arguments` built in,
#: as those from 7.2 on, leave it alone.
NO_DRIVER_OF_CONTROLLER = "initcall_blacklist=nvme_init"

_ROOM = 16 * CHANNEL_SIZE

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

# Ends a QEMU whose owner is gone.
_GUARD = 'case $(readlink "/proc/$1/exe") in */qemu-system-*) kill -9 "$1";; esac; rm -rf -- "$2"'


def cpu_arguments(accel: Accel, cpus: int, phys_bits: int | None = None) -> list[str]:
    """The arguments for so many CPUs; emulated ones have physical addresses of so many bits."""
    if accel is Accel.KVM:
        return ["-cpu", CPU_OF_HOST, "-smp", str(cpus), "-accel", "kvm"]
    several = cpus > 1
    model = CPU_OF_SEVERAL if several else CPU_OF_ONE
    if phys_bits is not None:
        model += f",phys-bits={phys_bits}"
    return [*("-cpu", model, "-smp", str(cpus)), *("-accel", "tcg,thread=multi" if several else "tcg")]


def parameters_for(accel: Accel, cpus: int) -> list[str]:
    """The kernel parameters that make so many CPUs faster."""
    return [PARAMETERS_OF_ONE] * (accel is Accel.TCG and cpus == 1)


def device_arguments(name: str, backend: str, slot: int) -> list[str]:
    """The arguments for a device at *slot* that shows memory as its BAR2.

    Memory that is not shared costs nothing until written, also where a state is saved or read.
    """
    kind, _, rest = backend.partition(",")
    front = f"ivshmem-plain,memdev={name},addr={slot:#x},master=on"
    return ["-object", f"{kind},id={name},{rest}", "-device", front]


def controller_arguments(bar_mib: int, slot: int) -> list[str]:
    """The arguments for a device at *slot* that can be reset and put to sleep, with memory as its BAR2.

    It is an NVMe controller without a disk, and its memory is what the controller lends to its host. Its
    state cannot be saved.
    """
    return ["-device", f"nvme,serial=pfnlab,max_ioqpairs=1,msix_qsize=1,cmb_size_mb={bar_mib},addr={slot:#x}"]


def ram_arguments(path: Path, size: int) -> tuple[str, ...]:
    """The arguments for RAM of *size* bytes that is the file *path*."""
    backend = f"memory-backend-file,id=ram,mem-path={path},size={size},share=on"
    return ("-object", backend, "-M", "q35,memory-backend=ram")


def memory_folder(room: int) -> str | None:
    """Shared memory where there is enough for *room* bytes beside the channel.

    Containers often have little, and running out ends processes.
    """
    try:
        shared = os.statvfs("/dev/shm")
    except OSError:
        return None
    roomy = shared.f_bavail * shared.f_frsize >= _ROOM + room
    return "/dev/shm" if roomy and os.access("/dev/shm", os.W_OK) else None


def is_stopped(process: int) -> bool:
    """True where a process is stopped, as by SIGSTOP."""
    try:
        words = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return False
    return words[0] in ("T", "t")


def start_qemu(
    command: Sequence[str], folder: Path, files: Sequence[int] = ()
) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """QEMU, which *command* gives *files*, and what ends it with its owner; what it says is in *folder*."""
    # Sessions of their own: a terminal's interrupt is for the owner, who then closes.
    with (folder / "stderr").open("wb") as stderr:
        qemu = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            start_new_session=True,
            pass_fds=files,
        )
    try:
        guard = start_guard(_GUARD, str(qemu.pid), str(folder))
    except BaseException:
        qemu.kill()
        qemu.wait()
        raise
    return qemu, guard


def machine_arguments(shape: GuestShape, ram_mib: int, *, iommu: bool) -> list[str]:
    """The arguments for a machine without its kernel and channel; with an IOMMU, which vfio-pci wants."""
    return [
        *("-M", "q35"),
        *cpu_arguments(shape.accel, shape.cpus, shape.phys_bits),
        *("-m", str(ram_mib)),
        # An IOMMU has to come before other devices.
        *(("-device", "intel-iommu") if iommu else ()),
        *("-nodefaults", "-no-reboot", "-display", "none", "-nic", "none"),
        *(
            Slot.arguments(shape.bar_mib, UNDER_TEST)
            if shape.slot
            else controller_arguments(shape.bar_mib, UNDER_TEST)
            if shape.resets
            else device_arguments("bar", f"memory-backend-ram,size={shape.bar_mib}M", UNDER_TEST)
        ),
        *(word for device in shape.devices for word in ("-device", device)),
        *SAVABLE,
    ]


def common_parameters(shape: GuestShape) -> str:
    """The kernel parameters of every guest on such a processor."""
    return " ".join((PARAMETERS, *parameters_for(shape.accel, shape.cpus)))


def kernel_parameters(shape: GuestShape, offsets: str | None, *, iommu: bool) -> str:
    """All parameters of the kernel of a guest, with the offsets of an earlier one of the same kernel."""
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
