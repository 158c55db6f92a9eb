"""Kernel log lines in normal form."""

from __future__ import annotations

from for_each import for_each

from pfnlab.base.units import PfnRange
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Op
from pfnlab.programs.runs.kmsg import in_known_order, is_anybody, normalise, once_message
from pfnlab.programs.runs.places import Places

PLACES = Places(devices={"bar": PfnRange(0xF8000, 0xF8010)})
WHO = {"main": "main", "77": "child"}


def norm(line: str, anonymous: bool = False) -> str | None:
    """The line as a step of the program PLACES and WHO belong to says it."""
    return normalise(line, PLACES, WHO, anonymous)


def test_an_inclusive_range_becomes_device_pages() -> None:
    """[mem a-b] ends with its last byte; device pages end after the last one."""
    line = "x86/PAT: main:123 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"

    assert norm(line) == "x86/PAT: main freeing invalid memtype bar[4:8]"


def test_types_prints_an_exclusive_end() -> None:
    """The range after `types` is bare hex whose end is not included."""
    line = "x86/PAT: main:1 conflicting memory types f8002000-f8006000 uncached-minus<->write-combining"

    assert norm(line) == "x86/PAT: main conflicting memory types bar[2:6] uncached-minus<->write-combining"


def test_a_range_outside_all_devices_is_not_said() -> None:
    """Which page of ordinary memory was hit differs from run to run."""
    line = "x86/PAT: main:9 map pfn RAM range req uncached for [mem 0x9a56000-0x9a56fff], got write-back"

    assert norm(line) == "x86/PAT: main map pfn RAM range req uncached for RANGE, got write-back"


def test_a_line_without_a_task_keeps_its_words() -> None:
    """The line that follows a conflict names no task."""
    line = "x86/PAT: memtype_reserve failed [mem 0xf8002000-0xf8005fff], track write-back, req write-back"

    assert norm(line) == "x86/PAT: memtype_reserve failed bar[2:6], track write-back, req write-back"


def test_a_pid_names_a_task_before_its_comm_does() -> None:
    """After exec a task has another comm; its pid still says who it is."""
    assert (
        norm("x86/PAT: exe:77 freeing invalid memtype [mem 0xf8000000-0xf8000fff]")
        == "x86/PAT: child freeing invalid memtype bar[0:1]"
    )


def test_a_stranger_keeps_its_comm() -> None:
    """A process that is no task of the program is named by its comm, without its pid."""
    assert (
        norm("x86/PAT: init:1 freeing invalid memtype [mem 0xf8000000-0xf8000fff]")
        == "x86/PAT: init:PID freeing invalid memtype bar[0:1]"
    )


def test_at_the_end_of_an_address_space_nobody_is_named() -> None:
    """Whoever drops the last reference tears an address space down, so the name says nothing."""
    line = "x86/PAT: init:1 freeing invalid memtype [mem 0xf8000000-0xf8000fff]"

    assert norm(line, anonymous=True) == "x86/PAT: * freeing invalid memtype bar[0:1]"


def test_the_old_warning_keeps_only_its_file() -> None:
    """CPU, pid, line number and function offset of a warning are dropped."""
    line = "WARNING: CPU: 0 PID: 84 at arch/x86/mm/pat/memtype.c:1028 untrack_pfn+0x1b3/0x1c0"

    assert norm(line) == "WARNING at arch/x86/mm/pat/memtype.c"


def test_the_new_warning_reads_the_same() -> None:
    """Newer kernels print file, function and CPU in another order."""
    line = "WARNING: arch/x86/mm/ioremap.c:216 at __ioremap_caller+0x2f0/0x310, CPU#0: main/84"

    assert norm(line) == "WARNING at arch/x86/mm/ioremap.c"


def test_a_pid_in_brackets_goes_away() -> None:
    """Messages that print `comm (pid)` name the task alone."""
    line = "mmap: main (84) uses deprecated remap_file_pages() syscall. See Documentation."

    assert norm(line) == "mmap: main uses deprecated remap_file_pages() syscall. See Documentation."


def test_overcommit_names_the_task() -> None:
    """The overcommit message carries pid and comm apart; how much was asked for is left out."""
    line = "__vm_enough_memory: pid: 84, comm: main, bytes: 16384 not enough memory for the allocation"

    assert norm(line) == "__vm_enough_memory: main, bytes: N not enough memory for the allocation"


@for_each(
    "line",
    [
        "",
        "tsc: Refined TSC clocksource calibration: 2000.0 MHz",
        "clocksource: tsc: mask: 0xffffffffffffffff",
        "random: crng init done",
        "input: AT Translated Set 2 keyboard",
        "pci 0000:00:10.0: enabling device",
        "pfnlab 0000:00:10.0: BAR 2: can't reserve [mem 0xe0000000-0xefffffff 64bit pref]",
        "pfnlab: probe of 0000:00:10.0 failed with error -16",
        "pfnlab 0000:01:00.0: probe with driver pfnlab failed with error -16",
        "clk: Disabling unused clocks",
        "ata1: SATA max UDMA/133",
        "Freeing unused kernel image memory",
        "vfio-pci 0000:00:10.0: resetting",
        "vfio-pci 0000:00:10.0: reset done",
        "ACPI: \\_SB_.GSIE: Enabled at IRQ 20",
        "------------[ cut here ]------------",
        "---[ end trace 0000000000000000 ]---",
        "Modules linked in: vfio vfio_pci",
        "CPU: 0 PID: 84 Comm: main Not tainted 6.1.0-56-cloud-amd64 #1  Debian 6.1.192-1",
        "Hardware name: QEMU Standard PC (Q35 + ICH9, 2009)",
        "RIP: 0010:untrack_pfn+0x1b3/0x1c0",
        "RAX: 0000000000000000 RBX: 0000000000000000 RCX: 0000000000000000",
        "R10: 0000000000000000 R11: 0000000000000000 R12: 0000000000000000",
        "Call Trace:",
        " <TASK>",
        " ? __warn+0x7d/0xc0",
        " do_syscall_64+0x58/0xc0",
        " </TASK>",
    ],
)
def test_noise_and_dumps_are_no_observation(line: str) -> None:
    """Timers, devices, register dumps and traces say nothing about a program."""
    assert norm(line) is None


def test_a_normal_line_does_not_change_when_normalised_again() -> None:
    """The normal form is a fixed point, so models may write it directly."""
    line = "x86/PAT: main freeing invalid memtype bar[4:8]"

    assert line == norm(line)


def test_once_lines_are_known_without_their_task() -> None:
    """What is spent for a whole boot is the message, whoever triggered it."""
    line = "child: attempted to duplicate a private mapping with mremap.  This is not supported."

    assert once_message(line)
    assert once_message(line) == "attempted to duplicate a private mapping with mremap"


def test_warnings_count_as_once() -> None:
    """Every warning these programs reach is a WARN_ON_ONCE."""
    assert once_message("WARNING at arch/x86/mm/pat/memtype.c")


def test_ordinary_lines_are_not_once() -> None:
    """A book message is printed each time."""
    assert not once_message("x86/PAT: main freeing invalid memtype bar[4:8]")


def test_what_is_limited_in_rate_counts_as_once() -> None:
    """Whether such a line is printed depends on what ran before; that some were left out is no line."""
    assert once_message(
        "__vm_enough_memory: pid: PID, comm: main, bytes: N not enough memory for the allocation"
    )
    assert norm("__vm_enough_memory: 20 callbacks suppressed") is None


def test_how_long_something_took_is_the_machines() -> None:
    """A number of milliseconds differs from run to run."""
    line = "memmap_init_zone_device initialised 512 pages in {}ms"

    assert line.format("N") == norm(line.format(0)) == norm(line.format(12))


@for_each(
    ("line", "said"),
    [
        (
            "resource: resource sanity check: requesting [mem 0xf8000000-0xf8003fff], which spans more than "
            "PCI Bus 0000:00 [mem 0x000a0000-0x000bffff window]",
            "resource: resource sanity check: requesting bar[0:4], which spans more than a resource",
        ),
        (
            "caller kernel_request+0x505/0x5c9 [pfnlab_driver] mapping multiple BARs",
            "caller CODE mapping multiple BARs",
        ),
    ],
)
def test_a_range_that_leaves_a_resource(line: str, said: str) -> None:
    """Which resource it is, and which code asked, is the machine's own."""
    assert said == normalise(line, PLACES, {}, False)


OPS = load_text(
    "pfnlab program 1\ndevice bar: pci, 16 pages\na = mmap bar[0:8] wc shared rw\nt = thread\n"
    "munmap a[0]\nt: munmap a[1]\nexit\n"
).ops


@for_each(
    ("ended", "anybody"),
    [(OPS[2:3], False), (OPS[2:4], True), (OPS[4:], True), ((), False)],
)
def test_who_logged_a_line_is_known_of_one_operation(ended: tuple[Op, ...], anybody: bool) -> None:
    """One operation logs as its task, unless it may tear an address space down; several do not."""
    assert anybody == is_anybody(ended)


@for_each(
    ("ended", "known"), [(OPS[2:3], (("b", "a"), ("info", "err"))), (OPS[2:4], (("a", "b"), ("err", "info")))]
)
def test_the_order_of_lines_is_known_of_one_operation(
    ended: tuple[Op, ...], known: tuple[tuple[str, ...], ...]
) -> None:
    """The lines of several operations are sorted, each with its level."""
    assert known == in_known_order([("b", "info"), ("a", "err")], ended)
