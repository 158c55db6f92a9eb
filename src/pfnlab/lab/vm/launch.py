"""QEMU's command line (processor, devices, kernel parameters), and starting its process."""

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

#: CPU model for several CPUs. With cx16, QEMU 7.2 killed a 6.12 guest at the instruction that uses it.
CPU_OF_SEVERAL = "max,-cx16"

#: Model of a single emulated CPU. Without erms the kernel clears and copies memory word by word instead of
#: byte by byte; the emulator takes as long for a byte as for a word.
CPU_OF_ONE = "max,-erms,-fsrm"

#: Kernel parameters for a single emulated CPU: periodic ticks, because setting the timer on every task switch
#: is expensive, and no clearing of memory that will be written anyway.
PARAMETERS_OF_ONE = "highres=off nohz=off init_on_alloc=0"

#: CPU model with KVM. It hides from the kernel that it is a guest, because knowing that changes the kernel's
#: behavior, and leaves out a register that not every host can give its guests.
CPU_OF_HOST = "host,kvm=off,-arch-capabilities"

#: Kernel parameter that turns off a built-in driver for the device of `controller_arguments`, e.g. in
#: kernels from 7.2 on.
NO_DRIVER_OF_CONTROLLER = "initcall_blacklist=nvme_init"

#: The folder for files in memory.
SHARED_MEMORY = "/dev/shm"

_ROOM = 16 * CHANNEL_SIZE

#: Kernel parameters for every guest: exit at once on an oops, the same addresses on every boot, shorter
#: waits, and no DAMON statistics (on by default in Debian kernels from 6.17 on), which clear accessed bits in
#: page-table entries.
PARAMETERS = (
    "console=ttyS0 quiet oops=panic panic=-1 damon_stat.enabled=0 "
    "nokaslr norandmaps mitigations=off no_timer_check tsc=reliable cryptomgr.notests random.trust_cpu=on"
)

#: Bus addresses of the device under test, or its slot, and of the channel's device.
UNDER_TEST, CHANNEL = 0x10, 0x11

# Saving reads every page of the BAR, at 0.1 s per GiB; a boot takes only a few seconds.
_SAVABLE_BAR_MIB = 8192

# Ends a QEMU process whose owner is gone.
_GUARD = 'case $(readlink "/proc/$1/exe") in */qemu-system-*) kill -9 "$1";; esac; rm -rf -- "$2"'


#: The clock of a steady CPU, a nanosecond per instruction; and no timer of its own, because calibrating it
#: takes a hundred million instructions. Several CPUs have neither: they could not boot without their timers.
STEADY_CLOCK, NO_TIMER = ("-icount", "shift=0"), "nolapic_timer"


def cpu_arguments(
    accel: Accel, cpus: int, phys_bits: int | None = None, *, steady: bool = False
) -> list[str]:
    """Arguments for *cpus* CPUs; emulated ones have *phys_bits*-bit physical addresses.

    :param steady: see :class:`GuestShape`
    """
    if accel is Accel.KVM:
        return ["-cpu", CPU_OF_HOST, "-smp", str(cpus), "-accel", "kvm"]
    several = cpus > 1
    model = CPU_OF_SEVERAL if several else CPU_OF_ONE
    if phys_bits is not None:
        model += f",phys-bits={phys_bits}"
    threads = f",thread={'single' if steady else 'multi'}" * several
    clock = STEADY_CLOCK if steady and not several else ()
    return ["-cpu", model, "-smp", str(cpus), "-accel", f"tcg{threads}", *clock]


def parameters_for(accel: Accel, cpus: int, *, steady: bool = False) -> list[str]:
    """Parameters that make a kernel run faster on this many CPUs."""
    alone = accel is Accel.TCG and cpus == 1
    return [PARAMETERS_OF_ONE] * alone + [NO_TIMER] * (alone and steady)


def device_arguments(name: str, backend: str, slot: int) -> list[str]:
    """Arguments for a device at *slot* with memory as its BAR2.

    Memory that is not shared costs nothing until it is written, even if a state is saved or loaded.
    """
    kind, _, rest = backend.partition(",")
    front = f"ivshmem-plain,memdev={name},addr={slot:#x},master=on"
    return ["-object", f"{kind},id={name},{rest}", "-device", front]


def controller_arguments(bar_mib: int, slot: int) -> list[str]:
    """Arguments for a device at *slot* that can be reset and put to sleep, with memory as its BAR2.

    It is an NVMe controller without a disk; the memory is the controller memory buffer. Its
    state cannot be saved.
    """
    return ["-device", f"nvme,serial=pfnlab,max_ioqpairs=1,msix_qsize=1,cmb_size_mb={bar_mib},addr={slot:#x}"]


def ram_arguments(path: Path, size: int) -> tuple[str, ...]:
    """Arguments for RAM of *size* bytes in the file *path*."""
    backend = f"memory-backend-file,id=ram,mem-path={path},size={size},share=on"
    return ("-object", backend, "-M", "q35,memory-backend=ram")


def memory_folder(room: int) -> str | None:
    """The shared-memory folder if it has *room* bytes free besides the channel, else None.

    Containers often have little space there, and running out of it kills processes.
    """
    try:
        shared = os.statvfs(SHARED_MEMORY)
    except OSError:
        return None
    roomy = shared.f_bavail * shared.f_frsize >= _ROOM + room
    return SHARED_MEMORY if roomy and os.access(SHARED_MEMORY, os.W_OK) else None


def is_stopped(process: int) -> bool:
    """True if a process is stopped, e.g. by SIGSTOP."""
    return process_status(process)[:1] in (["T"], ["t"])


def process_status(process: int) -> list[str]:
    """The words of ``/proc/PID/stat`` after the command's name; none if the process is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def start_qemu(
    command: Sequence[str], folder: Path, files: Sequence[int] = ()
) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """Start QEMU with *files*, and a guard that ends it when its owner ends; output goes to *folder*."""
    # Separate sessions, so that Ctrl-C in a terminal reaches only the owner, who then closes them.
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
    """Arguments for a machine without its kernel and channel; *iommu* adds an IOMMU for vfio-pci."""
    return [
        *("-M", "q35"),
        *cpu_arguments(shape.accel, shape.cpus, shape.phys_bits, steady=shape.steady),
        *("-m", str(ram_mib)),
        # An IOMMU must come before other devices.
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
    """The kernel parameters that every guest with such a processor gets."""
    return " ".join((PARAMETERS, *parameters_for(shape.accel, shape.cpus, steady=shape.steady)))


def kernel_parameters(shape: GuestShape, offsets: str | None, *, iommu: bool) -> str:
    """All kernel parameters for a guest, including offsets from an earlier guest of the same kernel."""
    words = (
        common_parameters(shape),
        *["intel_iommu=on"] * iommu,
        *[NO_DRIVER_OF_CONTROLLER] * shape.resets,
        *[f"pfnlab.offsets={offsets}"] * bool(offsets),
        *shape.parameters,
    )
    return " ".join(words)


def can_be_saved(shape: GuestShape) -> bool:
    """True if such a machine's state can be saved after its boot, and reused."""
    # The controller used for a device with resets has state that cannot be saved.
    special = shape.resets or bool(shape.devices or shape.parameters)
    return not special and shape.bar_mib <= _SAVABLE_BAR_MIB and shape.accel is not Accel.KVM
