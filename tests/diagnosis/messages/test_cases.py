"""Meanings of messages by values, by functions of a call trace, and by kernel."""

from __future__ import annotations

import msgspec
from for_each import for_each

from pfnlab.diagnosis.messages.cases import possible
from pfnlab.diagnosis.messages.explaining import explain_line
from pfnlab.diagnosis.messages.family_files import Advice, families
from pfnlab.diagnosis.messages.kernel_said import KernelSaid
from pfnlab.diagnosis.messages.message_event import MessageEvent
from pfnlab.kernel.bugs.here import bugs_here

DRIVER_TRACE = "Call Trace:\n acme_fault+0x44/0x90 [acme]\n"
BAD_PAGE = (
    "BUG: Bad page map in process acmed  pte:{pte} pmd:23456067\n"
    "addr:00007e1200000000 vm_flags:{flags} anon_vma:0000000000000000 mapping:ffff888200000000 index:4\n"
    "file:acme0 fault:acme_fault [acme] mmap:acme_mmap [acme] read_folio:0x0\n"
)
CONFLICT = (
    "x86/PAT: {comm}:411 conflicting memory types c0000000-c8000000 {there}<->uncached-minus\n"
    "x86/PAT: memtype_reserve failed [mem 0xc0000000-0xc7ffffff], track uncached-minus, req uncached-minus\n"
)


def events(text: str, kernel: str = "") -> tuple[MessageEvent, ...]:
    """The events of a text."""
    return explain_line(text, kernel=kernel or None).events


def read(text: str, kernel: str = "") -> list[tuple[str, str, str]]:
    """Family, verdict and title of each event."""
    return [(one.family.name, one.family.verdict.value, one.family.title) for one in events(text, kernel)]


@for_each(
    "name",
    [
        "ast",
        "mlx4_core",
        "xhci_hcd",
        "my-driver",
        "MSFT0A01:00",
        "Graphics Stolen Memory",
        "simple-framebuffer.0",
    ],
)
def test_any_name_below_a_bar_is_its_claimant(name: str) -> None:
    """No list of names decides who holds a BAR."""
    table = f"a0000000-a3ffffff : 0000:41:00.0\n  a0100000-a01fffff : {name}\n"

    [event] = events(table)

    assert (2, "0000:41:00.0", name) == (event.count, event.device, event.holder)


@for_each(
    "name, verdict",
    [("simpledrm", "look here"), ("efifb", "look here"), ("nvme", "harmless"), ("vfio-pci", "harmless")],
)
def test_only_the_screen_of_the_firmware_is_in_the_way_of_a_bar(name: str, verdict: str) -> None:
    """A driver that holds its own device is what a healthy machine has."""
    table = f"a0000000-a3ffffff : 0000:41:00.0\n  a0000000-a01fffff : {name}\n"

    [event] = events(table)

    assert verdict == event.family.verdict.value


@for_each(
    "row",
    [
        "100000000-17fffffff : System RAM",
        "c0000000-cfffffff : PCI Bus 0000:40",
        "a0000000-a3ffffff : 0000:41:00.0",
    ],
)
def test_a_table_without_a_claim_has_nothing_in_the_way(row: str) -> None:
    """The name of its first row is none of the whole table."""
    [event] = events(f"{row}\n")

    assert (1, None) == (event.count, event.holder)


@for_each("function", ["remap_pfn_range_internal", "remap_pfn_range_notrack"])
def test_an_assertion_of_the_lock_in_remap_is_one_event(function: str) -> None:
    """Its RIP line is no second one: nothing stopped."""
    text = (
        f"WARNING: CPU: 3 PID: 812 at include/linux/mmap_lock.h:71 {function}+0x51/0x600\n"
        "CPU: 3 UID: 0 PID: 812 Comm: acmed Tainted: G           O        6.14.2 #4\n"
        f"RIP: 0010:{function}+0x51/0x600\n{DRIVER_TRACE}"
    )

    assert [("warn_lock", "6.14.2")] == [
        (event.family.name, boot.kernel.version) for boot in explain_line(text).boots for event in boot.events
    ]


@for_each(
    "function, title",
    [
        ("vmf_insert_pfn", "A driver inserted a page frame where it must not"),
        ("remap_pfn_range_notrack", "A driver remapped over entries"),
    ],
)
def test_the_rip_of_a_bug_in_memory_says_which_check_it_is(function: str, title: str) -> None:
    """Inserting and remapping stop for different reasons, and both stay loud."""
    text = f"kernel BUG at mm/memory.c:1987!\nRIP: 0010:{function}+0x12c/0x2f0\n{DRIVER_TRACE}"

    [found] = read(text)

    assert ("bug_memory", "look here", True) == (*found[:2], found[2].startswith(title))


@for_each(
    "line, verdict",
    [
        (
            "qemu: vfio_container_dma_map(0x55e000000000, 0xc0000, 0x20000, 0x7f12) = -14 (Bad address)",
            "look here",
        ),
        ("kvm: vfio_dma_map(0x55e000000000, 0x40000000, 0x20000, 0x7f12) = -14 (Bad address)", "look here"),
        ("kvm: vfio_dma_map(0x55e000000000, 0xfe800000, 0x4000, 0x7f12) = -14 (Bad address)", "harmless"),
        ("kvm: vfio_dma_map(0x55e000000000, 0x382000000000, 0x4000, 0x7f12) = -14 (Bad address)", "harmless"),
        ("kvm: vfio_dma_map(0x55e000000000, 0x1c0000000, 0x4000, 0x7f12) = -14 (Bad address)", "depends"),
        (
            "kvm: vfio_dma_map(0x55e000000000, 0x1c0000000, 0x4000, 0x7f12) = -17 (File exists)",
            "another subject",
        ),
        ("qemu-system-x86_64: VFIO_MAP_DMA failed: File exists", "another subject"),
        ("Boot(Vfio(IommuDmaMap(Error(14))))", "depends"),
    ],
)
def test_an_address_of_a_guest_tells_ram_from_a_bar(line: str, verdict: str) -> None:
    """RAM without pages stops a guest, a BAR only keeps devices apart, and in between nothing says which."""
    assert [("vfio_bar_not_mapped", verdict)] == [found[:2] for found in read(line)]


@for_each(
    "comm, there, has_p01",
    [
        ("CPU 12/KVM", "write-combining", True),
        ("qemu-system-x86", "write-combining", True),
        ("Xorg", "write-combining", False),
        ("CPU", "write-combining", False),
    ],
)
def test_a_conflict_of_a_virtual_processor_is_one_of_vfio(comm: str, there: str, has_p01: bool) -> None:
    """Its comm says so; the conflict of any other task keeps its own meaning, as loud as before."""
    [event] = events(CONFLICT.format(comm=comm, there=there))

    assert (has_p01, "look here") == ("P01" in event.family.bugs, event.family.verdict.value)


@for_each(
    "frames, bug",
    [
        (("lookup_memtype", "track_pfn_insert", "vmf_insert_pfn", "vfio_pci_mmap_fault"), "P06"),
        (("memtype_lookup", "track_pfn_insert", "vfio_pci_mmap_huge_fault"), "P06"),
        (("remap_pfn_range", "io_remap_pfn_range", "vfio_pci_mmap_fault"), "E11"),
    ],
)
def test_a_trace_is_known_by_its_functions(frames: tuple[str, ...], bug: str) -> None:
    """Whatever the first line of the report was, it is one event."""
    trace = "".join(f"[  812.52{at}]  {name}+0x{at}1/0x90\n" for at, name in enumerate(frames))

    [event] = events(f"[  812.5] watchdog: acme: something happened\n{trace}")

    assert ("trace", True) == (event.family.name, bug in event.family.bugs)


@for_each(
    "trace",
    [
        " remap_pfn_range+0x10/0x90\n acme_mmap+0x20/0x40 [acme]\n",
        " vfio_pci_mmap_fault+0x20/0x40 [vfio_pci]\n handle_mm_fault+0x10/0x20\n",
        " lookup_memtype\n track_pfn_insert\n vfio_pci_mmap_fault\n",
    ],
)
def test_functions_that_together_say_nothing_are_no_event(trace: str) -> None:
    """A driver's healthy frames, or names without an offset, are not reported."""
    assert [] == read(trace)


@for_each("place", ["arch/x86/mm/pat.c:512", "arch/x86/mm/pat_rbtree.c:91", "arch/x86/mm/pat/memtype.c:733"])
def test_a_bug_in_the_memtype_list_is_known(place: str) -> None:
    """Wherever the file lay."""
    assert [("bug_memtype", "look here")] == [found[:2] for found in read(f"kernel BUG at {place}!")]


@for_each(
    "flags, pte, verdict, title",
    [
        ("1c0444bb", "80000000c8000227", "look here", "An entry does not fit the mapping of a driver"),
        ("140644fb", "80000000c8000227", "look here", "An entry does not fit the mapping of a driver"),
        ("08100073", "80000000c8000227", "another subject", "A page-table entry is not valid"),
    ],
)
def test_the_flags_of_a_bad_page_decide_the_subject(flags: str, pte: str, verdict: str, title: str) -> None:
    """VM_PFNMAP or VM_MIXEDMAP is a driver's mapping; nothing else is of this subject."""
    assert [("bad_page_map", verdict, title)] == read(BAD_PAGE.format(flags=flags, pte=pte))


def test_a_bad_page_without_flags_stays_open() -> None:
    """The line alone decides nothing."""
    line = BAD_PAGE.format(flags="", pte="8000000012345067").partition("\n")[0]

    assert [("bad_page_map", "depends")] == [found[:2] for found in read(line)]


@for_each(
    "wanted, got, is_fork",
    [
        ("write-through", "uncached-minus", True),
        ("write-combining", "uncached-minus", True),
        ("write-back", "uncached-minus", True),
        ("uncached-minus", "write-back", False),
        ("write-through", "write-combining", False),
        ("write-combining", "write-back", False),
    ],
)
def test_a_pair_that_mmap_accepts_was_refused_by_fork(wanted: str, got: str, is_fork: bool) -> None:
    """Only fork is strict; what mmap itself refuses is still its failure."""
    line = (
        f"x86/PAT: acmed:9 map pfn expected mapping type {wanted} for [mem 0xc8000000-0xc8000fff], got {got}"
    )

    [event] = events(line)

    assert (is_fork, "look here") == ("copy" in event.family.title, event.family.verdict.value)


@for_each(
    "asked, given, verdict",
    [("write-combining", "uncached-minus", "look here"), ("write-combining", "write-combining", "harmless")],
)
def test_write_combining_that_was_not_given_is_told(asked: str, given: str, verdict: str) -> None:
    """A reservation as it was asked for is none of anybody's worries."""
    line = (
        f"x86/PAT: memtype_reserve added [mem 0xd0300000-0xd03fffff], track {given}, req {asked}, ret {given}"
    )

    assert [verdict] == [event.family.verdict.value for event in events(line)]


@for_each(
    "numbers, has_c05",
    [("0xfffffffff000-0xffffffffffffffff", True), ("0xffffffffe0000-0x00001fff", False)],
)
def test_only_a_range_up_to_the_last_address_is_cut_to_nothing(numbers: str, has_c05: bool) -> None:
    """Any other range that ends before it begins is the driver's own mistake."""
    [event] = events(f"memtype_reserve failed: [mem {numbers}], req uncached-minus")

    assert ("reserve_empty", has_c05) == (event.family.name, "C05" in event.family.bugs)


@for_each("kernel, has_a06", [("6.12.4", True), ("6.18.1", False), ("", True)])
def test_what_a_kernel_rules_out_is_not_said(kernel: str, has_a06: bool) -> None:
    """Neither its bugs, nor programs that print nothing there, nor the remedy that it has already."""
    line = "x86/PAT: acmed:9 freeing invalid memtype [mem 0xd0304000-0xd0307fff]"

    [event] = events(line, kernel)

    known = event.family
    assert (has_a06,) * 3 == (
        "A06" in [bug.id for bug in bugs_here(kernel, event.bugs)],
        bool(known.programs),
        any("6.16" in one.do for one in known.advice),
    )


@for_each(
    "kernel, expected",
    [
        (KernelSaid("6.9.3"), True),
        (KernelSaid("6.10.0-rc1"), False),
        (KernelSaid(since="6.12"), False),
        (KernelSaid(until="6.1"), True),
        (KernelSaid(), True),
        (KernelSaid("no version"), True),
    ],
)
def test_advice_for_older_kernels_is_dropped_only_if_it_is_ruled_out(
    kernel: KernelSaid, expected: bool
) -> None:
    """A kernel that nobody knows keeps all of it."""
    advice = Advice("Use a newer kernel.", "A new kernel.", until="6.9")

    family = possible(msgspec.structs.replace(families()[0], advice=(advice,), remedies=()), kernel)

    assert expected == (family.advice == (advice,))


@for_each(
    "line, errno, way",
    [
        ("hexdump: /dev/mem: Bad address", "EFAULT", "devmem"),
        ("cannot open /dev/mem (Permission denied)", "EACCES", "devmem"),
        ("mytool: mmap of /dev/mem at 0xfed40000: Operation not permitted", "EPERM", "devmem"),
        ("devmem2: mmap: Invalid argument", "EINVAL", "devmem"),
        (
            "acme: /sys/bus/pci/devices/0000:41:00.0/resource2_wc: No such file or directory",
            "ENOENT",
            "resource_wc",
        ),
        ("Could not open '/dev/vfio/41': Device or resource busy", "EBUSY", "vfio_open"),
        (
            "EAL: pci_map_resource(): cannot mmap(31, 0x7e0000000000, 0x2000, 0x0): Invalid argument (0x0)",
            "EINVAL",
            "resource",
        ),
        ("VFIO error: Failure during vcpu run: Bad address (os error 14)", "EFAULT", "kvm_run"),
    ],
)
def test_a_failed_call_on_a_device_file_has_the_causes_of_its_errno(line: str, errno: str, way: str) -> None:
    """Whichever program words it."""
    assert [(errno, way)] == [(event.errno, event.way) for event in events(line)]


@for_each(
    "line",
    [
        "cat: /etc/shadow: Permission denied",
        "acme: mmap: Cannot allocate memory",
        "ls: cannot access '/dev/memory': No such file or directory",
        "opened /dev/mem",
        'openat(AT_FDCWD, "/dev/mem", O_RDWR) = 3',
        "acme: /srv/resources/resource_list: No such file or directory",
        "IOError: [Errno 2] No such file or directory",
    ],
)
def test_a_failed_call_on_anything_else_is_no_event(line: str) -> None:
    """Nor is a device file that nobody failed to use."""
    assert [] == read(line)


@for_each("call", ["mmap", "mmap2"])
def test_a_failed_mmap_is_one_of_the_file_its_number_names(call: str) -> None:
    """strace prints the file in the line that opened it."""
    text = (
        'openat(AT_FDCWD, "/sys/bus/pci/devices/0000:41:00.0/resource2", O_RDWR|O_SYNC) = 7\n'
        f"{call}(NULL, 16384, PROT_READ|PROT_WRITE, MAP_SHARED, 7, 0x40) = -1 EINVAL (Invalid argument)\n"
    )

    assert [("EINVAL", "resource")] == [(event.errno, event.way) for event in events(text)]


def test_a_failed_mmap_of_another_file_is_not_of_the_device_file() -> None:
    """Their numbers differ."""
    text = (
        'openat(AT_FDCWD, "/sys/bus/pci/devices/0000:41:00.0/resource2", O_RDWR|O_SYNC) = 7\n'
        "mmap(NULL, 16384, PROT_READ, MAP_SHARED, 9, 0) = -1 EINVAL (Invalid argument)\n"
    )

    assert [] == read(text)


def test_an_open_of_dev_mem_is_not_refused_for_its_range() -> None:
    """STRICT_DEVMEM lets a program open it; mmap and read are refused otherwise."""
    opened = "devtool: cannot open /dev/mem: Operation not permitted"
    mapped = "devtool: cannot mmap /dev/mem: Operation not permitted"

    assert ["devmem_open", "devmem"] == [events(text)[0].way for text in (opened, mapped)]


def test_an_enterprise_kernel_may_have_features_of_later_releases() -> None:
    """Its number is a lower bound: nothing is ruled out by the release it began with."""
    frozen, plain = "4.18.0-553.16.1.el8_10.x86_64", "4.18.20"

    assert [None, False] == [KernelSaid(version).within("5.15", "") for version in (frozen, plain)]
    assert [True, True] == [KernelSaid(version).within("4.10", "") for version in (frozen, plain)]
    assert [None, True] == [KernelSaid(version).within("", "5.14") for version in (frozen, plain)]
