"""Facts of a boot: their memory is bounded, and devices come up or give up in the words of drivers."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.diagnosis.messages import boot_facts
from pfnlab.diagnosis.messages.boot_facts import came_up, probe_failed
from pfnlab.diagnosis.messages.explaining import explain, explain_line

WORKS = {
    "[drm] Initialized xe 1.1.0 20201103 for 0000:03:00.0 on minor 1": "0000:03:00.0",
    "bnxt_en 0000:18:00.1 eno2np1: NIC Link is Up, 25000 Mbps": "0000:18:00.1",
    "hwmon fe200000.adc: registered as hwmon3": "fe200000.adc",
    "bnxt_en 0000:18:00.1 eno2np1: NIC Link is Down": None,
    "foo fe200000.adc: not registered": None,
    "foo fe200000.adc: failed to get link up": None,
    "usbcore: registered new interface driver usbfs": None,
}


@for_each("line, device", WORKS.items())
def test_a_device_comes_up(line: str, device: str | None) -> None:
    """In the words of its driver; a driver alone is no device."""
    assert device == came_up(line)


GAVE_UP = {
    "foo: probe of fe200000.adc failed with error -16": "fe200000.adc",
    "foo 0000:05:00.0: probe with driver foo failed with error -16": "0000:05:00.0",
    "foo 0000:05:00.0: probe deferral": None,
}


@for_each("line, device", GAVE_UP.items())
def test_a_driver_gives_up(line: str, device: str | None) -> None:
    """In the wordings of old and new kernels."""
    assert device == probe_failed(line)


def bridges(count: int) -> list[bytes]:
    """A log that names many bridges, and at its end a BAR without addresses."""
    lines = [f"pci {at:04x}:00:00.0: PCI bridge to [bus 01]\n".encode() for at in range(count)]
    return [*lines, b"pci 0000:09:00.0: BAR 0 [mem size 0x1000]: failed to assign\n"]


def test_what_is_forgotten_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bridge is no bridge any more where too many follow."""
    monkeypatch.setattr(boot_facts, "MOST_DEVICES", 40)

    few, many = explain(bridges(40)), explain(bridges(41))

    assert [0, 1] == [len(found.events[0].unsure) for found in (few, many)]


PLACES = {
    "pci 0000:41:00.0: reg 0x1c: [mem 0xd1000000-0xd1ffffff 64bit pref]": "BAR 3 of 0000:41:00.0",
    "pci 0000:41:00.0: BAR 1 [mem 0xd1000000-0xd1ffffff]": "BAR 1 of 0000:41:00.0",
    "pci 0000:41:00.0: BAR 1 [mem 0xd1000000-0xd1ffffff]: assigned": "BAR 1 of 0000:41:00.0",
    "pci 0000:41:00.0: BAR 1: assigned [mem 0xd1000000-0xd1ffffff]": "BAR 1 of 0000:41:00.0",
    "pci 0000:41:00.0: BAR 1 [mem 0xd1000000-0xd1ffffff]: can't claim; no compatible bridge window": None,
    "pci 0000:41:00.0: reg 0x30: [mem 0xd1000000-0xd1ffffff pref]": None,
    "pci 0000:41:00.0: BAR 1 [mem 0xc1000000-0xc1ffffff]": None,
}
FREED = "x86/PAT: tool:31 freeing invalid memtype [mem 0xd1002000-0xd1002fff]"


@for_each("line, place", PLACES.items())
def test_a_range_is_named_by_the_bar_that_contains_it(line: str, place: str | None) -> None:
    """In the wordings of old and new kernels; a ROM, another BAR and one that was not claimed are not it."""
    event = explain_line(f"{line}\n{FREED}").events[-1]

    assert (place or "", place and "0000:41:00.0") == (event.rows[0].name, event.device)


def test_a_bar_of_a_pasted_list_names_a_range_too() -> None:
    """lspci and /proc/iomem say whose it is."""
    region = "Region 3: Memory at d1000000 (64-bit, prefetchable) [size=16M]"
    lspci = f"41:00.0 VGA compatible controller: Foo\n\t{region}"
    iomem = "d0000000-dfffffff : PCI Bus 0000:41\n  d1000000-d1ffffff : 0000:41:00.0"

    devices = [explain_line(f"{text}\n{FREED}").events[-1].device for text in (lspci, iomem)]

    assert ["41:00.0", "0000:41:00.0"] == devices


LSMOD = (
    "Module                  Size  Used by\n"
    "nouveau              2433024  3\n"
    "snd_hda_intel          61440  1\n"
)


def test_loaded_modules_are_named_where_they_may_hold_a_range() -> None:
    """They are no event; a sound card's driver is none of them."""
    assert () == explain_line(LSMOD).events
    (event,) = explain_line(LSMOD + FREED).events
    assert ("Loaded modules that map device memory: nouveau.",) == event.notes


def test_a_module_with_digits_in_its_name_is_named_too() -> None:
    """Its row is found in the text like any other."""
    (event,) = explain_line(LSMOD.replace("nouveau", "i915   ") + FREED).events

    assert ("Loaded modules that map device memory: i915.",) == event.notes
    (alone,) = explain_line(FREED).events
    assert () == alone.notes


TRACE = (
    "WARNING: CPU: 2 PID: 41 at arch/x86/mm/pat/memtype.c:1080 untrack_pfn+0x99/0xb0\n"
    "Modules linked in: {modules}\n"
    "CPU: 2 PID: 41 Comm: tool {taint} 6.6.13 #1\n"
)
TAINTS = {
    ("acme(PO) ext4", "Tainted: P           O"): (
        "Tainted by acme (proprietary): reproduce without it before you report.",
    ),
    ("ext4", "Tainted: G        W"): (
        "The kernel had warned before (W): the first warning of the boot is the one to read.",
    ),
    ("ext4", "Tainted: G           O"): (
        "Tainted by out-of-tree module: reproduce without it before you report.",
    ),
    ("ext4", "Not tainted"): (),
}


@for_each("lines, notes", TAINTS.items())
def test_a_trace_says_what_taints_the_kernel(lines: tuple[str, str], notes: tuple[str, ...]) -> None:
    """By the flags of modules, or by the letters alone."""
    modules, taint = lines
    (event,) = explain_line(TRACE.format(modules=modules, taint=taint)).events

    assert notes == event.notes
