"""A machine with words in every file that a bundle may have, each of which says whose machine it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fake_root import GPU, LIST, link, smaps, write

#: Shapes of words; a number makes each unique.
_SHAPES = (
    "zqword{0}",
    "zqhost{0}.corp.example.org",
    "10.77.{1}.{2}",
    "2001:db8:77::{0:04x}:1",
    "52:54:00:77:{1:02x}:{2:02x}",
    "{0:08x}-77aa-4b77-8c77-77aa77bb77cc",
    "ZQSERIAL{0:06}",
    "zqkey{0}=zqsecret{0}",
    "/home/zquser{0}/.ssh/id_rsa",
    "zqunit{0}.service",
    "ffffffffc77{0:05x}",
    "ata-ZQDISK_{0:05}",
    "zqmachine{0:024x}",
    "{0}4815162342",
)

#: Lines with a name each, as kernels and services print them.
_LINES = (
    "Command line: BOOT_IMAGE=/vmlinuz root=UUID={} ip={} token={} quiet",
    "Kernel command line: root=/dev/mapper/{} iomem=relaxed {} pfn=1000",
    "DMI: {} {}/{}, BIOS {} 04/01/2014",
    "audit: type=1400 audit(1.1:2): apparmor=DENIED profile={} name={} pfn:1234",
    "systemd[1]: Set hostname to <{}>.",
    "systemd[1]: Started {} - map pfn of {}.",
    "BUG: Bad page map in process {} pte:8000000123456025 pmd:12345067",
    "BUG: Bad page state in process {}  pfn:12345",
    "CPU: 1 PID: 4711 Comm: {} Tainted: G           O {} 6.1.0-26-amd64 #1",
    "Hardware name: {} {}, BIOS {}",
    "Modules linked in: {}(OE) nouveau ttm {}(PO)",
    "{}: loading out-of-tree module taints kernel.",
    "usb 1-1: SerialNumber: {}",
    "usb 1-1: Product: {} mtrr",
    "EXT4-fs (dm-0): mounted filesystem {} with ordered data mode. Opts: {}",
    "wlan0: associated with {} ssid {} PAT",
    "eth0: {} link up, MAC {} resource",
    "nvme nvme0: {} vfio serial {}",
    "vfio-pci 0000:00:03.0: {} resource BAR {}",
    "vfio-pci {}: BAR 1: can't reserve [mem 0xf8000000-0xf8003fff {}]",
    "{} 0000:00:03.0: BAR 1: can't reserve [mem 0xf8000000-0xf8003fff 64bit pref]",
    "x86/PAT: {}:4712 map pfn expected mapping type uncached-minus "
    "for [mem 0xf8000000-0xf8003fff], got write-back",
    "x86/PAT: {}:4713 freeing invalid memtype [mem 0xf8004000-0xf8007fff]",
    "x86/PAT: {}:4713 freeing invalid memtype [mem 0xf8004000-0xf8007fff] {}",
    "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT {}",
    "MTRR default type: {}",
    "Hypervisor detected: {}",
    "Program {} tried to access /dev/mem between [mem 0xf8000000-0xf8003fff].",
    "resource sanity check: requesting [mem 0xf8000000-0xf8003fff], "
    "which spans more than {} [mem 0xf8000000-0xf8001fff]",
    "caller {}+0x15e/0x890 [{}] mapping multiple BARs",
    "WARNING: CPU: 0 PID: 4714 at /build/{}/mm/memory.c:1064 remap_pfn_range_notrack+0x15/0x30",
    "RIP: 0010:{}+0x12/0x34 [{}] pfn_valid",
    "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] {}",
    "ioremap error for 0xf8000000-0xf8004000, requested 0x1, got 0x2 {}",
    "ioremap failed for {} MTRR",
    "file:{} fault:{} mmap:{} read_folio:{}",
    "addr:00007f20ae059000 vm_flags:044444fb anon_vma:0000000000000000 mapping:{} index:fd000",
    "reserve_memtype failed 0xf8000000-0xf8004000, track {}, req write-combining",
    "cgroup: {} framebuffer efifb {}",
    "kvm [{}]: vcpu0, guest {} BUG",
    "Linux version 6.1.0-26-amd64 ({}@{}) (gcc {})",
    "memtype {}",
    "iomem {} [mem 0xf8000000-0xf8003fff]",
)

#: Mappings with a name each, all of which a snapshot reads.
_MAPPED = (
    "/dev/mapper/{}",
    "/dev/shm/{}",
    "/dev/disk/by-id/{}",
    "/dev/dri/by-path/{}",
    "/dev/nvidia-{}",
    "/dev/mem{}",
    "/dev/uio0{}",
    "/dev/fb0 {} (deleted)",
    "/dev/vfio/{}",
    "/home/{}/device",
    "[anon:{}]",
    "[{}]",
    "/memfd:{} (deleted)",
    "anon_inode:[{}]",
    "anon_inode:[vfio-device]{}",
    "/sys/devices/platform/{}/0000:00:02.0/resource0",
    "/sys/devices/pci0000:00/{}/resource0",
    "/sys/devices/pci0000:00/0000:00:02.0/resource0{}",
    "/proc/bus/pci/00/{}",
    "socket:[{}]",
)


class Words:
    """Unique words in turn of all shapes.

    :ivar all: those given so far
    """

    def __init__(self) -> None:
        self.all: list[str] = []

    def one(self, shape: str = "") -> str:
        """The next word.

        :param shape: one of a shape, with its number as ``{0}``
        """
        number = len(self.all) + 1
        form = shape or _SHAPES[number % len(_SHAPES)]
        # Further numbers keep addresses of a network in their form.
        self.all.append(form.format(number, number // 200 + 20, number % 200 + 20))
        return self.all[-1]

    def filled(self, line: str) -> str:
        """A line with words in its places."""
        return line.format(*(self.one().replace("/", "-") for _ in range(line.count("{}"))))

    def around(self, line: str) -> Iterator[str]:
        """The line with a word before it, behind it, in it at blanks, and inside its words."""
        yield f"{self.one()} {line}"
        yield f"{line} {self.one()}"
        yield f"{line}{self.one('zqend{0}')}"
        places = [at for at, letter in enumerate(line) if letter in " :=/,[]-"]
        for at in places[:: max(1, len(places) // 4)]:
            yield f"{line[:at]} {self.one()}{line[at:]}"
            yield f"{line[:at]}{self.one('zqin{0}')}{line[at:]}"


def plant(root: Path) -> list[str]:
    """Put words into all files of the machine at *root*; returns them."""
    words = Words()
    for path in (LIST, "proc/iomem", "proc/mtrr", "proc/modules", "boot/config-6.1.0-26-amd64"):
        _grow(root, path, words, first=0)
    log = [words.filled(line) for _ in range(2) for line in _LINES]
    _grow(root, "dev/kmsg", words, first=1, more=[f"6,9,94000000,-;{line}" for line in log])
    _grow(root, "sys/class/uio/uio0/maps/map1/addr", words, first=1)
    write(root, "sys/class/uio/uio0/name", words.one() + "\n")
    write(root, "proc/sys/kernel/hostname", words.one() + "\n" + words.one() + "\n")
    write(root, "proc/cmdline", " ".join(_options(words)) + "\n")
    write(root, "sys/class/dmi/id/sys_vendor", f"QEMU {words.one()}\n{words.one()}\n")
    write(root, "sys/class/dmi/id/product_name", f"{words.one()}\n")
    write(root, "sys/hypervisor/type", f"{words.one()}\n{words.one()}\n")
    write(root, "proc/cpuinfo", f"vendor_id\t: {words.one()}\nflags\t\t: pat {words.one()} mtrr hypervisor\n")
    for name in ("debug", "debug/x86"):
        os.makedirs(root / "sys/kernel" / name / words.one().replace("/", "-"))
    _plant_devices(root, words)
    _plant_processes(root, words)
    return words.all


def plant_reports(root: Path) -> list[str]:
    """Put words into what commands printed, as a report of sos has them; returns them."""
    words = Words()
    stamped = [f"[    1.{at:06}] {words.filled(line)}" for at, line in enumerate(_LINES)]
    write(root, "sos_commands/kernel/dmesg", "\n".join(stamped))
    write(
        root,
        "sos_commands/kernel/uname_-a",
        f"Linux {words.one()} 6.1.0-26-amd64-{words.one()} #1 {words.one()}\n",
    )
    head = "0000:00:02.0 VGA compatible controller [0300]: NVIDIA V100 [10de:1db6] (prog-if 00 [VGA])"
    listing = [
        f"0000:00:04.0 {words.one()} [0300]: {words.one()} [10de:1db6] (rev a1) (prog-if 00 [{words.one()}])",
        *words.around(head),
        f"\tSubsystem: {words.one()} [10de:1db6]",
        f"\tControl: I/O+ Mem+ BusMaster+ {words.one()}",
        f"\tRegion 0: Memory at e0000000 (64-bit, prefetchable) [{words.one()}] [size=256M]",
        f"\tExpansion ROM at 000c0000 [{words.one()}] [size=128K]",
        f"\tCapabilities: [148 v1] Device Serial Number {words.one()}",
        f"\tKernel driver in use: {words.one('zqdriver{0}')}",
        f"\tIOMMU group: 1{words.one('zq{0}')}",
    ]
    write(root, "sos_commands/pci/lspci_-nnvv", "\n".join(listing) + "\n")
    return words.all


def _grow(root: Path, path: str, words: Words, first: int, more: list[str] | None = None) -> None:
    lines = (root / path).read_text(encoding="utf-8").splitlines()
    grown = lines[:first]
    for line in lines[first:]:
        grown += [line, *words.around(line)]
    write(root, path, "\n".join([*grown, *(words.one() for _ in range(len(_SHAPES))), *(more or [])]) + "\n")


def _options(words: Words) -> Iterator[str]:
    yield f"BOOT_IMAGE=/vmlinuz-{words.one()}"
    for name in (
        "root=UUID=",
        "ip=",
        "luks.uuid=",
        "hostname=",
        "iomem=",
        "video=",
        "pci=",
        "vfio-pci.ids=",
        "mem=",
    ):
        yield f"{name}{words.one()}"
    yield from (f"iomem=relaxed{words.one('zqin{0}')}", f"nopat{words.one('zqin{0}')}", "iomem=relaxed")


def _plant_devices(root: Path, words: Words) -> None:
    folder = f"sys/bus/pci/devices/{GPU}"
    for name in ("vendor", "device", "class", "resource"):
        _grow(root, f"{folder}/{name}", words, first=1)
    write(root, f"{folder}/config", bytes.fromhex("de10b61d0700") + words.one("zqconfig{0}").encode())
    write(root, f"{folder}/label", words.one() + "\n")
    write(root, f"sys/bus/pci/devices/{words.one('zqfolder{0}')}/vendor", words.one() + "\n")
    other = "sys/bus/pci/devices/0000:00:05.0"
    for name, content in (("vendor", "0x10de\n"), ("device", "0x1db7\n"), ("class", "0x030000\n")):
        write(root, f"{other}/{name}", content)
    write(root, f"{other}/resource", "0x00000000f9000000 0x00000000f9ffffff 0x0000000000040200\n")
    driver = words.one("zqdriver{0}")
    link(root, f"{other}/driver", f"../../../../bus/pci/drivers/{driver}")
    link(root, f"{other}/iommu_group", f"../../../kernel/iommu_groups/{words.one('zqgroup{0}')}")
    link(root, f"sys/bus/pci/drivers/{driver}/module", f"../../../../module/{words.one('zqmodule{0}')}")


def _plant_processes(root: Path, words: Words) -> None:
    lines = []
    for at, path in enumerate(_MAPPED):
        start = 0x7F4000000000 + (at << 20)
        lines.append(
            f"{start:x}-{start + 0x1000:x} rw-s 0{at:x}345000 00:{at:02x} {77001 + at}  {words.filled(path)}"
        )
    text = f"{words.one()}\nVmFlags: rd {words.one()}\n"
    text += smaps("\n".join(lines), ("rd wr sh mr mw me ms pf io de dd sd",) * len(lines))
    write(root, "proc/4711/smaps", text)
    write(root, "proc/4711/comm", f"{words.one()}\n{words.one()}\n")
    for at, path in enumerate(one for one in _MAPPED if one.startswith(("/dev", "anon"))):
        link(root, f"proc/4711/fd/{at + 10}", words.filled(path))
    link(root, "proc/4711/fd/5", "anon_inode:[vfio-device]")
    place = f"/sys/devices/{words.one('zqa{0}')}/0000:00:03.0"
    info = (
        f"pos:\t0\nino:\t77099\nino:\t{words.one('zq{0}')}\nvfio-device-syspath: {place}\n"
        f"name:\t{words.one()}\n"
    )
    write(root, "proc/4711/fdinfo/5", info)
    write(root, "proc/4711/environ", words.one() + "\n")
    write(root, "proc/4711/cmdline", words.one() + "\n")
