"""Kinds of reports by strangers: what the lines of one cause say together, and what stays loud."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.messages.explaining import explain_line

WARNED = (
    "WARNING: CPU: 3 PID: 1 at arch/x86/mm/ioremap.c:180 __ioremap_caller+0x2a0/0x300()\n"
    "{info}\n"
    "CPU: 3 PID: 1 Comm: swapper/0 Not tainted 4.1.20 #3"
)
BAD = (
    "BUG: Bad page map in process app  pte:{pte} pmd:1a2b3067\n"
    "addr:00007f1200000000 vm_flags:{flags} anon_vma:0000000000000000 mapping:ffff888012345678 index:40"
)
WINDOW = "pcieport 0002:00:00.0: bridge window [mem {what}]: {how}"
LARGE = "size 0x400000000 64bit pref"
NEEDED = WINDOW.format(what=LARGE, how="can't assign; no space")
GIVEN = WINDOW.format(what="0x1000000000-0x13ffffffff 64bit pref", how="assigned")
PORTS = "pcieport 0002:00:00.0: bridge window [io  0x2000-0x2fff]: assigned"
LOST = "pci 0002:01:00.0: BAR 1 [mem size 0x200000000 64bit pref]: can't assign; no space"
LINK = (
    "pci 0000:08:00.0: 31.504 Gb/s available PCIe bandwidth, limited by 8.0 GT/s PCIe x{lanes} link "
    "at 0000:00:03.1 (capable of 63.01 Gb/s with 16.0 GT/s PCIe x4 link)"
)
WIDE = "qemu: vfio_dma_map(0x55aa00000000, 0x388000000000, 0x800000, 0x7f0040000000) = -22 (Invalid argument)"
STOPPED = (
    "kernel BUG at mm/memory.c:1700!\nRIP: 0010:[<ffffffff811b0000>]\n foo_mmap+0x40/0x90 [foo]\n{frames}"
)
CLAIM = "{driver} {device}: can't request region for resource [mem 0x0a500000-0x0a500fff]"
REFUSED = "vfio-pci 0000:41:00.0: BAR 1: can't reserve [mem 0x4000000000-0x4fffffffff 64bit pref]"
READ = "qemu: vfio_region_read({name}:region0+0x40, 2) failed: {error}"
UUID = "0a1b2c3d-0000-11ef-8000-0123456789ab"
CALL_FAILED = ("A call that maps physical memory failed", "depends")
GAVE_UP = "foodrm: probe of {device} failed with error {error}"
WANTED = "foodrm 0003:31:00.0: BAR 1: no space for [mem size 0x400000000 64bit pref]"
BACK = "foodrm 0003:31:00.0: BAR 1: assigned [mem 0x60000000000-0x6000fffffff 64bit pref]"
ELSEWHERE = "foodrm 0003:31:00.0: BAR 1: assigned [mem 0x60000000000-0x603ffffffff 64bit pref]"
IN_THE_WAY = (
    "pci 0000:00:01.0: can't claim BAR 2 [mem 0xd2200000-0xd2200fff 64bit]: "
    "address conflict with System RAM [mem 0x00100000-0xefffffff]"
)
OFFLINE = "pcifront pci-0: Could not claim resource 0000:00:01.0/2! Device offline. Try using e820_host=1"
NO_PAT = (
    "x86/PAT: PAT not supported by the CPU.\nx86/PAT: Configuration [0-7]: WB  WT  UC- UC  WB  WT  UC- UC"
)
GUEST = "Hypervisor detected: KVM\n"
PASSED = "pci 0000:00:05.0: [15b3:101e] type 00 class 0x020000 PCIe Endpoint"
EMULATED = "pci 0000:00:03.0: [1af4:1041] type 00 class 0x020000 conventional PCI endpoint"
OWN_MODE = (
    "reader:77 map pfn expected mapping type uncached-minus for [mem 0x34000000-0x34003fff], got write-back"
)
NO_UIO = "reader: cannot mmap /dev/uio3: Invalid argument"
#: Lines, and the titles and verdicts of their events.
KINDS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a warning whose text says that all is well": (
        WARNED.format(info="Info: mapping multiple BARs. Your kernel is fine."),
        [("A driver maps more than one resource", "harmless")],
    ),
    "a warning with another text": (
        WARNED.format(info="Modules linked in: foo"),
        [("ioremap of ordinary memory is refused", "look here")],
    ),
    "a damaged entry": (
        BAD.format(pte="7fffff0000000c00", flags="0c0444fb"),
        [("A page-table entry of a PFN mapping is damaged", "look here")],
    ),
    "an entry of a frame": (
        BAD.format(pte="80000000e1000227", flags="0c0444fb"),
        [("An entry does not fit the mapping of a driver", "look here")],
    ),
    "a damaged entry of pages": (
        BAD.format(pte="7fffff0000000c00", flags="00000075"),
        [("A page-table entry is not valid", "another subject")],
    ),
    "a window that devices need": (
        NEEDED,
        [("A bridge has no room for the memory of its downstream devices", "depends")],
    ),
    "the same, assigned later": (
        f"{NEEDED}\n{GIVEN}",
        [("Ports, windows or ROMs were assigned at a second attempt", "harmless")],
    ),
    "the same, ports assigned later": (
        f"{NEEDED}\n{PORTS}",
        [
            ("A bridge has no room for the memory of its downstream devices", "depends"),
            ("The kernel gives a BAR its addresses", "harmless"),
        ],
    ),
    "the same, and the device says so": (
        f"{NEEDED}\n{LOST}",
        [("A bridge has no window for more devices", "harmless"), ("A BAR has no addresses", "look here")],
    ),
    "a spare window": (
        WINDOW.format(what="size 0x00400000 64bit pref", how="failed to assign"),
        [("A bridge has no window for more devices", "harmless")],
    ),
    "a link with all its lanes": (
        LINK.format(lanes=4),
        [("A PCIe link has all its lanes, or cannot be read", "harmless")],
    ),
    "a link with fewer": (
        LINK.format(lanes=2),
        [("A PCIe link is slower than it could be", "another subject")],
    ),
    "a wide address, said twice": (
        f"{WIDE}\nqemu: VFIO_MAP_DMA failed: Invalid argument",
        [("An address is too wide for the IOMMU", "another subject")],
    ),
    "a wide address, said the other way round": (
        f"qemu: VFIO_MAP_DMA failed: Invalid argument\n{WIDE}",
        [("An address is too wide for the IOMMU", "another subject")],
    ),
    "a wide address, and memory": (
        f"{WIDE}\nqemu: vfio_dma_map(0x55aa00000000, 0x1000, 0x8000, 0x7f0040000000) = -14 (Bad address)",
        [
            ("An address is too wide for the IOMMU", "another subject"),
            ("Guest RAM cannot be mapped for DMA", "look here"),
        ],
    ),
    "a BAR that a monitor calls so": (
        "Failed to map VFIO MMIO region: cannot map the IOVA range: Bad address (os error 14)",
        [("A BAR cannot be mapped for DMA, and the guest does not start", "look here")],
    ),
    "a stop in a driver's mmap": (
        STOPPED.format(frames=" mmap_region+0x300/0x600\n do_mmap+0x2f0/0x3d0"),
        [("A driver's mmap remapped beyond its VMA, or over entries", "look here")],
    ),
    "a stop elsewhere": (
        STOPPED.format(frames=" __do_fault+0x30/0x80"),
        [("The kernel stopped in mm/memory.c", "look here")],
    ),
    "a node of the device tree": (
        CLAIM.format(driver="foo-wdt", device="a500000.watchdog"),
        [("A driver cannot claim the registers of a device", "look here")],
    ),
    "a device of the firmware's tables": (
        CLAIM.format(driver="foo_pinctrl", device="INTC1056:00"),
        [("A driver cannot claim the registers of a device", "look here")],
    ),
    "a PCI device": (REFUSED, [("A driver cannot claim a BAR", "look here")]),
    "a refusal that host and monitor report": (
        f"{REFUSED}\nqemu: Failed to mmap 0000:41:00.0 BAR 1. Performance may be slow",
        [("A driver cannot claim a BAR", "look here")],
    ),
    "refusals of two devices": (
        f"{REFUSED}\nqemu: Failed to mmap 0000:42:00.0 BAR 1. Performance may be slow",
        [
            ("A driver cannot claim a BAR", "look here"),
            ("A virtual machine monitor could not map a BAR", "look here"),
        ],
    ),
    "a framebuffer that is nowhere": (
        "vesafb: cannot reserve video memory at 0x0\nvesafb: abort, cannot ioremap video memory 0x3000 @ 0x0",
        [("The boot framebuffer's BAR cannot be mapped", "look here")],
    ),
    "a framebuffer that somebody claims": (
        "vesafb: cannot reserve video memory at 0xd8000000",
        [("The boot framebuffer's memory cannot be claimed", "harmless")],
    ),
    "a tool's own words for a refused BAR": (
        "regtool: mmap of BAR 2 (0xf7800000) failed: Operation not permitted",
        [("A call that maps physical memory failed", "depends")],
    ),
    "a file that cannot be mapped": ("regtool: mmap of index.bin failed: Operation not permitted", []),
    "a mediated device": (
        READ.format(name=UUID, error="Bad address"),
        [("A mediated device refuses an access of its guest", "another subject")],
    ),
    "a device that sleeps": (
        READ.format(name="0000:41:00.0", error="Input/output error"),
        [("A region of a device is switched off", "depends")],
    ),
    "a region that the kernel cannot map": (
        READ.format(name="0000:41:00.0", error="Cannot allocate memory"),
        [("QEMU cannot reach a region of a device", "look here")],
    ),
    "a VMA that is printed": (
        "vma ffff888100000000 start 00007f1200000000 end 00007f1200004000 mm ffff888100001000\n"
        "kernel BUG at include/linux/mm.h:800!",
        [("A check of a VMA failed", "look here")],
    ),
    "a module that makes pages read-only": (
        "WARNING: CPU: 1 PID: 90 at arch/x86/include/asm/pgtable.h:770 __change_page_attr+0x300/0x320",
        [("An entry looks like one of a shadow stack", "another subject")],
    ),
    "a tool that does not print the error": ("gpiotool: mapping of /dev/mem failed", [CALL_FAILED]),
    "a tool that cannot open the file": ('lmem: could not open "/dev/mem"!', [CALL_FAILED]),
    "a tool that opens it": ("lmem: opened /dev/mem", []),
    "memory that may not be mapped": (
        "vramtemp: Unable to map device memory: Operation not permitted",
        [CALL_FAILED],
    ),
    "memory that there is not": ("game: Unable to map memory: Cannot allocate memory", []),
    "a GPU without a mapping": (
        GAVE_UP.format(device="0000:a3:00.0", error=-12),
        [("A driver got no memory, or no mapping, for a device", "depends")],
    ),
    "a GPU that gave up for another reason": (GAVE_UP.format(device="0000:a3:00.0", error=-22), []),
    "a device without an address of PCI": (GAVE_UP.format(device="fe200000.adc", error=-12), []),
    "a BAR that cannot be larger": (
        f"{WANTED}\n{BACK}",
        [("A BAR could not be made larger", "harmless")],
    ),
    "a BAR that got all of it": (
        f"{WANTED}\n{ELSEWHERE}",
        [("A BAR was moved to other addresses", "harmless")],
    ),
    "a BAR that got nothing": (WANTED, [("A BAR has no addresses", "look here")]),
    "a device of a Xen PV guest": (
        f"{IN_THE_WAY}\n{OFFLINE}",
        [("A Xen PV guest has memory where a BAR of its device is", "look here")],
    ),
    "the same elsewhere": (IN_THE_WAY, [("A BAR has no addresses", "look here")]),
    "namespaces in one section": (
        "nd_pmem pfn4.1: Conflicting mapping in same section\n"
        "WARNING: CPU: 2 PID: 900 at kernel/memremap.c:190 devm_memremap_pages+0x3a0/0x400",
        [("Two ranges of device memory share a section", "look here")],
    ),
    "memremap in another mode": (
        "WARNING: CPU: 2 PID: 900 at kernel/memremap.c:118 memremap+0x1a0/0x200",
        [("memremap of ordinary memory in another mode is refused", "look here")],
    ),
    "a namespace whose range is taken": (
        "nd_pmem namespace3.0: could not reserve region [mem 0x880000000-0x8ffffffff flags 0x200]\n"
        "nd_pmem: probe of namespace3.0 failed with error -16",
        [("A driver cannot claim memory of a device", "look here")],
    ),
    "memory of CXL that is taken": (
        "device_dax dax1.0: mapping0: 0x1050000000-0x204fffffff could not reserve range",
        [("A driver cannot claim memory of a device", "look here")],
    ),
    "an address that the IOMMU does not have": (
        "qemu: VFIO_MAP_DMA failed: -22",
        [("An address cannot be mapped by the IOMMU", "another subject")],
    ),
    "memory that the IOMMU may not have": (
        "qemu: VFIO_MAP_DMA failed: -12",
        [("Guest memory cannot be mapped for DMA", "another subject")],
    ),
    "a warning without a place": (
        "WARNING: CPU: 1 PID: 77 at __ioremap_caller+0xb0/0xc0",
        [("ioremap of ordinary memory is refused", "look here")],
    ),
    "a guest without PAT": (GUEST + NO_PAT, [("This guest has no write-combining", "harmless")]),
    "a guest of emulated devices": (
        f"{GUEST}{NO_PAT}\n{EMULATED}",
        [("This guest has no write-combining", "harmless")],
    ),
    "a guest with a network card": (
        f"{GUEST}{NO_PAT}\n{PASSED}",
        [("The processor has no PAT, or the firmware turned it off", "look here")],
    ),
    "a host without PAT": (
        NO_PAT,
        [("The processor has no PAT, or the firmware turned it off", "look here")],
    ),
    "a call, and the kernel's reason": (
        f"{NO_UIO}\n[ 20.1] {OWN_MODE}",
        [("A mapping was refused: another mode is there", "look here")],
    ),
    "a call far from the reason of another": (
        "\n".join([NO_UIO, *["text"] * 20, OWN_MODE]),
        [CALL_FAILED, ("A mapping was refused: another mode is there", "look here")],
    ),
    "a bisection to this subject": (
        "04c35ab3bdae7fefbd7c7a7355f29fa03a035221 is the first bad commit",
        [("A bisection ends at a change of PFN mappings", "look here")],
    ),
    "a bisection to another subject": (
        "# first bad commit: [7348da7a8c244d1a755bc5838b04cb9b1b6ee06c] memblock: another change",
        [],
    ),
    "a monitor, and the kernel's reason": (
        "qemu: vfio_region_read(0000:41:00.0:region1+0x2000, 8) failed: Cannot allocate memory\n"
        "[ 90.1] x86/PAT: CPU 2/KVM:700 conflicting memory types 4000000000-4100000000 "
        "write-combining<->uncached-minus",
        [("vfio-pci cannot map a BAR: its old driver left write-combining entries", "look here")],
    ),
    "an error told in prose": (
        "I read /dev/mem at 0xfe200000.\nAt 0xfe200008 there is error code = 22 (Invalid argument).",
        [CALL_FAILED],
    ),
    "an error told of something else": (
        "The config is wrong.\nAt line 7 there is error code = 22 (Invalid argument).",
        [],
    ),
    "DPDK without memory": (
        "EAL: pci_uio_alloc_resource(): cannot store uio mmap details",
        [("DPDK does not start a device, before any mapping", "another subject")],
    ),
    "a frame that Xen does not give": (
        "(XEN) mm.c:1010:d3 Error getting mfn f7c00 (pfn ffffffff) from L1 entry 80000000f7c00633 "
        "for l1e_owner=3, pg_owner=32753",
        [("Xen refuses a guest a page frame", "look here")],
    ),
    "X without an MTRR": (
        "(WW) foo(0): Failed to set up write-combining range (0xd0000000,0x8000000)",
        [("The X server gets no MTRR for the screen", "depends")],
    ),
    "a driver's own words for a failed mapping": (
        "foosec foosec.1: cannot ioremap shared buffer",
        [("A driver says that its mapping failed", "look here")],
    ),
    "a driver whose mapping works": ("foosec foosec.1: ioremap of shared buffer done", []),
    "a kernel mapping with wrong entries": (
        "WARNING: CPU: 1 PID: 90 at mm/vmalloc.c:70 vunmap_page_range+0x120/0x1a0()",
        [("A mapping of the kernel has entries that cannot be", "look here")],
    ),
    "another warning of that file": (
        "WARNING: CPU: 1 PID: 90 at mm/vmalloc.c:1500 __vunmap+0x120/0x1a0()",
        [],
    ),
    "a title, and the log of a named host": (
        "BUG: Bad page map in process\n"
        "Oct 10 09:47:46 box kernel: [ 90.1] addr:b6a00000 vm_flags:00100077 anon_vma:cde0 mapping: (null) "
        "index:b6a00\n"
        "Oct 10 09:47:46 box kernel: [ 90.2] file:  (null) fault:  (null) mmap:  (null) readpage:  (null)",
        [("A page-table entry is not valid", "another subject")],
    ),
    "an mmap that may not be": ("ledtool: mmap error: : Operation not permitted", [CALL_FAILED]),
    "an mmap without memory": ("ledtool: mmap error: : Cannot allocate memory", []),
    "a framebuffer's file": ("grab: /dev/fb1: mmap: Invalid argument", [CALL_FAILED]),
    "a call of KVM after its error": (
        "Invalid argument (os error 22) / KVM_SET_USER_MEMORY_REGION2",
        [CALL_FAILED],
    ),
    "slots of a guest that overlap": (
        "vmm: KVM_SET_USER_MEMORY_REGION failed, slot=9, start=0xfe000000, size=0x4000: File exists",
        [("Two parts of a guest's memory overlap", "another subject")],
    ),
    "the same of a monitor in Rust": (
        "vmm: Map region error: Hypervisor error: KVM error: File exists (os error 17)",
        [("Two parts of a guest's memory overlap", "another subject")],
    ),
    "a device whose windows are taken": (
        "platform FOOC2020:03: failed to claim resource 4: [mem 0x40100000-0x401fffff window]",
        [("A driver cannot claim the registers of a device", "look here")],
    ),
    "a caller of another protection": (
        "WARNING: CPU: 1 PID: 90 at arch/arm64/include/asm/io.h:280 foo_probe+0x44/0x100 [foo]",
        [("ioremap_prot() was called with a protection of the kernel", "look here")],
    ),
}


@for_each(("text", "expected"), KINDS.values(), ids=list(KINDS))
def test_a_kind_of_report_is_told(text: str, expected: list[tuple[str, str]]) -> None:
    """One cause is one event; what looks like it and is another stays what it is."""
    found = [(one.family.title, one.family.verdict.value) for one in explain_line(text).events]

    assert expected == found


IOMEM = "4000000000-4fffffffff : 0000:41:00.0\n  4000000000-4000ffffff : BOOTFB"
TRIED = {
    "nothing": ("", True),
    "an option of the command line": ("Command line: ro initcall_blacklist=sysfb_init quiet", False),
    "a line of the option": ("blacklisting initcall sysfb_init", False),
    "another option": ("Command line: ro initcall_blacklist=simpledrm_init", True),
}


@for_each(("line", "offered"), TRIED.values(), ids=list(TRIED))
def test_an_option_in_use_is_not_advised(line: str, offered: bool) -> None:
    """The rest of the advice stays."""
    found = explain_line(f"{line}\n{IOMEM}\n{REFUSED}").events
    event = next(one for one in found if one.family.name == "file_iomem")
    said = " ".join(one.do for one in event.family.advice)

    assert offered is ("initcall_blacklist=sysfb_init" in said)
    assert "unbind the framebuffer's driver" in said
