"""A folder with the files of a made-up machine: a GPU, a device held by VFIO, processes that map both."""

from __future__ import annotations

import os
from pathlib import Path

LIST = "sys/kernel/debug/x86/pat_memtype_list"

BOOK = """\
PAT memtype list:
PAT: [mem 0x00000000e0000000-0x00000000f0000000] write-combining
PAT: [mem 0x00000000e0000000-0x00000000e0001000] write-combining
PAT: [mem 0x00000000f8000000-0x00000000f8004000] uncached-minus
PAT: [mem 0x00000000fed00000-0x00000000fed01000] uncached
"""

IOMEM = """\
00000000-00000fff : Reserved
00001000-0009fbff : System RAM
000f0000-000fffff : System ROM
00100000-bffdffff : System RAM
  01000000-022090c7 : Kernel code
c0000000-febfffff : PCI Bus 0000:00
  e0000000-efffffff : 0000:00:02.0
    e0000000-e02fffff : BOOTFB
  f8000000-f8003fff : 0000:00:03.0
    f8000000-f8003fff : vfio-pci
fed00000-fed003ff : HPET 0
100000000-23fffffff : System RAM
"""

MTRR = """\
reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable
reg01: base=0x0ffde0000 ( 4093MB), size=  128KB, count=1: write-protect
"""

LOG = """\
5,0,0,-;Linux version 6.1.0-26-amd64 (builder@buildhost) #1 SMP
6,1,540,-;MTRR default type: write-back
6,2,568,-;x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT  
6,3,1000,-;Hypervisor detected: KVM
6,4,2000000,-;systemd[1]: Set hostname to <farhost>.
6,5,93000000,-;x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]
 SUBSYSTEM=none
"""  # noqa: W291 - the kernel prints a blank behind the last mode of PAT

MAPS_1234 = """\
55e1c2e9b000-55e1c2e9d000 r--p 00000000 fe:00 260386                     /usr/bin/Xorg
7f0000000000-7f0010000000 rw-s e0000000 00:15 4711      /sys/devices/pci0000:00/0000:00:02.0/resource0_wc
7f1000000000-7f1000001000 rw-s 00000000 00:00 0                          /home/alice/jail/gpu
7f2000000000-7f2000001000 rw-s 100043000 00:05 775                       /dev/dri/card0
7fffc0000000-7fffc0004000 r--p 00000000 00:00 0                          [vvar]
"""
#: The flags of those, in their order.
FLAGS_1234 = (
    "rd mr mw me sd",
    "rd wr sh mr mw me ms pf io de dd sd",
    "rd wr sh mr mw me ms pf io de dd sd",
    "rd wr sh mr mw me ms sd",
    "rd mr pf io de dd sd",
)

MAPS_99 = """\
7f3000000000-7f3000004000 rw-s 00000000 00:0f 3091                       anon_inode:[vfio-device]
7f3100000000-7f3100001000 rw-s fed00000 00:05 12                         /dev/mem
7f3200000000-7f3200001000 rw-s 00001000 00:05 13                         /dev/uio0
"""
FLAGS_99 = (
    "rd wr sh mr mw me ms pf io de dd sd",
    "rd wr sh mr mw me ms pf io de dd sd",
    "rd wr sh mr mw me ms pf io de dd sd",
)

GPU, HELD = "0000:00:02.0", "0000:00:03.0"

_NO_REGION = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
_GPU_REGIONS = "0x00000000e0000000 0x00000000efffffff 0x000000000014220c\n" + _NO_REGION * 12
_HELD_REGIONS = "0x00000000f8000000 0x00000000f8003fff 0x0000000000040200\n" + _NO_REGION * 12

_FIELDS = "Size:                  8 kB\nRss:                   8 kB\nTHPeligible:           0\n"


def smaps(maps: str, flags: tuple[str, ...]) -> str:
    """The file smaps of the VMAs in *maps*, with these flags."""
    lines = zip(maps.splitlines(), flags, strict=True)
    return "".join(f"{line}\n{_FIELDS}VmFlags: {names} \n" for line, names in lines)


def write(root: Path, path: str, content: str | bytes) -> None:
    """Make a file below *root*."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else content.encode())


def link(root: Path, path: str, target: str) -> None:
    """Make a link below *root*."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    os.symlink(target, place)


def _device(
    root: Path, address: str, ids: tuple[str, str], kind: str, regions: str, driver: str, group: int
) -> None:
    folder = f"sys/bus/pci/devices/{address}"
    for name, content in (("vendor", ids[0]), ("device", ids[1]), ("class", kind)):
        write(root, f"{folder}/{name}", f"0x{content}\n")
    write(root, f"{folder}/resource", regions)
    write(root, f"{folder}/config", bytes.fromhex("de10b61d0700100000000003") + bytes(52))
    link(root, f"{folder}/driver", f"../../../../bus/pci/drivers/{driver}")
    link(root, f"{folder}/iommu_group", f"../../../kernel/iommu_groups/{group}")
    link(root, f"sys/bus/pci/drivers/{driver}/module", f"../../../../module/{driver.replace('-', '_')}")


def fake_root(root: Path) -> Path:
    """Write the machine's files below *root*; returns it."""
    write(root, LIST, BOOK)
    write(root, "proc/iomem", IOMEM)
    write(root, "proc/mtrr", MTRR)
    write(root, "dev/kmsg", LOG)
    write(root, "proc/sys/kernel/osrelease", "6.1.0-26-amd64\n")
    write(root, "proc/sys/kernel/hostname", "farhost\n")
    write(root, "proc/cmdline", "BOOT_IMAGE=/vmlinuz root=UUID=1f2e3d4c iomem=relaxed quiet\n")
    write(
        root,
        "proc/modules",
        "nouveau 100 2 ttm,drm, Live 0xffffffffc0a00000\nttm 10 1 - Live 0xffffffffc0b00000 (E)\n",
    )
    write(
        root,
        "proc/cpuinfo",
        "processor\t: 0\nflags\t\t: fpu mtrr pat hypervisor\n\nprocessor\t: 1\nflags\t\t: fpu\n",
    )
    write(
        root,
        "boot/config-6.1.0-26-amd64",
        "# made\nCONFIG_X86_PAT=y\n# CONFIG_DEBUG_VM is not set\nCONFIG_USB=y\n",
    )
    _device(root, GPU, ("10de", "1db6"), "030000", _GPU_REGIONS, "nouveau", 1)
    _device(root, HELD, ("1af4", "1045"), "ffff00", _HELD_REGIONS, "vfio-pci", 12)
    write(root, "sys/class/uio/uio0/maps/map1/addr", "0x00000000f8002000\n")
    write(root, "proc/1234/smaps", smaps(MAPS_1234, FLAGS_1234))
    write(root, "proc/1234/comm", "Xorg\n")
    link(root, "proc/1234/fd/7", "/dev/dri/card0")
    link(root, "proc/1234/fd/8", "/home/alice/.xsession")
    write(root, "proc/99/smaps", smaps(MAPS_99, FLAGS_99))
    write(root, "proc/99/comm", "CPU 0/KVM\n")
    link(root, "proc/99/fd/30", "/dev/vfio/12")
    link(root, "proc/99/fd/31", "anon_inode:[vfio-device]")
    write(root, "proc/99/fdinfo/31", "pos:\t0\nflags:\t02000002\nmnt_id:\t16\nino:\t3091\n")
    write(root, "proc/5/smaps", "")
    write(root, "proc/5/comm", "kthread\n")
    write(root, "proc/1/smaps", "")
    for pid in (1, 5):
        (root / f"proc/{pid}/fd").mkdir()
    return root
