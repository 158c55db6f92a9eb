"""Programs as requests."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.base.units import PfnRange
from pfnlab.lab.running.placement import Placement, Windows
from pfnlab.lab.running.wire import ObservationRequest, compile_program
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Device, Fork, Munmap, Op, Program
from pfnlab.programs.lang.span import Span

BAR = PfnRange(0xF8000, 0xF8000 + 256)

HEAD = "pfnlab program 1\ntitle t\n"


def placed(program: Program) -> Placement:
    """The program behind another one of a window in an otherwise empty guest."""
    windows = Windows(BAR)
    windows.place(Program("t", "", (Device("other", "pci", 64),), ()))
    placement = windows.place(program)
    assert placement is not None
    return placement


def request(text: str, *, vmas: bool = False, ptes: bool = False) -> list[str]:
    """The request's lines for a program text without its head."""
    program = load_text(HEAD + text)
    return compile_program(program, placed(program), ObservationRequest(vmas=vmas, ptes=ptes)).splitlines()


def ops(text: str) -> list[str]:
    """Only the operations, task and all."""
    device = "device bar: pci, 16 pages\ndevice low: lowmem, 4 pages\n"
    return [line[3:] for line in request(device + text) if line.startswith("op ")]


def test_a_whole_request() -> None:
    """Windows are watched, areas observed and tasks named before the operations."""
    text = "device bar: pci, 16 pages\na = mmap bar[0:16] wc shared rw\nkid = fork\nkid: exit\n"

    expected = [
        "program 1",
        "observe vmas ptes",
        "watch f8040000 f8080000",
        "area 100000000000 10",
        "name 0 main",
        "name 1 kid",
        "op 0 mmap wc 100000000000 10000 3 100001 40000",
        "op 0 fork 1",
        "op 1 exit",
        "end",
    ]
    assert expected == request(text, vmas=True, ptes=True)


def test_the_setting_of_huge_pages_is_sent_where_there_is_one() -> None:
    """A guest has `never` otherwise."""
    text = "device bar: pci, 16 pages\na = mmap bar[0:16] wc shared rw\n"

    assert ["thp madvise"] == [line for line in request(f"thp madvise\n{text}") if line.startswith("thp")]
    assert [] == [line for line in request(text) if line.startswith("thp")]


@for_each(("call", "lines"), [("pkey_mprotect a[0] r keyed", ["keys"]), ("pkey_mprotect a[0] r", [])])
def test_processes_have_a_key_where_one_is_needed(call: str, lines: list[str]) -> None:
    """Before they have threads, which it lets through."""
    text = f"device bar: pci, 16 pages\na = mmap bar[0:16] wc shared rw\n{call}\n"

    assert lines == [line for line in request(text) if line == "keys"]


def test_resource_files_count_from_the_bar_and_the_others_do_not() -> None:
    """The offset of /dev/mem and /proc/bus/pci is a physical address."""
    assert ops("a = mmap bar[1] proc-uc private r") == ["0 mmap proc-uc 100000000000 1000 1 100002 f8041000"]


def test_low_memory_is_mapped_by_physical_address() -> None:
    """Low memory has no BAR."""
    assert ops("a = mmap low[0:4] devmem shared r") == ["0 mmap devmem 100000000000 4000 1 100001 10000"]


def test_over_means_exactly_there() -> None:
    """MAP_FIXED replaces what is mapped at the addresses given."""
    lines = ops("a = mmap bar[0:8] wc shared rw\nmmap bar[0:2] uc shared rw over a[4:6]")

    assert lines[1] == "0 mmap uc 100000004000 2000 3 11 40000"


def test_populate_and_locked_are_flags() -> None:
    """MAP_POPULATE and MAP_LOCKED join the flags of an anonymous mapping."""
    lines = ops("a = mmap anon[0:2] private rwx populate locked")

    assert lines == ["0 mmap anon 100000000000 2000 7 10a022 0"]


def test_mremap_flags_are_sent_as_they_are_written() -> None:
    """MREMAP_FIXED alone is sent alone, so that the kernel can refuse it."""
    lines = ops("a = mmap bar[0:8] wc shared rw\nb = mremap a[0:8] 8 pages fixed")

    assert lines[1] == "0 mremap 100000000000 8000 8000 2 100080000000"


def test_an_empty_span_is_an_old_length_of_zero() -> None:
    """mremap of nothing asks the kernel to duplicate a mapping."""
    lines = ops("a = mmap bar[0:8] wc shared rw\nmremap a[2:2] 8 pages maymove")

    assert lines[1] == "0 mremap 100000002000 0 8000 1 0"


def test_advice_is_a_number() -> None:
    """madvise is told the kernel's number in hex."""
    lines = ops("a = mmap bar[0:8] wc shared rw\nmadvise a[0:8] hugepage")

    assert lines[1] == "0 madvise 100000000000 8000 e"


def test_no_protection_is_zero() -> None:
    """PROT_NONE has no bit."""
    assert ops("a = mmap bar[0:8] wc shared rw\nmprotect a[1:2] none")[1] == (
        "0 mprotect 100000001000 1000 0"
    )


def test_loads_and_stores_name_an_address() -> None:
    """read and write touch the first word of a page; the value is hex."""
    lines = ops("a = mmap bar[0:8] wc shared rw\nread a[3]\nwrite a[3] 255")

    assert lines[1:] == ["0 load 100000003000", "0 store 100000003000 ff"]


def test_calls_without_a_range() -> None:
    """mlockall and look take nothing."""
    assert ops("mlockall\nlook\nexec") == ["0 mlockall", "0 nop", "0 exec"]


@for_each(
    ("how", "told"),
    [
        ("remap wc", "0 1 0 0 0"),
        ("fault", "1 0 0 0 0"),
        ("part[2:4] uc-", "2 2 2000 2000 0"),
        ("fault_prot", "3 0 0 0 1"),
        ("mixed", "4 0 0 0 0"),
        ("halves", "5 0 0 0 0"),
        ("ram wc", "6 1 0 0 0"),
        ("refuse", "8 0 0 0 0"),
        ("fault_pmd", "9 0 0 0 0"),
        ("fault_pud", "a 0 0 0 0"),
        ("apply wc", "b 1 0 0 0"),
        ("narrowed", "c 0 0 0 0"),
        ("bare wc", "e 1 0 0 0"),
    ],
)
def test_the_driver_is_told_before_it_maps(how: str, told: str) -> None:
    """A mapping through the driver takes three operations; its file offset is the physical address."""
    lines = ops(f"a = mmap bar[1:9] driver {how} shared rw")

    mmap = "0 mmap driver 100000000000 8000 3 100001 f8041000"
    assert lines == ["0 driver watch", f"0 driver map {told}", mmap]


def test_no_notifier_is_asked_for_where_a_task_is_held() -> None:
    """It takes locks that the held task may have."""
    lines = ops("a = mmap bar[1:9] driver remap shared rw\nhold unmap_vmas: munmap a\nrelease\n")

    assert any("driver map" in line for line in lines)
    assert not any("driver watch" in line for line in lines)


@for_each(
    ("line", "sent"),
    [
        ("zap_vma_ptes a[2:4]", "driver zap 100000002000 2000"),
        ("unmap_mapping_range bar[0:4]", "driver unmap f8040000 4000 1"),
        ("unmap_mapping_range bar[0:4] keep_cows", "driver unmap f8040000 4000 0"),
        ("unmap_mapping_range bar[4:]", "driver unmap f8044000 0 1"),
        ("remap_pfn_range a[2:4] wc", "driver remap 100000002000 2000 1"),
        ("remap_pfn_range a[2:4]", "driver remap 100000002000 2000 0"),
        ("request_mem_region bar[2:4]", "driver claim f8042000 2000"),
        ("release_mem_region", "driver release"),
        ("ioremap bar[0:4] uc-", "driver ioremap f8040000 4000 0"),
        ("ioremap bar[0:4] wc", "driver ioremap f8040000 4000 1"),
        ("ioremap bar[0:4] wb", "driver ioremap f8040000 4000 2"),
        ("ioremap bar[0:4] uc", "driver ioremap f8040000 4000 3"),
        ("ioremap bar[0:4] wt", "driver ioremap f8040000 4000 4"),
        ("iounmap", "driver iounmap 0"),
        ("ioremap ram[1:3] wc", "driver ioremap 8000000000001000 2000 1"),
        ("memremap bar[0:4] wb", "driver memremap f8040000 4000 1"),
        ("memremap bar[0:4] wt", "driver memremap f8040000 4000 2"),
        ("memremap ram[0:4] wc", "driver memremap 8000000000000000 4000 4"),
        ("memunmap", "driver memunmap 0"),
        ("io_mapping_create_wc bar[2:4]", "driver io-mapping f8042000 2000"),
        ("io_mapping_free", "driver io-mapping-free 0"),
        ("arch_io_reserve_memtype_wc bar[2:4]", "driver reserve-wc f8042000 2000"),
        ("arch_io_free_memtype_wc bar[2:4]", "driver free-wc f8042000 2000"),
        ("arch_phys_wc_add bar[2:4]", "driver phys-wc-add f8042000 2000"),
        ("set_memory_wb ram[4:6]", "driver set-memory 4 2 0"),
        ("set_memory_wc ram[4:6]", "driver set-memory 4 2 1"),
        ("set_memory_uc ram[0:16]", "driver set-memory 0 10 2"),
        ("set_pages_array_wc ram[4:6]", "driver set-pages 4 2 1"),
        ("memunmap_pages", "driver memunmap-pages 0"),
        ("mincore a[0:4]", "mincore 100000000000 4000"),
        ("process_vm_readv a[3]", "readv 100000003000"),
        ("process_vm_readv a[3] at 8 16 bytes", "bytes process_vm_readv 100000003008 10 0"),
        ("mem_read a[3]", "walk mem_read 100000003000 0"),
        ("mem_read a[3] 16 bytes", "bytes mem_read 100000003000 10 0"),
        ("process_vm_writev a[3] 10 at 4095 2 bytes", "bytes process_vm_writev 100000003fff 2 a"),
        ("process_vm_writev a[3] 10", "walk process_vm_writev 100000003000 a"),
        ("move_pages a[0:4]", "walk move_pages 100000000000 4000"),
        ("move_pages a[0:4] node0", "walk move_pages_node0 100000000000 4000"),
        ("smaps a[0:4]", "walk smaps 100000000000 4000"),
        ("status", "walk status 0 0"),
        ("remap_file_pages a[0:4] bar[2:6] wc", "remap-file 100000000000 4000 42"),
        ("remap_file_pages a[0:4] bar[2:6] devmem", "remap-file 100000000000 4000 f8042"),
    ],
)
def test_what_drivers_do_is_asked_by_address(line: str, sent: str) -> None:
    """Spans of areas become virtual bytes, spans of devices physical ones."""
    lines = ops(f"a = mmap bar[0:8] wc shared rw\n{line}")

    assert lines[1] == f"0 {sent}"


@for_each(("word", "flag"), [("", 0), (" p2pdma", 1)])
def test_struct_pages_are_asked_for_whole_sections(word: str, flag: int) -> None:
    """The second section of a device of two, which begins where one does, not at the BAR's start."""
    program = load_text(f"{HEAD}device bar: pci, 1024 pages\nmemremap_pages bar[512:1024]{word}\n")
    windows = Windows(PfnRange(BAR.start, BAR.start + 2048))
    windows.place(Program("t", "", (Device("other", "pci", 64),), ()))
    placement = windows.place(program)
    assert placement is not None

    lines = compile_program(program, placement, ObservationRequest(vmas=False, ptes=False)).splitlines()

    assert f"op 0 driver memremap-pages f8400000 200000 {flag}" in lines


def test_too_many_tasks_are_misuse() -> None:
    """The agent holds sixteen tasks."""
    program = Program("t", "", (), tuple(Op(Fork(f"t{number}")) for number in range(16)))

    with pytest.raises(Misuse, match="at most 16"):
        compile_program(program, placed(program), ObservationRequest(vmas=False, ptes=False))


def test_an_unknown_area_is_misuse() -> None:
    """A program built by hand may name what nothing declares."""
    program = Program("t", "", (), (Op(Munmap(Span("ghost", 0, 1))),))

    with pytest.raises(Misuse, match="no area ghost"):
        compile_program(program, placed(program), ObservationRequest(vmas=False, ptes=False))


def test_an_unknown_task_is_misuse() -> None:
    """A task acts only after its fork is in the program."""
    program = Program("t", "", (), (Op(Munmap(Span("a", 0, 1)), task="ghost"),))

    with pytest.raises(Misuse, match="no task ghost"):
        compile_program(program, placed(program), ObservationRequest(vmas=False, ptes=False))


@for_each(("word", "number"), [("set_tid", 1), ("overcommit_memory", 2), ("pids_max", 3)])
def test_a_fork_that_fails_is_made_to(word: str, number: int) -> None:
    """The task is told before, and told to stop it afterwards."""
    assert [f"0 refuse {number}", "0 fork 1", "0 refuse 0"] == ops(f"c = fork {word}")


def test_threads_and_what_they_do() -> None:
    """A release is the host's doing: nobody does anything in the guest."""
    lines = ops(
        "a = mmap bar[0:8] wc shared rw\nt = thread\nt: memtype_list\nhold unmap_vmas: munmap a\nrelease\n"
    )

    assert ["0 pin 0", "0 pin 3", "0 thread 1", "0 pin 0", "1 pin 1", "1 memtypes"] == [lines[0], *lines[2:7]]
    assert "0 nop" == lines[-1]


def test_vfio_offsets_lie_in_the_region_of_bar_two() -> None:
    """The index of the region stands above the offset in it, and the device begins where the BAR does."""
    text = "device bar: pci, 16 pages\na = mmap bar[2:10] vfio shared rw\n"
    program = load_text(HEAD + text)
    placement = Windows(BAR).place(program)
    assert placement is not None

    lines = compile_program(program, placement, ObservationRequest(vmas=False, ptes=False)).splitlines()

    assert "op 0 mmap vfio 100000000000 8000 3 100001 20000002000" in lines


@for_each(
    ("lines", "sent"),
    [
        ("remove bar", ["remove"]),
        ("rescan bar", ["rescan"]),
        ("unplug bar\nplug bar", ["slot 0", "slot 1"]),
    ],
)
def test_what_is_done_to_a_slot(lines: str, sent: list[str]) -> None:
    """The guest has one, so none is named; what is done from outside, the agent waits for."""
    program = load_text(f"{HEAD}device bar: pci, 16 pages\n{lines}\n")
    placement = Windows(BAR).place(program)
    assert placement is not None

    request = compile_program(program, placement, ObservationRequest(vmas=False, ptes=False)).splitlines()

    assert [f"op 0 {one}" for one in sent] == [line for line in request if line.startswith("op ")]


@for_each(
    ("line", "sent"),
    [
        ("memory_disable bar", "memory 0"),
        ("memory_enable bar", "memory 1"),
        ("vfio_reset bar", "vfio-reset"),
        ("d3 bar", "power 3"),
        ("d0 bar", "power 0"),
        ("vfio_close bar", "vfio-close"),
        *(("bind bar", "bind"), ("unbind bar", "unbind")),
        *(("remove bar", "remove"), ("rescan bar", "rescan"), ("rescan_moved bar", "rescan-moved")),
    ],
)
def test_what_is_done_to_a_device_as_a_whole(line: str, sent: str) -> None:
    """The guest has one device, so none is named."""
    program = load_text(f"{HEAD}device bar: pci, 16 pages\n{line}\n")
    placement = Windows(BAR).place(program)
    assert placement is not None

    lines = compile_program(program, placement, ObservationRequest(vmas=False, ptes=False)).splitlines()

    assert f"op 0 {sent}" in lines
