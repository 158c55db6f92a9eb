"""Replies of the guest agent as observations: recorded ones, and broken ones."""

from __future__ import annotations

from pathlib import Path

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import LostGuest
from pfnlab.base.units import PfnRange
from pfnlab.lab.running.placement import Placement, Windows
from pfnlab.lab.running.replies import ParsedReply, parse_reply, reply_until
from pfnlab.lab.running.wire import ObservationRequest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Device, Program
from pfnlab.programs.runs.observation import BookEntry, DeviceSpan, PteSeen, VmaSeen
from pfnlab.programs.runs.pte_text import RAM

DATA = Path(__file__).parents[1] / "data"

RECORDED = sorted(path.stem for path in DATA.glob("*.reply"))


def recorded(name: str) -> tuple[str, Program, Placement]:
    """A reply as a guest gave it, and what it had been asked. The first lines say kernel, program and BAR."""
    command, bar, text = (DATA / f"{name}.reply").read_text().split("\n", 2)
    lines = command.split(" ", 2)[2].split("; ")
    program = load_text("\n".join(["pfnlab program 1", "title t", *lines, ""]))
    start, pages = (int(word, 16) for word in bar.split()[2:])
    placement = Windows(PfnRange(start >> 12, (start >> 12) + pages)).place(program)
    assert placement is not None
    return text, program, placement


def read(name: str) -> ParsedReply:
    """The recorded reply, read."""
    return parse_reply(*recorded(name))


@for_each("name", RECORDED)
def test_every_recorded_reply_is_read_to_its_end(name: str) -> None:
    """Nothing in a real reply is unexpected, and the noise of timers is no log."""
    reply = read(name)

    assert (reply.lost, reply.steps[-1].op, reply.before_log) == (None, "end", ())


def test_the_book_is_in_device_pages() -> None:
    """6.1 keeps the first half of a mapping whose middle went first."""
    assert (BookEntry("bar", 0, 8, "wc"),) == read("middle-stays-reserved").steps[-1].book


def test_what_is_left_is_said_in_page_frames() -> None:
    """Windows need to know where something stayed."""
    reply = read("middle-stays-reserved")

    assert (PfnRange(0xFE000, 0xFE008),) == reply.left


def test_log_lines_belong_to_their_step() -> None:
    """The message of the partial unmap is in the step of the partial unmap."""
    logs = [step.log for step in read("middle-stays-reserved").steps]

    assert logs[1] == ("x86/PAT: main freeing invalid memtype bar[4:8]",)


def test_nobody_is_named_where_several_operations_end() -> None:
    """A step that ended two operations names neither of their tasks (S12.4.4)."""
    text, program, placement = recorded("middle-stays-reserved")

    reply = parse_reply(text, program, placement, ended={1: program.ops[:2]})

    assert reply.steps[1].log == ("x86/PAT: * freeing invalid memtype bar[4:8]",)


def test_steps_carry_the_line_of_the_program() -> None:
    """Operations are written as in the program, the last step is the end."""
    ops = [step.op for step in read("middle-stays-reserved").steps]

    assert ops == ["a = mmap bar[0:16] wc shared rw", "munmap a[4:8]", "munmap a", "end"]


def test_a_vma_is_said_in_area_and_device_pages() -> None:
    """The file offset is physical and becomes device pages."""
    seen = read("middle-stays-reserved").steps[1].vmas

    flags = "rd wr sh mr mw ms pf io de ar dd sd"
    expected = (
        VmaSeen("main", "a", 0, 4, "rw-s", "wc", DeviceSpan("bar", 0, 4), flags),
        VmaSeen("main", "a", 8, 16, "rw-s", "wc", DeviceSpan("bar", 8, 16), flags),
    )
    assert expected == seen


def test_anonymous_memory_has_no_offset() -> None:
    """An anonymous VMA maps no device."""
    seen = read("anonymous-and-low-memory").steps[3].vmas

    assert seen is not None
    assert VmaSeen("main", "b", 0, 4, "rw-p", "anon", None, "rd wr mr mw me ac sd", 4, 4) == seen[1]


def test_prot_none_entries_map_ascending_pages() -> None:
    """Their frames are stored inverted, so the raw entries descend."""
    seen = read("prot-none-inverts-the-frame").steps[3].ptes

    assert seen is not None
    assert PteSeen("main", "a", 4, 8, DeviceSpan("bar", 4, 8), "L1 WC !P RO SPECIAL A") in seen


def test_a_copied_page_is_ram() -> None:
    """A page copied on write lies anywhere."""
    seen = read("prot-none-inverts-the-frame").steps[1].ptes

    assert seen is not None
    assert PteSeen("main", "a", 2, 3, RAM, "L1 UC- P RW US A D") in seen


def test_the_zero_page_is_ram() -> None:
    """The zero page is marked special and is no device all the same."""
    seen = read("anonymous-and-low-memory").steps[2].ptes

    assert seen is not None
    assert PteSeen("main", "b", 1, 2, RAM, "L1 WB P RO US SPECIAL A") in seen


def test_frames_far_behind_a_device_are_no_ram() -> None:
    """The last page of a physical address space of 40 bits is that page, as it is for who reads memory."""
    text, program, placement = recorded("middle-stays-reserved")
    entry = "p 0 100000000000 10 1 80000000fe00022f 1"
    assert text.count(entry) == 1
    text = text.replace(entry, "p 0 100000000000 1 1 800000fffffff227 0")

    seen = parse_reply(text, program, placement).steps[0].ptes

    last = DeviceSpan("phys", (1 << 28) - 1, 1 << 28)
    assert (PteSeen("main", "a", 0, 1, last, "L1 WB P RW US SPECIAL A"),) == seen


def test_frames_between_ram_and_the_bar_are_no_ram() -> None:
    """There a frame past the end of physical addresses comes out, with its upper bits cut off."""
    text, program, placement = recorded("middle-stays-reserved")
    entry = "p 0 100000000000 10 1 80000000fe00022f 1"
    assert text.count(entry) == 1
    text = text.replace(entry, "p 0 100000000000 1 1 8000000090000227 0")

    seen = parse_reply(text, program, placement).steps[0].ptes

    cut = DeviceSpan("phys", 0x90000, 0x90001)
    assert (PteSeen("main", "a", 0, 1, cut, "L1 WB P RW US SPECIAL A"),) == seen


def test_low_memory_is_a_device_where_it_is_mapped_as_one() -> None:
    """RAM of a lowmem device is said in its pages."""
    seen = read("anonymous-and-low-memory").steps[0].ptes

    assert seen is not None
    assert PteSeen("main", "a", 0, 4, DeviceSpan("low", 0, 4), "L1 WB P RO US SPECIAL A") == seen[0]


def test_a_guard_marker_maps_nothing() -> None:
    """The entry of a guard page is neither none nor a page."""
    seen = read("anonymous-and-low-memory").steps[4].ptes

    assert seen is not None
    assert PteSeen("main", "b", 0, 1, None, "swap@L1") in seen


def test_telling_the_driver_is_no_step() -> None:
    """What the agent does before a mapping through the driver does not count."""
    steps = read("driver-maps-and-zaps").steps

    assert [step.op for step in steps] == [
        "a = mmap bar[0:8] driver remap wc shared rw",
        "zap_vma_ptes a[2:4]",
        "mincore a",
        "process_vm_readv a[0]",
        "b = mmap bar[0:2] driver ram wc shared rw",
        "end",
    ]


def test_a_mapping_through_the_driver_is_of_its_file() -> None:
    """/dev/pfnlab has offsets in physical bytes."""
    seen = read("driver-maps-and-zaps").steps[0].vmas

    flags = "rd wr sh mr mw me ms pf io de dd sd"
    assert (VmaSeen("main", "a", 0, 8, "rw-s", "driver", DeviceSpan("bar", 0, 8), flags),) == seen


def test_mincore_answers_digits() -> None:
    """They are no number: the leading ones count."""
    values = [(step.result, step.value) for step in read("driver-maps-and-zaps").steps[2:4]]

    assert [("ok", "11001111"), ("EFAULT", None)] == values


def test_mincore_answers_digits_where_it_fails() -> None:
    """At a hole they say the pages before it."""
    text, program, placement = recorded("driver-maps-and-zaps")
    assert text.count("r 0 0 11001111") == 1
    text = text.replace("r 0 0 11001111", "r -1 12 11000000")

    step = parse_reply(text, program, placement).steps[2]

    assert ("ENOMEM", "11000000") == (step.result, step.value)


def test_memory_a_driver_maps_is_ram() -> None:
    """It is mapped as special and is no device of the program all the same."""
    step = read("driver-maps-and-zaps").steps[4]

    assert step.ptes is not None
    assert PteSeen("main", "b", 0, 2, RAM, "L1 WB P RW US SPECIAL A") in step.ptes
    assert step.log == ("x86/PAT: main map pfn RAM range req write-combining for RANGE, got write-back",)


def test_a_driver_that_is_told_too_slowly_loses_the_run() -> None:
    """The step after it would be of a task that was killed."""
    text, program, placement = recorded("driver-maps-and-zaps")

    reply = parse_reply(text.replace("r 0 0\n", "r -1 110 timeout\n", 1), program, placement)

    assert reply.steps == ()
    assert reply.lost is not None and "took too long" in reply.lost


def test_pages_behind_a_device_count_from_it() -> None:
    """A program that maps past the end sees the same names on every machine."""
    step = read("past-the-end-of-the-bar").steps[0]

    assert (BookEntry("bar", 8, 24, "uc-"),) == step.book


def test_a_fault_is_efault_and_says_the_signal() -> None:
    """A load from a page without access ends in a signal."""
    step = read("prot-none-inverts-the-frame").steps[4]

    assert (step.result, step.value) == ("EFAULT", "SIGSEGV code=2")


def test_a_load_gives_its_number() -> None:
    """The value of a read is a number."""
    assert read("prot-none-inverts-the-frame").steps[2].value == 7


def test_a_refused_call_gives_its_errno() -> None:
    """Straddling two types is EINVAL."""
    assert read("straddling-two-types").steps[2].result == "EINVAL"


def test_mremap_to_another_place_moved() -> None:
    """The address itself says nothing that compares."""
    assert read("straddling-two-types").steps[3].value == "moved"


def test_nobody_is_named_at_the_end() -> None:
    """Who tears an address space down is not reliable."""
    assert read("prot-none-inverts-the-frame").steps[-1].log == (
        "x86/PAT: * freeing invalid memtype bar[0:4]",
    )


def test_entries_that_were_there_before_are_reported() -> None:
    """The recorded guest had leaked two entries into this window."""
    before = read("fork-adds-an-entry-and-exit-names-nobody").before

    assert (BookEntry("bar", 0, 4, "wc"), BookEntry("bar", 0, 8, "wc")) == before


def test_what_was_not_asked_for_is_none() -> None:
    """A machine that did not look does not say that there is nothing."""
    text, program, placement = recorded("middle-stays-reserved")

    step = parse_reply(text, program, placement, ObservationRequest(vmas=False, ptes=False)).steps[0]

    assert (step.vmas, step.ptes) == (None, None)


def test_devices_come_in_the_order_of_the_program() -> None:
    """Where a guest has room decides which window is lower, and says nothing about the program."""
    program = load_text(
        "pfnlab program 1\ntitle t\ndevice one: pci, 128 pages\ndevice two: pci, 4 pages\nlook\n"
    )
    windows = Windows(PfnRange(0x1000, 0x2000))
    first, second = (windows.place(Program("t", "", (Device("d", "pci", 64),), ())) for _ in range(2))
    assert first is not None and second is not None
    windows.release(first)
    placement = windows.place(program)
    assert placement is not None
    lines = "m 1000000 1001000 write-back\nm 1080000 1082000 write-combining\nm 1081000 1082000 uncached\n"

    step = parse_reply(f"program 1\nbefore\nstep 0\nr 0 0\n{lines}step end\n", program, placement).steps[0]

    assert ["one[0:2] wc", "one[1:2] uc", "two[0:1] wb"] == [str(entry) for entry in step.book]


def test_a_reply_that_breaks_off_gives_what_was_complete() -> None:
    """The step in which it breaks off is not complete."""
    text, program, placement = recorded("middle-stays-reserved")

    reply = parse_reply(text[: text.index("step 2") + len("step 2\nr 0 0\n")], program, placement)

    assert (len(reply.steps), reply.lost) == (2, "the reply breaks off after 2 of 4 steps")


def test_what_a_lost_guest_has_answered_is_whole() -> None:
    """All sections before the reason are steps, the last of them too."""
    text, program, placement = recorded("middle-stays-reserved")
    sections = text.partition("step 1\n")[0]
    lost = LostGuest("the guest was lost: it hung", answered=sections)

    reply = parse_reply(reply_until(lost), program, placement)

    assert (read("middle-stays-reserved").steps[:1], str(lost)) == (reply.steps, reply.lost)


def test_a_guest_that_was_lost_at_once_has_answered_nothing() -> None:
    """There is no step, and the reason is there."""
    _, program, placement = recorded("middle-stays-reserved")

    reply = parse_reply(reply_until(LostGuest("it\nhung")), program, placement)

    assert ((), "it hung") == (reply.steps, reply.lost)


def test_a_line_without_sense_ends_the_reading() -> None:
    """Garbage gives a reason that shows the line."""
    text, program, placement = recorded("middle-stays-reserved")

    reply = parse_reply(text.replace("pid 0", "quark 0"), program, placement)

    assert reply.lost is not None
    assert "quark 0" in reply.lost


def test_an_error_of_the_guest_is_the_reason() -> None:
    """The agent says why it could not read a request."""
    _, program, placement = recorded("middle-stays-reserved")

    reply = parse_reply("error no such verb\ndone 1\n", program, placement)

    assert reply.lost == "the guest could not read the request: no such verb"


def test_an_operation_that_took_too_long_loses_the_run() -> None:
    """The agent killed the task, so what follows is not what the program says."""
    text, program, placement = recorded("middle-stays-reserved")

    reply = parse_reply(text.replace("step 1\nr 0 0", "step 1\nr -1 110 timeout"), program, placement)

    assert reply.lost == "step 2 took too long and its task was killed"


def test_a_task_that_died_is_gone() -> None:
    """A task that dies in an operation answers like one that is not there, and says so."""
    text, program, placement = recorded("middle-stays-reserved")

    step = parse_reply(text.replace("step 1\nr 0 0", "step 1\nr -1 3 died"), program, placement).steps[1]

    assert (step.result, step.value) == ("ESRCH", "died")


@given(st.data())
def test_no_mangled_reply_raises(data: st.DataObject) -> None:
    """Whatever a guest answers, reading it ends with an answer, and with a reason when it is short."""
    text, program, placement = recorded("prot-none-inverts-the-frame")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    junk = data.draw(st.text(alphabet="mkvprs 0a-x\n\0", max_size=12))

    reply = parse_reply(text[:start] + junk + text[end:], program, placement)

    assert reply.lost is not None or len(reply.steps) == len(program.ops) + 1


def test_a_frame_below_the_bar_that_is_no_ram_is_physical() -> None:
    """As where a number is larger than an entry can hold and begins anew: the two ways to look agree."""
    text, program, placement = recorded("middle-stays-reserved")
    entry = "p 0 100000000000 10 1 80000000fe00022f 1"
    for pfn, target in ((0x10000, DeviceSpan("phys", 0x10000, 0x10001)), (0xFFFF, RAM)):
        frame = text.replace(entry, f"p 0 100000000000 1 1 {1 << 63 | pfn << 12 | 0x227:x} 0")

        seen = parse_reply(frame, program, placement).steps[0].ptes

        assert (PteSeen("main", "a", 0, 1, target, "L1 WB P RW US SPECIAL A"),) == seen


def test_a_guest_with_more_memory_has_more_of_it() -> None:
    """The same frame, in a guest of 1 GiB."""
    text, program, placement = recorded("middle-stays-reserved")
    entry = "p 0 100000000000 10 1 80000000fe00022f 1"
    frame = text.replace(entry, f"p 0 100000000000 1 1 {1 << 63 | 0x10000 << 12 | 0x227:x} 0")

    (seen,) = parse_reply(frame, program, placement, ram_mib=1024).steps[0].ptes

    assert seen.target == RAM


def test_the_level_of_a_line_stands_in_front_of_it() -> None:
    """A priority is the level and, above its three bits, the facility."""
    text, program, placement = recorded("middle-stays-reserved")

    reply = parse_reply(text.replace("\nk ", "\nl 14\nk "), program, placement)

    assert [("info",) * len(step.log) for step in reply.steps] == [step.levels for step in reply.steps]


def test_an_agent_that_tells_no_levels_is_understood() -> None:
    """Where there was a line, its level was not seen."""
    levels = [step.levels for step in read("middle-stays-reserved").steps]

    assert [(), None, None, ()] == levels
