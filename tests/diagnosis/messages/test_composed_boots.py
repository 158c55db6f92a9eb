"""Boots composed of messages: a failure with a later success is over, any other is to be reviewed."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.diagnosis.messages.explaining import explain_line
from pfnlab.diagnosis.messages.family_files import FamilyVerdict
from pfnlab.diagnosis.messages.message_event import MessageEvent

#: Failures to give a BAR addresses, and successes, as kernels of all ages word them.
FAILURES = (
    "pci {device}: BAR {bar}: no space for [mem size {size:#010x} 64bit pref]",
    "pci {device}: BAR {bar}: failed to assign [mem size {size:#010x} 64bit pref]",
    "pci {device}: BAR {bar}: can't assign mem pref (size {size:#x})",
    "pci {device}: BAR {bar} [mem size {size:#010x} 64bit]: can't assign; no space",
    "pci {device}: BAR {bar} [mem size {size:#010x} 64bit]: failed to assign",
    "pci {device}: BAR {bar} [mem {start:#010x}-{last:#010x}]: can't claim; no compatible bridge window",
    "pci {device}: can't claim BAR {bar} [mem {start:#010x}-{last:#010x}]: no compatible bridge window",
    "pci {device}: no compatible bridge window for [mem {start:#010x}-{last:#010x}]",
)
SUCCESSES = (
    "pci {device}: BAR {bar}: assigned [mem {start:#010x}-{last:#010x} 64bit pref]",
    "pci {device}: BAR {bar} [mem {start:#010x}-{last:#010x} 64bit pref]: assigned",
)
#: Lines that every boot has, and failures that no mapping has to do with.
NOISE = (
    "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT",
    "MTRR variable ranges enabled:",
    "e820: reserve RAM buffer [mem 0x3ffdb000-0x3fffffff]",
    "pci 0000:00:1d.3: bridge window [io  size 0x1000]: can't assign; no space",
    "pci 0000:00:1d.3: BAR 13: no space for [io  size 0x1000]",
    "pci 0000:0a:00.1: BAR 6: failed to assign [mem size 0x00040000 pref]",
    "pci 0000:0a:00.1: ROM [mem size 0x00040000 pref]: can't assign; no space",
    "VFIO - User Level meta-driver version: 0.3",
    "Lockdown: systemd: /dev/mem,kmem,port is restricted; see man kernel_lockdown.7",
    "usb 1-1: new high-speed USB device number 2",
)


class Bar(NamedTuple):
    """A BAR of a boot: its failures, whether it is assigned at the end, and how it is worded."""

    device: str
    bar: int
    failures: tuple[str, ...]
    success: str | None
    start: int


@st.composite
def bars(draw: st.DrawFn) -> list[Bar]:
    """Some BARs, no two of one device: each is known by its device alone."""
    buses = draw(st.lists(st.integers(1, 200), min_size=1, max_size=5, unique=True))
    return [
        Bar(
            f"0000:{bus:02x}:00.{draw(st.integers(0, 7))}",
            draw(st.integers(0, 5)),
            tuple(draw(st.lists(st.sampled_from(FAILURES), min_size=1, max_size=3))),
            draw(st.none() | st.sampled_from(SUCCESSES)),
            0x8000_0000 + at * 0x1000_0000,
        )
        for at, bus in enumerate(buses)
    ]


def worded(text: str, bar: Bar) -> str:
    """A line of a BAR of 1 MiB."""
    last = bar.start + 0xFFFFF
    return text.format(device=bar.device, bar=bar.bar, start=bar.start, last=last, size=0x100000)


def loud(text: str) -> list[MessageEvent]:
    """The events that are to be reviewed."""
    verdicts = (FamilyVerdict.LOOK, FamilyVerdict.DEPENDS)
    return [event for event in explain_line(text).events if event.family.verdict in verdicts]


@given(bars(), st.data())
def test_the_last_word_on_each_bar_decides(boot: list[Bar], data: st.DataObject) -> None:
    """Whatever stands between, in any order of devices: only what ends without addresses is reviewed."""
    queues = [[worded(text, bar) for text in (*bar.failures, *filter(None, [bar.success]))] for bar in boot]
    lines = ["Linux version 6.9.0-1-generic (b@h) #1 SMP"]
    while any(queues):
        queue = data.draw(st.sampled_from([one for one in queues if one]))
        lines += [queue.pop(0), *data.draw(st.lists(st.sampled_from(NOISE), max_size=2))]

    found = loud("\n".join(lines))

    assert {bar.device for bar in boot if bar.success is None} == {event.device for event in found}


@given(bars())
def test_a_bar_that_loses_its_addresses_again_is_reviewed(boot: list[Bar]) -> None:
    """A success before the failure ends nothing."""
    lines = [worded(text, bar) for bar in boot for text in (SUCCESSES[0], bar.failures[0])]

    found = loud("\n".join(lines))

    assert {bar.device for bar in boot} == {event.device for event in found}


@given(st.lists(st.sampled_from(NOISE), max_size=30))
def test_a_boot_without_failures_has_nothing_to_review(lines: list[str]) -> None:
    """Facts, ports and ROMs alone."""
    found = loud("\n".join(lines))

    assert [] == found
