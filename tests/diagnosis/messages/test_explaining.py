"""A paste as events: of machines and boots, counted, with the kernel's version and what is not known."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest
from for_each import for_each
from sampling import all_wordings, rendered

from pfnlab.diagnosis.messages.explaining import MOST_EVENTS, PasteExplanation, explain, explain_line
from pfnlab.diagnosis.messages.kernel_said import KernelSaid, KernelSure
from pfnlab.diagnosis.messages.message_event import GrowingEvent
from pfnlab.kernel.hw.cachemode import CacheMode

FREED = "x86/PAT: Xorg:{pid} freeing invalid memtype [mem 0xfd000000-0xfd003fff]"
CONFLICT = "x86/PAT: Xorg:1 conflicting memory types f0000000-f4000000 write-combining<->uncached-minus"
REFUSED = "x86/PAT: memtype_reserve failed [mem 0xf0000000-0xf3ffffff], track {mode}, req {mode}"


def kernels(found: PasteExplanation) -> list[KernelSaid]:
    """The kernels of all boots."""
    return [boot.kernel for boot in found.boots]


def test_a_banner_begins_a_boot() -> None:
    """Each boot has its kernel and its events."""
    text = "\n".join(
        f"[    0.000000] Linux version {version} (builder)\n[   50.000000] {FREED.format(pid=1)}"
        for version in ("5.15.0-91-generic", "6.1.0-18-amd64")
    )

    found = explain_line(text)

    assert [("5.15.0-91-generic", KernelSure.SAID), ("6.1.0-18-amd64", KernelSure.SAID)] == [
        (one.version, one.sure) for one in kernels(found)
    ]
    assert [1, 1] == [event.count for event in found.events]


def test_a_stamp_that_goes_back_begins_a_boot() -> None:
    """Without a banner between."""
    found = explain_line(f"[ 900.1] {FREED.format(pid=1)}\n[   4.2] {FREED.format(pid=1)}")

    assert 2 == len(found.boots)


def test_stamps_that_go_back_a_little_are_of_one_boot() -> None:
    """Processors print side by side."""
    found = explain_line(f"[ 900.100] {FREED.format(pid=1)}\n[ 900.099] {FREED.format(pid=1)}")

    assert [2] == [event.count for event in found.events]


def test_hosts_are_machines() -> None:
    """A log of several machines is not mixed."""
    found = explain_line(
        f"Nov 17 10:00:00 hostA kernel: {FREED.format(pid=1)}\n"
        f"Nov 17 10:00:00 hostB kernel: {FREED.format(pid=1)}"
    )

    assert ["hostA", "hostB"] == [boot.host for boot in found.boots]


SAID = {
    "CPU: 3 PID: 1234 Comm: iouring Not tainted 6.1.85-100.fc38.x86_64 #1": "6.1.85-100.fc38.x86_64",
    "CPU: 7 UID: 0 PID: 712 Comm: test Tainted: G        W  OE      6.12.0-rc3+ #5": "6.12.0-rc3+",
    "Linux box 5.4.0-42-generic #46-Ubuntu SMP Fri Jul 10 x86_64 GNU/Linux": "5.4.0-42-generic",
    "BOOT_IMAGE=/boot/vmlinuz-5.13.0-1021-aws root=/dev/nvme0n1p1 ro": "5.13.0-1021-aws",
}


@for_each("line, version", SAID.items())
def test_a_line_says_the_version(line: str, version: str) -> None:
    """A taint line, uname -a, a command line."""
    found = explain_line(f"{FREED.format(pid=1)}\n{line}\n")

    assert [(version, KernelSure.SAID)] == [(one.version, one.sure) for one in kernels(found)]


def test_a_version_that_is_given_counts() -> None:
    """Whatever the log says."""
    found = explain_line(f"Linux version 5.15.0\n{FREED.format(pid=1)}", kernel="6.1.85")

    assert [("6.1.85", KernelSure.GIVEN)] == [(one.version, one.sure) for one in kernels(found)]


def test_the_wording_dates_a_line() -> None:
    """No version is invented: there are bounds only."""
    found = explain_line("Xorg:1119 freeing invalid memtype e0000000-e0001000")

    assert [KernelSaid("", KernelSure.WORDING, "", "3.4")] == kernels(found)


FOLDED = {
    "Oct  3 12:01:03 box last message repeated 3 times": 4,
    f"Oct  3 12:01:03 box kernel: message repeated 3 times: [ {FREED.format(pid=7)}]": 4,
    f"Oct  3 12:01:03 box kernel: {FREED.format(pid=7)}": 2,
    f"Oct  3 12:01:03 box kernel: {FREED.format(pid=8)}": 1,
}


@for_each("line, count", FOLDED.items())
def test_equal_lines_are_counted(line: str, count: int) -> None:
    """Also those that a logger folded; another process is another event."""
    found = explain_line(f"Oct  3 12:01:02 box kernel: {FREED.format(pid=7)}\n{line}\n")

    assert count == found.events[0].count


def test_lines_that_the_kernel_left_out_are_a_doubt() -> None:
    """Nobody knows of which kind they were."""
    found = explain_line(f"{FREED.format(pid=7)}\nvfio: 14 callbacks suppressed\n")

    assert any("14" in doubt for doubt in found.events[0].unsure)


def test_rising_addresses_are_one_event() -> None:
    """With a row for each line."""
    lines = [
        f"glxinfo:1 freeing invalid memtype d4{number:02x}0000-d4{number:02x}1000" for number in range(30)
    ]

    (event,) = explain_line("\n".join(lines)).events

    assert (30, 30) == (event.count, len(event.rows))


def test_both_modes_of_a_conflict_exist_where_another_was_asked_for() -> None:
    """What was wanted stands in the line that follows."""
    (event,) = explain_line(f"{CONFLICT}\n{REFUSED.format(mode='uncached-minus')}").events

    assert (CacheMode.UC_MINUS, (CacheMode.WC, CacheMode.UC_MINUS)) == (event.wanted, event.existing)
    assert () == event.unsure


def test_a_conflict_alone_does_not_say_what_was_wanted() -> None:
    """Nothing is made up of its two modes."""
    (event,) = explain_line(CONFLICT).events

    assert event.wanted is None
    assert any("The requested mode is not in the line" in doubt for doubt in event.unsure)


def test_the_first_mode_may_be_the_wanted_one() -> None:
    """After set_memory_*() it is; the lines alone do not say that."""
    (event,) = explain_line(f"{CONFLICT}\n{REFUSED.format(mode='write-combining')}").events

    assert any("set_memory" in doubt for doubt in event.unsure)


def test_a_line_that_looks_like_ours_is_shown() -> None:
    """Where no family has it."""
    found = explain_line("[ 1.5] x86/PAT: something that no kernel said yet")

    assert (1, ((1, "x86/PAT: something that no kernel said yet"),)) == (found.not_understood, found.strange)


def test_the_number_of_events_is_limited() -> None:
    """A log of a million different lines does not fill the memory; what was dropped is said."""
    lines = (f"{FREED.format(pid=number)}\n".encode() for number in range(MOST_EVENTS + 5))

    found = explain(lines)

    assert (MOST_EVENTS, 5) == (len(found.events), found.dropped)


def steps(lines: list[str]) -> int:
    """Calls of functions, and comparisons of events, while lines are explained."""
    explain(lines[:10])
    count = 0

    def called(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GrowingEvent, "__eq__", lambda one, other: one is other)
        sys.setprofile(called)
        try:
            explain(lines)
        finally:
            sys.setprofile(None)
    return count


#: Lines that are equal, and that differ in one thing, by their number.
MANY: dict[str, Callable[[int], str]] = {
    "equal": lambda at: FREED.format(pid=7),
    "pid": lambda at: FREED.format(pid=100 + at),
    "pid, of few": lambda at: FREED.format(pid=100 + at % 200),
    "address": lambda at: FREED.format(pid=7).replace("fd00", f"{0xE000 + at:x}"),
    "stamp": lambda at: f"[{at / 100:12.6f}] {FREED.format(pid=7)}",
    "family": lambda at: SAMPLES[at % len(SAMPLES)],
}

SAMPLES = [rendered(wording.text) for _, wording in all_wordings()]

#: The most steps of a line, in a log of lines that all say something.
MOST_STEPS = 300


@for_each("name", MANY)
def test_the_steps_of_a_line_do_not_grow_with_the_log(name: str) -> None:
    """Twice as many lines are twice as many steps, and a line costs few."""
    lines = [f"{MANY[name](at)}\n" for at in range(2400)]

    half, whole = steps(lines[:1200]), steps(lines)

    assert (True, True) == (whole <= 2.1 * half, whole - half <= MOST_STEPS * 1200), (half, whole)


def test_utf_16_is_read() -> None:
    """Consoles of other systems write it."""
    found = explain([f"{FREED.format(pid=7)}\r\n".encode("utf-16")])

    assert [7] == [event.pid for event in found.events]
