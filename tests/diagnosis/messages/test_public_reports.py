"""Kinds of public reports that were useless or wrong at first sight, and what only looks like them."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.messages.explaining import explain_line
from pfnlab.diagnosis.messages.message_event import MessageEvent

LOCK = "WARNING: CPU: 3 PID: 810 at include/linux/{file}.h:{line} {function}+0x70/0x90"
TASK = "CPU: 3 UID: 0 PID: 810 Comm: camd Tainted: G           O       6.12.9 #1"
UNLOCKED = "A driver looked up a mapping without mmap_lock"
FAULT = "BUG: unable to handle page fault for address: ffffc90000401000\n#PF: error_code({code}) - {why}\n"
NOPAT = "x86/PAT: PAT support disabled via boot option.\nx86/PAT: Configuration [0-7]: {slots}"
XEN, ALONE = "WB  WT  UC- UC  WC  WP  UC  UC", "WB  WT  UC- UC  WB  WT  UC- UC"
REGION = "NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:\n"
LOST = "pci 0000:41:00.0: BAR 4 [mem size 0x00100000]: can't assign; no space"
GAVE_UP = "acmedrm: probe of {device} failed with error -12"
#: Lines, and the titles and verdicts of their events.
KINDS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "a lookup without the lock": (
        LOCK.format(file="rwsem", line=85, function="find_vma_prev"),
        [(UNLOCKED, "look here")],
    ),
    "a walk without the lock": (
        LOCK.format(file="mmap_lock", line=65, function="walk_page_range"),
        [(UNLOCKED, "look here")],
    ),
    "a remap without the lock for writing": (
        LOCK.format(file="rwsem", line=85, function="remap_pfn_range_internal"),
        [("A mapping's flags were changed without the lock for writing", "look here")],
    ),
    "another lock": (LOCK.format(file="rwsem", line=85, function="kernfs_get_open_node"), []),
    "an assertion that stops": (
        "kernel BUG at include/linux/mmap_lock.h:141!",
        [(UNLOCKED, "look here")],
    ),
    "an entry beyond the processor": (
        FAULT.format(code="0x0009", why="reserved bit violation"),
        [("A page-table entry has an address that the processor does not have", "look here")],
    ),
    "a fault of another kind": (FAULT.format(code="0x0002", why="not-present page"), []),
    "nopat under Xen": (
        NOPAT.format(slots=XEN),
        [("The kernel's PAT code is off, and Xen's layout has write-combining", "look here")],
    ),
    "nopat elsewhere": (NOPAT.format(slots=ALONE), [("A boot option turned PAT off", "look here")]),
    "a BAR of nothing": (
        f"{REGION}NVRM: BAR1 is 0M @ 0x0 (PCI:0000:41:00.0)",
        [("NVIDIA's driver finds a BAR without an address", "look here")],
    ),
    "a BAR of another kind": (
        f"{REGION}NVRM: BAR1 is 256M @ 0xd0000000 (PCI:0000:41:00.0)",
        [("NVIDIA's driver does not get its BAR", "look here")],
    ),
    "a driver without its BAR": (
        f"{LOST}\n{GAVE_UP.format(device='0000:41:00.0')}",
        [("A BAR has no addresses", "look here")],
    ),
    "a driver of another device": (
        f"{LOST}\n{GAVE_UP.format(device='0000:42:00.0')}",
        [
            ("A BAR has no addresses", "look here"),
            ("A driver got no memory, or no mapping, for a device", "depends"),
        ],
    ),
    "stolen memory": (
        "i915 0000:00:02.0: [drm] *ERROR* conflict detected with stolen region: [mem 0x8c800000-0x8fffffff]",
        [("The GPU's stolen memory overlaps another range", "depends")],
    ),
    "a group in use": (
        "monitor: cannot open /dev/vfio/22: Device or resource busy",
        [("A program could not open the file of a VFIO group or device", "depends")],
    ),
    "a mapping of a group in use": (
        "monitor: mmap of /dev/vfio/22: Device or resource busy",
        [("A call that maps physical memory failed", "depends")],
    ),
    "an early mapping": (
        "ioremap() called early from board_setup+0x40/0x100. Use early_ioremap() instead",
        [("The platform's code maps registers early", "harmless")],
    ),
}


def told(text: str) -> tuple[MessageEvent, ...]:
    """The events of a text."""
    return explain_line(text).events


@for_each(("text", "expected"), KINDS.values(), ids=list(KINDS))
def test_a_kind_of_report_is_told(text: str, expected: list[tuple[str, str]]) -> None:
    """One cause is one event; what looks like it and is another stays what it is."""
    assert expected == [(one.family.title, one.family.verdict.value) for one in told(text)]


def test_the_task_of_a_walk_is_named() -> None:
    """It stands below the warning."""
    (event,) = told(f"{LOCK.format(file='rwsem', line=85, function='find_vma')}\n{TASK}")

    assert ("camd", 810) == (event.comm, event.pid)


def test_a_bar_of_nothing_names_its_device() -> None:
    """It stands in the line after the complaint."""
    (event,) = told(f"{REGION}NVRM: BAR1 is 0M @ 0x0 (PCI:0000:41:00.0)")

    assert "0000:41:00.0" == event.device
