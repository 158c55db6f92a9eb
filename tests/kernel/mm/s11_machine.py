"""The machine of the worked examples (S11), and a kernel on it."""

from __future__ import annotations

from dataclasses import replace

from pfnlab.kernel.hw.mtrr import MtrrMap, MtrrRange, MtrrType
from pfnlab.kernel.hw.physmap import PhysicalMap, Resource, system_ram
from pfnlab.kernel.hw.platform import Platform, qemu_q35
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers import TRACKERS


def s11_machine(**changes: object) -> Platform:
    """The machine of the worked examples (S11)."""
    mtrr = MtrrMap(
        default_type=MtrrType.UC,
        fixed=(MtrrRange(0, 0xA_0000, MtrrType.WB), MtrrRange(0xA_0000, 0x10_0000, MtrrType.UC)),
        variable=(MtrrRange(0, 0x8000_0000, MtrrType.WB),),
    )
    phys = PhysicalMap(
        (
            system_ram(0x1000, 0x9_F000),
            system_ram(0x10_0000, 0x8000_0000),
            Resource(0xFD00_0000, 0xFD01_0000, "BAR0"),
        )
    )
    machine = replace(qemu_q35(), mtrr=mtrr, phys=phys)
    return replace(machine, **changes)  # type: ignore[arg-type]


def boot(series: str, **changes: object) -> tuple[Kernel, Task]:
    """A kernel on that machine, with the process ``demo``, pid 100."""
    kernel = Kernel(PROFILES[series], s11_machine(**changes), TRACKERS[PROFILES[series].tracker])
    return kernel, kernel.start_task("demo")


def lines(kernel: Kernel) -> list[str]:
    """The book as debugfs prints it, without its first line."""
    return [line.removeprefix("PAT: ") for line in kernel.book.debugfs().splitlines()[1:]]
