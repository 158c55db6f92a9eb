"""Orders of kernel calls as guests report them: recorded ones, and what is left out of them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from for_each import for_each
from having import NEW, OLD, bootable
from litmus_files import litmus_file

from pfnlab.base.errors import Defect
from pfnlab.base.units import PfnRange
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.lab.images.image import guest_image
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.placement import Placement, Windows
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.running.replies import ParsedReply, parse_reply
from pfnlab.lab.running.wire import ObservationRequest, compile_program
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.probes import address_of, read_order, symbols, trace_request
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.events import EVENTS
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Step
from pfnlab.programs.runs.places import Places

DATA = Path(__file__).parents[1] / "data"
RECORDED = sorted(path.stem for path in DATA.glob("*.order"))

#: Pages 0x100 to 0x110 are `a`, the device's frames begin at 0x1000.
PLACES = Places({"bar": PfnRange(0x1000, 0x1010)}, {"a": (0x100, 16)})

MIDDLE = {
    "6.1": "split a[4],dup a[0],split a[8],dup a[4],gather,untrack a[4],erase bar[4],clear a[4],flush a[4:8],"
    "free_pgtables,unlink a[4],finish,free a[4]",
    "7.3": "split a[4],dup a[0],split a[8],dup a[4],gather,clear a[4],free_pgtables,flush a[4:8],unlink a[4],"
    "finish,free a[4]",
}


def recorded(name: str) -> tuple[str, Program, Placement]:
    """A reply as a guest gave it, and what it had been asked. The first lines say kernel, program and BAR."""
    command, bar, text = (DATA / f"{name}.order").read_text().split("\n", 2)
    program = load_text("\n".join(["pfnlab program 1", "title t", *command.split(" ", 2)[2].split("; "), ""]))
    start, pages = (int(word, 16) for word in bar.split()[2:])
    placement = Windows(PfnRange(start >> 12, (start >> 12) + pages)).place(program)
    assert placement is not None
    return text, program, placement


def read(name: str) -> ParsedReply:
    """The recorded reply, read with its orders."""
    return parse_reply(*recorded(name), ObservationRequest(vmas=False, ptes=False, order=True))


def events(step: Step) -> str:
    """The order of one step as one text."""
    assert step.events is not None
    return ",".join(step.events)


class TestRecorded:
    """What two kernels said."""

    @for_each("name", RECORDED)
    def test_every_order_is_the_one_the_model_predicts(self, name: str) -> None:
        """
        All steps of all recordings, the end included, with their flushes.
        """
        series = name.rpartition("-")[2]

        reply = read(name)

        predicted = ModelMachine(series).run_one(recorded(name)[1]).steps
        assert reply.lost is None
        assert [(step.events, step.flushes) for step in predicted] == [
            (step.events, step.flushes) for step in reply.steps
        ]

    @for_each("series", ["6.1", "7.3"])
    def test_the_middle_goes(self, series: str) -> None:
        """
        The re-linking of two splits is left out, the unlinking of the middle stays.
        """
        step = read(f"split-fork-exec-{series}").steps[1]

        assert (MIDDLE[series], 1) == (events(step), step.flushes)

    def test_a_fork_shows_nothing_of_the_process_own_memory(self) -> None:
        """
        Neither its other VMAs nor the pages of stack and data it copies afterwards, with their flushes.
        """
        step = read("split-fork-exec-7.3").steps[2]

        assert step.flushes == 1
        assert (
            events(step) == "dup a[0],link a[0],copy_range a[0],dup a[8],link a[8],copy_range a[8],flush all"
        )

    def test_an_exec_shows_nothing_of_the_address_space_it_builds(self) -> None:
        """
        The stack's move, the library's mappings and the flushes of the new address space are left out.
        """
        step = read("split-fork-exec-7.3").steps[3]

        assert events(step).startswith(
            "exec_begin,exec_done,gather_full,clear a[0],clear a[8],free_pgtables,"
        )
        assert events(step).endswith("unlink a[8],finish,flush all,free a[0],free a[8]")

    def test_a_fork_that_fails_flushes_the_parent_only(self) -> None:
        """
        The copy that is thrown away is flushed too, but nobody has ever seen it.
        """
        step = read("fork-that-fails-6.1").steps[2]

        assert (step.result, step.flushes) == ("ENOMEM", 1)
        assert (
            "flush all,gather_full,untrack a[0],clear a[0],free_pgtables,unlink a[0],finish,free a[0]"
            in events(step)
        )

    def test_orders_nobody_asked_for_are_not_told(self) -> None:
        """
        Without order a step has neither events nor a number of flushes.
        """
        text, program, placement = recorded("split-fork-exec-6.1")

        steps = parse_reply(text, program, placement).steps

        assert {(step.events, step.flushes) for step in steps} == {(None, None)}

    def test_a_function_nobody_probed_ends_the_reply(self) -> None:
        """
        The steps before it are kept.
        """
        text, program, placement = recorded("split-fork-exec-6.1")
        broken = re.sub("^e tlb_gather_mmu .*", "e tlb_gather 1", text, count=1, flags=re.M)

        reply = parse_reply(broken, program, placement, ObservationRequest(order=True))

        assert (len(reply.steps), reply.lost) == (1, "step 2 has an invalid order: 'tlb_gather'")


class TestReading:
    """Lines one by one."""

    @for_each(
        ("lines", "said"),
        [
            (["vm_area_free 101000"], ["free a[1]"]),
            (["memtype_erase 1002000"], ["erase bar[2]"]),
            (["pfnmap_track 1003"], ["track bar[3]"]),
            (["track_pfn_remap 100000"], ["track a[0]"]),
            (["flush_tlb_mm_range f 100000 102000"], ["flush a[0:2]"]),
            (["flush_tlb_mm_range f ff000 101000"], ["flush a[0:1]"]),
            (["flush_tlb_mm_range f fe000 100000"], []),
            (["flush_tlb_mm_range f 0 ffffffffffffffff"], ["flush all"]),
            (["tlb_gather_mmu f", "tlb_finish_mmu f"], ["gather", "finish"]),
            (["__zap_vma_range 100000"], ["clear a[0]"]),
            (["unmap_page_range 100000"], ["clear a[0]"]),
            (["move_page_tables 100000"], ["move_tables"]),
            ([], []),
        ],
    )
    def test_a_call_becomes_an_event(self, lines: list[str], said: list[str]) -> None:
        """
        Addresses are pages of areas, frames are pages of devices, other flushes are counted whole.
        """
        assert tuple(said) == read_order(lines, PLACES)

    @for_each(
        "line",
        [
            "vm_area_free 7fff00000000",
            "handle_mm_fault 7fff00000000",
            "flush_tlb_mm_range f 7fff00000000 7fff00001000",
            "flush_tlb_mm_range f 110000 111000",
            "flush_tlb_mm_range f ff000 100000",
            "move_page_tables 7fff00000000",
        ],
    )
    def test_memory_outside_of_the_areas_is_the_process_own(self, line: str) -> None:
        """
        Also right behind and right before an area.
        """
        assert () == read_order([line], PLACES)

    def test_relinking_ends_with_the_next_call(self) -> None:
        """
        An unlink right after a gather is no part of the split before it.
        """
        lines = ["__split_vma 104000", "vm_area_dup 100000 f", "vma_interval_tree_remove 100000"]
        after = ["tlb_gather_mmu f", "vma_interval_tree_remove 104000"]

        assert ("split a[4]", "dup a[0]", "gather", "unlink a[4]") == read_order([*lines, *after], PLACES)

    def test_parts_that_are_reserved_in_a_split_do_not_end_it(self) -> None:
        """
        A tracker reserves them before the VMAs change, and a call that finds nothing to do is among them.
        """
        lines = ["__split_vma 104000", "vm_area_dup 100000 f"]
        reserved = ["memtype_kernel_map_sync ff000", "pfnmap_untrack ff000"]
        after = ["vma_interval_tree_remove 100000", "vma_interval_tree_insert 100000", "tlb_gather_mmu f"]

        order = read_order([*lines, *reserved, *after], PLACES)

        assert order is not None
        assert [] == [event for event in order if "link" in event]
        assert ("split a[4]", "dup a[0]") == order[:2]
        assert "gather" == order[-1]

    def test_a_process_that_had_nothing_of_the_program_frees_its_own_tables(self) -> None:
        """
        Its end is a gather and a flush, no more.
        """
        lines = [
            "tlb_gather_mmu_fullmm f",
            "unmap_page_range 555555555000",
            "free_pgtables f",
            "tlb_finish_mmu f",
            "flush_tlb_mm_range f 0 ffffffffffffffff",
        ]

        assert ("gather_full", "finish", "flush all") == read_order(lines, PLACES)

    def test_a_buffer_that_overflowed_is_no_order(self) -> None:
        """
        Half an order would be a wrong one.
        """
        assert read_order(["lost", "tlb_gather_mmu f"], PLACES) is None

    @for_each("line", ["tlb_gather_mmu", "tlb_gather_mmu x", "tlb_gather_mmu 1 2", "vm_area_free "])
    def test_wrong_arguments(self, line: str) -> None:
        """
        Too few, too many, or no numbers.
        """
        with pytest.raises(ValueError):
            read_order([line], PLACES)


class TestSymbols:
    """The table of functions."""

    def test_every_event_has_one_way_to_be_seen_in_every_series(self) -> None:
        """
        Every word of observations, except those only one family of trackers has.
        """
        families = {"track_copy", "track_clear", "untrack_copy", "ctx_release"}
        words = {word for word, _ in EVENTS.values()} - families - {"flush all"}
        said = {"rmap_add": "link", "rmap_del": "unlink", "zap_range": "clear", "zap_vma": "clear"}

        for series in CONFIRMED:
            named = {name for name, some in symbols().items() if any(one.stands_in(series) for one in some)}

            assert words <= {said.get(name, name) for name in named}, series

    def test_a_function_means_the_same_wherever_it_is_listed(self) -> None:
        """
        A line of a reply names the function only, so event and arguments must follow from it.
        """
        meant: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
        for name, some in symbols().items():
            for one in some:
                meant.setdefault(one.symbol, set()).add((name, tuple(one.arguments)))

        assert {} == {symbol: means for symbol, means in meant.items() if len(means) > 1}

    def test_probes_are_those_of_the_series(self) -> None:
        """
        7.3 renamed the tree of a file's mappings; 7.1 clears a VMA in one function.
        """
        old, new = trace_request("6.1.0-56-cloud-amd64"), trace_request("7.3-rc7")

        assert "probe vma_interval_tree_remove +0(%di)" in old.split("\n")
        assert "probe unmap_page_range %dx" in old.split("\n")
        assert "probe mapping_rmap_tree_remove +0(%di)" in new.split("\n")
        assert "vma_interval_tree" not in new
        assert "unmap_page_range" not in new

    @for_each(
        ("symbol", "release", "where"),
        [
            ("move_page_tables", "6.12.117-cloud", "+0(%di)"),
            ("move_page_tables", "7.2.13-cloud", "+0(+0(%di))"),
            ("memtype_erase", "7.2.13-cloud", None),
            ("schedule", "7.2.13-cloud", None),
        ],
    )
    def test_where_a_function_has_its_address(self, symbol: str, release: str, where: str | None) -> None:
        """
        The place is that of the kernel at hand; not every function has one.
        """
        assert where == address_of(symbol, release)

    def test_no_release(self) -> None:
        """
        A kernel must say which it is.
        """
        with pytest.raises(Defect, match="not a kernel release"):
            trace_request("linux")


def kernel_steps(series: str, program: Program) -> tuple[Step, ...]:
    """The program's steps on the real kernel."""
    bootable(series)
    with QemuMachine(series, guests=1) as machine:
        (run,) = machine.run([program])
    assert run.unfinished is None
    return run.steps


def without_probes(kernel: KernelImage, shape: GuestShape, offsets: str | None) -> Guest:
    """A guest that can be looked into, and observes no orders."""
    return Guest(kernel.vmlinuz, shape, offsets=offsets, shared_ram=True)


def flush_counts(series: str, program: Program, *, order: bool) -> list[int]:
    """By how much ``tlb_gen`` of the program's only task grows in each step after the first."""
    bootable(series)
    factory = None if order else without_probes
    with QemuMachine(series, guests=1, look=LookLevel.MEMORY, factory=factory) as machine:
        (run,) = machine.run([program])
    assert run.unfinished is None
    # At the end there is no task.
    counts = [seen.tlb_gens["main"][1] for seen in run.memory[:-1]]
    return [0, *(later - earlier for earlier, later in pairwise(counts))]


@pytest.mark.lab
@pytest.mark.parametrize(
    "series", [pytest.param(one, marks=pytest.mark.xdist_group(f"kernel-{one}")) for one in (OLD, NEW)]
)
class TestKernels:
    """The kernels themselves."""

    def test_the_middle_goes(self, series: str) -> None:
        """
        6.1 erases before it clears, 7.3 flushes when all is cleared; both flush before they unlink.
        """
        lines = ["device bar: pci, 16 pages", "a = mmap bar[0:16] wc shared rw", "munmap a[4:8]"]
        program = load_text("\n".join(["pfnlab program 1", "title t", *lines, ""]))

        step = kernel_steps(series, program)[1]

        assert (MIDDLE["6.1" if series == OLD else "7.3"], 1) == (events(step), step.flushes)

    def test_three_neighbours_in_one_call(self, series: str) -> None:
        """
        6.1 flushes for each of three mappings, 7.3 once for all; the page table's own flush comes on top.
        """
        steps = kernel_steps(series, load_program(litmus_file("munmap-neighbours")))

        flushed = [event for event in steps[-2].events or () if event.startswith("flush")]
        before, own = flushed[:-1], flushed[-1]
        assert own == "flush a[0:1]"
        assert (
            before
            == {
                OLD: ["flush a[0:2]", "flush a[2:4]", "flush a[4:6]"],
                NEW: ["flush a[0:6]"],
            }[series]
        )
        assert steps[-2].flushes == len(flushed)

    def test_recording_flushes_nothing(self, series: str) -> None:
        """
        The kernel's own count of flushes grows by as much in every step where nobody records the order, and
        a step that flushes nothing does not show one.
        """
        lines = [
            *("device bar: pci, 16 pages", "area b: 8 pages", "a = mmap bar[0:16] wc shared rw", "read a[0]"),
            *("mprotect a[4:8] r", "read a[5]", "b = mremap a[8:16] 8 pages maymove fixed", "munmap a[0:2]"),
        ]
        program = load_text("\n".join(["pfnlab program 1", "title t", *lines, ""]))

        recorded, silent = (flush_counts(series, program, order=order) for order in (True, False))

        assert recorded == silent
        assert recorded[1] == recorded[3] == 0 < recorded[2]

    @pytest.mark.target("long")
    def test_an_unknown_function_is_refused_alone(self, series: str) -> None:
        """
        The others are armed, and programs that do not ask for an order get none.
        """
        program = load_text(
            "pfnlab program 1\ntitle t\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n"
        )
        with Guest(bootable(series).vmlinuz, GuestShape(image=guest_image()), fresh=True) as guest:
            first = guest.hello.bar_start >> 12
            placement = Windows(PfnRange(first, first + guest.hello.bar_pages)).place(program)
            assert placement is not None
            asked, unasked = (
                compile_program(program, placement, ObservationRequest(vmas=False, ptes=False, order=order))
                for order in (True, False)
            )
            too_early = guest.request(asked)
            probes = "trace\nprobe no_such_function %di\nprobe memtype_reserve %di\n"
            armed = guest.request(probes)
            guest.request(probes)
            told, untold = guest.request(asked), guest.request(unasked)

        assert "\ne " not in too_early and too_early.endswith("\ndone 1\n")
        assert ["refused no_such_function", "probe memtype_reserve"] == armed.split("\n")[:2]
        assert "order ok" in armed.split("\n")
        assert 1 == told.split("\n").count(f"e memtype_reserve {placement.watched[0].start << 12:x}")
        assert "\ne " not in untold
