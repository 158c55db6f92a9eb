"""A boot as a story: what belongs together, what is over, what is only a fact, and what stays loud."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.messages.explaining import explain_line
from pfnlab.diagnosis.messages.family_files import FamilyVerdict
from pfnlab.diagnosis.messages.message_event import MessageEvent

NO_WC = "x86/PAT: Configuration [0-7]: WB  WT  UC- UC  WB  WT  UC- UC"
WC = "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT"
XEN = "x86/PAT: Configuration [0-7]: WB  WT  UC- UC  WC  WP  UC  UC"
MISMATCH = "mtrr: type mismatch for e8000000,8000000 old: write-back new: write-combining"
CLAIM = "bardrv fe800000.gpu: can't request region for resource [mem 0xfe800000-0xfe80ffff]"


def told(*lines: str) -> list[MessageEvent]:
    """The events of some lines."""
    return list(explain_line("\n".join(lines)).events)


def verdicts(*lines: str) -> list[tuple[str, str]]:
    """Their families and verdicts."""
    return [(one.family.name, one.family.verdict.value) for one in told(*lines)]


#: Lines, and the verdict of the one event that they are.
ENDS: dict[str, tuple[tuple[str, ...], str]] = {
    "a ROM": (("pci 0000:81:00.0: BAR 6: failed to assign [mem size 0x00020000 pref]",), "harmless"),
    "a ROM that a driver looked for": (
        (
            "pci 0000:81:00.0: BAR 6: failed to assign [mem size 0x00020000 pref]",
            "radeon 0000:81:00.0: Unable to locate a BIOS ROM",
        ),
        "look here",
    ),
    "ports": (("pci 0000:82:00.0: BAR 4 [io  size 0x0040]: can't assign; no space",), "harmless"),
    "memory": (("pci 0000:82:00.0: BAR 4 [mem size 0x4000]: can't assign; no space",), "look here"),
    "a spare window": (
        ("pcieport 0000:00:01.2: bridge window [mem size 0x00200000]: failed to assign",),
        "harmless",
    ),
    "old window": (
        (
            "pci 0000:00:1e.0: PCI bridge to [bus 05]",
            "pci 0000:00:1e.0: BAR 8: can't assign mem (size 0x200000)",
        ),
        "harmless",
    ),
    "a bridge's own BAR": (
        (
            "pci 0000:00:02.0: [8086:2030] type 01 class 0x060400 PCIe Root Port",
            "pci 0000:00:02.0: BAR 0 [mem size 0x1000]: failed to assign",
        ),
        "harmless",
    ),
    "the same BAR of a device": (
        (
            "pci 0000:00:02.0: [8086:2030] type 00 class 0x030000 PCIe Endpoint",
            "pci 0000:00:02.0: BAR 0 [mem size 0x1000]: failed to assign",
        ),
        "look here",
    ),
    "virtual functions": (
        ("pci 0000:83:00.0: VF BAR 0 [mem size 0x00100000 64bit pref]: can't assign; no space",),
        "harmless",
    ),
    "virtual functions that are wanted": (
        ("igb 0000:83:00.0: not enough MMIO resources for SR-IOV",),
        "look here",
    ),
    "repaired": (
        ("mtrr: your CPUs had inconsistent fixed MTRR settings", "mtrr: corrected configuration."),
        "harmless",
    ),
    "not repaired": (("mtrr: your CPUs had inconsistent fixed MTRR settings",), "look here"),
    "a mask": (("mtrr: your BIOS has set up an incorrect mask, fixing it up.",), "harmless"),
    "split": (
        (
            "resource: requested range [0xfe000000-0xfeffffff] not in root PCI mem",
            "resource: fixing request to [0xfe000000-0xfe7fffff]",
        ),
        "harmless",
    ),
    "a claim, and the device works": (
        (CLAIM, "[drm] Initialized bardrv 1.2.0 20230101 for fe800000.gpu on minor 0"),
        "harmless",
    ),
    "a claim, and another device works": (
        (CLAIM, "[drm] Initialized bardrv 1.2.0 20230101 for fe900000.gpu on minor 0"),
        "look here",
    ),
    "a claim, and the driver gives up": (
        (CLAIM, "bardrv: probe of fe800000.gpu failed with error -16"),
        "look here",
    ),
    "a claim of vfio, and the host's driver works": (
        (
            "vfio-pci 0000:0b:00.0: BAR 3: can't reserve [mem 0xc0000000-0xc1ffffff 64bit pref]",
            "[drm] Initialized amdgpu 3.57.0 for 0000:0b:00.0 on minor 0",
        ),
        "look here",
    ),
    "a network card works": (
        (
            "mlxfoo 0000:17:00.0: BAR 2: can't reserve [mem 0xc0000000-0xc1ffffff]",
            "mlxfoo 0000:17:00.0 ens3f0: Link is Up",
        ),
        "harmless",
    ),
    "a service under lockdown": (
        ("Lockdown: fwupd: /dev/mem,kmem,port is restricted; see man kernel_lockdown.7",),
        "harmless",
    ),
    "a program's ports under lockdown": (
        ("Lockdown: flashtool: raw io port access is restricted; see man kernel_lockdown.7",),
        "harmless",
    ),
    "a program under lockdown": (
        (
            "Lockdown: systemd: /dev/mem,kmem,port is restricted; see man kernel_lockdown.7",
            "Lockdown: bartool: /dev/mem,kmem,port is restricted; see man kernel_lockdown.7",
        ),
        "look here",
    ),
    "an idle link": (
        (
            "pci 0000:65:00.0: 16.000 Gb/s available PCIe bandwidth, limited by 2.5 GT/s PCIe x8 link at "
            "0000:64:00.0 (capable of 63.008 Gb/s with 8.0 GT/s PCIe x8 link)",
        ),
        "harmless",
    ),
    "a narrow link": (
        (
            "pci 0000:65:00.0: 8.000 Gb/s available PCIe bandwidth, limited by 2.5 GT/s PCIe x4 link at "
            "0000:64:00.0 (capable of 63.008 Gb/s with 8.0 GT/s PCIe x8 link)",
        ),
        "another subject",
    ),
    "the MTRRs": (("MTRR default type: write-back", "MTRR variable ranges enabled:"), "harmless"),
}


@for_each("name", ENDS)
def test_the_end_of_the_boot_decides(name: str) -> None:
    """One event, with the verdict of the last word."""
    lines, verdict = ENDS[name]

    found = told(*lines)

    assert [verdict] == [one.family.verdict.value for one in found]


#: Lines about PAT and MTRRs of one boot, and what the one event of them is.
SETUPS: dict[str, tuple[tuple[str, ...], tuple[str, str]]] = {
    "wc": ((WC,), ("pat_configuration", "harmless")),
    "no wc": ((NO_WC,), ("pat_configuration", "look here")),
    "cut": (("x86/PAT: Configuration [0-7]: WB  WT  UC- UC",), ("pat_configuration", "depends")),
    "old with wc": (
        ("x86 PAT enabled: cpu 3, old 0x7040600070406, new 0x7010600070106",),
        ("pat_configuration", "harmless"),
    ),
    "old without": (
        ("x86 PAT enabled: cpu 3, old 0x7040600070406, new 0x7040600070406",),
        ("pat_configuration", "look here"),
    ),
    "blank, with wc": (
        ("MTRR fixed ranges disabled:", "CPU MTRRs all blank - virtualized system.", WC),
        ("pat_configuration", "harmless"),
    ),
    "blank, and nobody says": (
        ("CPU MTRRs all blank - virtualized system.",),
        ("mtrr_absent", "depends"),
    ),
    "off, without wc": (
        ("MTRR: Disabled", "x86/PAT: MTRRs disabled, skipping PAT initialization too.", NO_WC),
        ("pat_off_by_mtrr", "look here"),
    ),
    "by an option": (
        ("x86/PAT: PAT support disabled via boot option.", "MTRR default type: uncachable", NO_WC),
        ("pat_off_by_option", "look here"),
    ),
    "Xen by its layout": ((XEN,), ("pat_configuration", "harmless")),
    "Xen by its banner": (
        ("Booting paravirtualized kernel on Xen PV", "MTRR: Disabled"),
        ("mtrr_absent", "harmless"),
    ),
    "a guest of Xen with hardware's help is like any other": (
        ("Booting paravirtualized kernel on Xen HVM", NO_WC),
        ("pat_configuration", "look here"),
    ),
}


@for_each("name", SETUPS)
def test_one_cause_is_one_event(name: str) -> None:
    """Whether page tables can say write-combining, by the slots, Xen's too."""
    lines, event = SETUPS[name]

    found = verdicts(*lines)

    assert [event] == found


def test_boots_are_judged_apart() -> None:
    """Write-combining in one boot says nothing of the next."""
    found = verdicts("Linux version 6.1.7", WC, "Linux version 6.1.8", NO_WC)

    assert [("pat_configuration", "harmless"), ("pat_configuration", "look here")] == found


#: Facts of a boot, and the verdict of an MTRR that was refused.
REFUSED = {"with": (WC, "harmless"), "without": (NO_WC, "look here"), "unknown": ("x: y", "depends")}


@for_each("name", REFUSED)
def test_a_refused_mtrr_matters_without_wc_alone(name: str) -> None:
    """It is judged by the line about PAT, before it or after it."""
    fact, verdict = REFUSED[name]

    before, after = told(fact, MISMATCH)[-1], told(MISMATCH, fact)[0]

    assert [verdict, verdict] == [before.family.verdict.value, after.family.verdict.value]


def test_a_refused_mtrr_matters_with_nopat() -> None:
    """On the kernel's command line."""
    found = verdicts("Kernel command line: ro nopat console=ttyS0", MISMATCH)

    assert [("mtrr_type_mismatch", "look here")] == found


def test_lines_of_two_devices_are_two_events() -> None:
    """The failure is not hidden by a harmless line before it."""
    found = told(
        "pci 0000:21:00.0: BAR 6: no space for [mem size 0x00010000 pref]",
        "pci 0000:22:00.0: BAR 2: failed to assign [mem size 0x08000000 64bit pref]",
    )

    expected = [("0000:21:00.0", FamilyVerdict.HARMLESS), ("0000:22:00.0", FamilyVerdict.LOOK)]
    assert expected == [(one.device, one.family.verdict) for one in found]


def test_two_bars_of_a_device_are_one_event() -> None:
    """And one that is assigned is not among those that are not."""
    found = told(
        "pci 0000:22:00.0: BAR 0 [mem size 0x01000000]: failed to assign",
        "pci 0000:22:00.0: BAR 2 [mem size 0x08000000 64bit pref]: failed to assign",
        "pci 0000:22:00.0: BAR 4 [mem size 0x02000000 64bit pref]: failed to assign",
        "pci 0000:22:00.0: BAR 4 [mem 0xd0000000-0xd1ffffff 64bit pref]: assigned",
    )

    assert [(2, "look here"), (1, "harmless")] == [(one.count, one.family.verdict.value) for one in found]


def test_ports_of_several_devices_are_one_event() -> None:
    """With their number."""
    lines = [f"pci 0000:00:1c.{at}: BAR 13: no space for [io  size 0x1000]" for at in range(6)]

    found = told(*lines)

    assert [(6, None)] == [(one.count, one.device) for one in found]


def test_a_fact_is_one_event_for_all_its_lines() -> None:
    """Whatever device and wording."""
    found = told(
        "pci 0000:31:00.0: BAR 0 [mem 0x50100000-0x50101fff]: assigned",
        "pci 0000:32:00.0: BAR 1: assigned [mem 0x50200000-0x50201fff]",
        "ahci 0000:33:00.0: enabling device (0004 -> 0006)",
        "resource: avoiding allocation from e820 entry [mem 0x000a0000-0x000fffff]",
    )

    assert [("bar_assignment", 3), ("e820_memory", 1)] == [(one.family.name, one.count) for one in found]


#: Lines of one cause: the family of the event, and those of the lines that belong to it.
TOGETHER: dict[str, tuple[tuple[str, ...], tuple[str, list[str]]]] = {
    "an MTRR that is not aligned": (
        (
            "mtrr: base(0x1d8000000) is not aligned on a size(0x10000000) boundary",
            "Failed to add WC MTRR for [00000000deadbeef-00000000cafecafe]; performance may suffer.",
        ),
        ("mtrr_refused", ["mtrr_none_left"]),
    ),
    "an address that cannot be": (
        (
            "ioremap: invalid physical address f000000000000000",
            "WARNING: CPU: 3 PID: 88 at arch/x86/mm/ioremap.c:210 __ioremap_caller+0x2f0/0x320",
        ),
        ("ioremap_address", ["ioremap_ram"]),
    ),
    "RAM": (
        (
            "x86/PAT: reserve_ram_pages_type failed [mem 0x5000000-0x5000fff], track write-combining, "
            "req uncached-minus",
            "ioremap memtype_reserve failed -16",
        ),
        ("reserve_ram_failed", ["ioremap_reserve_failed"]),
    ),
    "a failure that is undone": (
        (
            "x86/PAT: gl:31 conflicting memory types c0000000-c4000000 uncached-minus<->write-combining",
            "x86/PAT: memtype_reserve failed [mem 0xc0000000-0xc3ffffff], track uncached-minus, "
            "req uncached-minus",
            "x86/PAT: gl:31 freeing invalid memtype [mem 0xc0000000-0xc3ffffff]",
        ),
        ("conflict", ["reserve_failed", "freeing_invalid"]),
    ),
    "poison": (
        (
            "Memory failure: 0x1234500: recovery action for dax page: Recovered",
            "x86/PAT: kworker:7 conflicting memory types 1234500000-1234501000 uncached-minus<->write-back",
        ),
        ("pmem_poison", ["conflict"]),
    ),
    "/dev/mem": (
        ("ioremap on RAM at 0x0000000123450000 - 0x0000000123450fff", " read_mem+0x90/0x1c0"),
        ("ioremap_ram", ["devmem_frame"]),
    ),
    "gdrcopy": (
        ("gdrdrv:mmap start=0x7f1200000000 size=65536 off=0x30000", "gdrdrv:track_pfn_remap failed :-22"),
        ("gdrcopy_map", ["gdrcopy_refused"]),
    ),
}


@for_each("name", TOGETHER)
def test_the_reason_in_the_line_before_is_used(name: str) -> None:
    """One event, headed by its cause."""
    lines, event = TOGETHER[name]

    found = told(*lines)

    assert [event] == [(one.family.name, [part.family for part in one.parts]) for one in found]


#: A range that is freed after a conflict of another range, or by another task.
ELSEWHERE = {
    "range": "x86/PAT: gl:31 freeing invalid memtype [mem 0xc0000000-0xc0000fff]",
    "task": "x86/PAT: xz:32 freeing invalid memtype [mem 0xc0000000-0xc3ffffff]",
}


@for_each("name", ELSEWHERE)
def test_what_is_freed_elsewhere_is_an_event_of_its_own(name: str) -> None:
    """Nothing is hidden by a failure that it does not belong to."""
    conflict = "x86/PAT: gl:31 conflicting memory types c0000000-c4000000 uncached-minus<->write-combining"

    found = told(conflict, ELSEWHERE[name])

    assert ["conflict", "freeing_invalid"] == [one.family.name for one in found]


def lspci(address: str, name: str, region: str) -> list[str]:
    """A device, as ``lspci -vvv`` prints it, with many capabilities."""
    return [f"{address} {name}", f"\t{region}", *(f"\tCapabilities: [{at}00] Foo" for at in range(90))]


def test_a_long_listing_is_one_event() -> None:
    """With devices of any class, each beside its BARs."""
    found = told(
        *lspci(
            "00:03.0", "Host bridge: Foo", "Region 0: Memory at 90000000 (64-bit, prefetchable) [size=256M]"
        ),
        *lspci("07:00.0", "System peripheral: Bar", "Region 0: Memory at b000000 (32-bit, non-prefetchable)"),
        *lspci(
            "08:00.1",
            "Audio device: Baz",
            "Region 1: Memory at a0000000 (32-bit, non-prefetchable) [size=4K]",
        ),
        "\tKernel driver in use: foo",
    )

    assert ["file_lspci"] == [one.family.name for one in found]
    assert ["00:03.0, prefetchable", "08:00.1, non-prefetchable"] == [row.name for row in found[0].rows]


def test_only_devices_are_mappings_of_devices() -> None:
    """No library, shared memory or [vvar] among them."""
    found = told(
        "7f4400000000-7f4400100000 rw-s 00000000 00:05 88   /dev/dri/card1",
        "7f4400200000-7f4400300000 rw-s 00000000 00:05 89   /dev/shm/pulse",
        "7fff00000000-7fff00004000 r--p 00000000 00:00 0    [vvar]",
    )

    assert [(0x7F44_0000_0000,)] == [tuple(row.start for row in one.rows) for one in found]


LIST = "PAT: [mem 0x0000006000000000-0x0000006200000000] uncached-minus"


def test_a_large_uncached_entry_is_a_fact() -> None:
    """It is named, and is no finding."""
    (found,) = told(LIST)

    assert FamilyVerdict.HARMLESS is found.family.verdict
    assert 1 == len(found.notes)
