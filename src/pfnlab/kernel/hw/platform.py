"""One machine: the hardware properties that kernel rules depend on."""

from dataclasses import dataclass

from pfnlab.base.units import phys_to_pfn
from pfnlab.kernel.hw.mtrr import MtrrMap, MtrrRange, MtrrType
from pfnlab.kernel.hw.pat import FULL_PAT, PatConfig
from pfnlab.kernel.hw.physmap import PhysicalMap, Resource, system_ram

_MIB = 1 << 20

#: The names of resources that are busy from boot.
FIRMWARE = ("Reserved", "Video ROM")

#: Number of bytes at the end of the physical address space that have no device.
_TOP_BYTES = 2048 * _MIB


@dataclass(frozen=True)
class Platform:
    """A machine and its kernel's configuration.

    :param pat_enabled: what ``pat_enabled()`` returns; if False, the memtype list stays empty (S1.10)
    :param strict_devmem: CONFIG_STRICT_DEVMEM
    :param io_strict_devmem: CONFIG_IO_STRICT_DEVMEM
    :param transparent_hugepage: the setting: ``always``, ``madvise`` or ``never`` (the kernel's default with
        less than 512 MiB of memory)
    :param marks_refused_gigabytes: the processor marks a 1 GiB leaf as accessed before checking whether the
        leaf allows the access, like QEMU's emulator (S12.1.5)
    :param phys_bits: physical address width on this CPU, in bits
    """

    pat: PatConfig
    pat_enabled: bool
    mtrr: MtrrMap
    phys: PhysicalMap
    strict_devmem: bool
    io_strict_devmem: bool
    phys_bits: int
    transparent_hugepage: str = "never"
    marks_refused_gigabytes: bool = False

    def is_top(self, pfn: int) -> bool:
        """True if page *pfn* is at the end of physical address space, where nothing responds (S1.11.7)."""
        return pfn >= phys_to_pfn((1 << self.phys_bits) - _TOP_BYTES)

    def iomem_is_exclusive(self, addr: int) -> bool:
        """:meth:`PhysicalMap.iomem_is_exclusive` under this kernel's configuration (S1.13)."""
        return self.phys.iomem_is_exclusive(addr, io_strict_devmem=self.io_strict_devmem)

    def devmem_is_allowed(self, pfn: int) -> int:
        """:meth:`PhysicalMap.devmem_is_allowed` under this kernel's configuration (S1.13)."""
        return self.phys.devmem_is_allowed(pfn, io_strict_devmem=self.io_strict_devmem)

    def range_is_allowed(self, pfn: int, size: int) -> bool:
        """:meth:`PhysicalMap.range_is_allowed` under this kernel's configuration (S1.14).

        Whether callers apply it depends on ``strict_devmem`` and on the version.
        """
        return self.phys.range_is_allowed(pfn, size, io_strict_devmem=self.io_strict_devmem)


def qemu_q35(ram_bytes: int = 256 * _MIB) -> Platform:
    """The machine used for the recorded runs: QEMU's q35 with SeaBIOS and one big prefetchable BAR (S12.1).

    :param ram_bytes: guest memory; from 2816 MiB on, whatever exceeds 2 GiB is placed above 4 GiB
    """
    low_end = ram_bytes if ram_bytes < 0xB000_0000 else 0x8000_0000
    resources = [
        Resource(0, 0x1000, "Reserved", busy=True),
        system_ram(0x1000, 0x9FC00),
        Resource(0x9_FC00, 0xA_0000, "Reserved", busy=True),
        Resource(0xA_0000, 0xC_0000, "PCI Bus 0000:00"),
        Resource(0xC_0000, 0xC_0600, "Video ROM", busy=True),
        Resource(0xF_0000, 0x10_0000, "Reserved", busy=True),
        system_ram(0x10_0000, low_end),
        Resource(0xF800_0000, 0xFC00_0000, "0000:00:02.0"),
    ]
    if ram_bytes > low_end:
        resources.append(system_ram(1 << 32, (1 << 32) + ram_bytes - low_end))
    mtrr = MtrrMap(
        default_type=MtrrType.WB,
        fixed=(
            MtrrRange(0, 0xA_0000, MtrrType.WB),
            MtrrRange(0xA_0000, 0xC_0000, MtrrType.UC),
            MtrrRange(0xC_0000, 0x10_0000, MtrrType.WP),
        ),
        variable=(MtrrRange(0xC000_0000, 1 << 32, MtrrType.UC),),
    )
    return Platform(
        pat=FULL_PAT,
        pat_enabled=True,
        mtrr=mtrr,
        phys=PhysicalMap(tuple(resources)),
        strict_devmem=True,
        io_strict_devmem=True,
        phys_bits=40,
        marks_refused_gigabytes=True,
    )
