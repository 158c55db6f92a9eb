"""Programs that hold a processor: who waits for what, and what is seen meanwhile."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from having import NEW, OLD, bootable, have, lacking

from pfnlab.base.errors import Undecided
from pfnlab.base.units import PfnRange
from pfnlab.kernel.mm.processors import Need
from pfnlab.lab.images.driver_module import image_with_driver
from pfnlab.lab.images.modules import vfio_modules
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.running.preparations import preparations
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.running.replies import parse_reply
from pfnlab.lab.running.schedule import NEED_NAMES, OperationStart, Schedule
from pfnlab.lab.running.stepper import NO_LENS
from pfnlab.lab.steering.cast import Cast
from pfnlab.lab.steering.functions import Functions
from pfnlab.lab.steering.steering import Steering
from pfnlab.lab.steering.symbols import Symbols
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run

SERIES = (OLD, NEW)

lab = [pytest.mark.lab, pytest.mark.xdist_group("steering")]

#: Two mappings in one page table, so that it stays when one goes; three threads that have read the first.
DRIVER = """\
area a: 8 pages
a = mmap bar[0:4] driver remap wc shared rw
mmap bar[4:8] driver remap wc shared rw over a[4:8]
t = thread
s = thread
write a[0] 7
s: read a[0]
t: read a[0]
"""
RESOURCE = """\
area a: 8 pages
a = mmap bar[0:8] wc shared rw
c = mmap bar[8:12] wc shared rw
t = thread
s = thread
write a[0] 7
s: read a[0]
t: read a[0]
"""


def program(text: str) -> Program:
    """A program with one device."""
    return load_text(f"pfnlab program 1\ntitle t\ndevice bar: pci, 32 pages\n{text}")


def around(text: str) -> list[tuple[list[str], list[str]]]:
    """What is prepared around each operation, without the ``op`` in front."""
    return [
        ([line[3:] for line in one.before], [line[3:] for line in one.after])
        for one in preparations(program(text))
    ]


class TestPreparations:
    """What the agent does around operations."""

    def test_the_driver_is_told_how_to_map(self):
        """
        A program that holds nothing leaves its tasks where they are.
        """
        found = around("a = mmap bar[0:4] driver part[1:2] wc shared rw\nk = fork\nt = thread\nk: munmap a\n")

        assert [
            (["0 driver watch", "0 driver map 2 1 1000 1000 0"], []),
            ([], []),
            ([], []),
            ([], []),
        ] == found

    def test_every_task_has_a_processor(self):
        """
        A task is made while its creator is with the agent, and pinned before its first operation.
        """
        found = around(
            "a = mmap bar[0:4] wc shared rw\nk = fork\nk: t = thread\nhold unmap_vmas: munmap a\nrelease\n"
        )

        assert (["0 pin 0"], []) == found[0]
        assert (["0 pin 3"], ["0 pin 0", "1 pin 1"]) == found[1]
        assert (["1 pin 3"], ["1 pin 1", "2 pin 2"]) == found[2]
        assert [([], []), ([], [])] == found[3:]

    def test_the_driver_is_there_before_anything_is_held(self):
        """
        Loading it waits for every processor; it is told of an mmap after the task has its own.
        """
        found = around("a = mmap bar[0:4] driver remap wc shared rw\nhold unmap_vmas: munmap a\nrelease\n")

        assert (["0 driver faults", "0 pin 0", "0 driver map 0 1 0 0 0"], []) == found[0]

    def test_a_child_of_the_held_is_pinned_when_it_is_released(self):
        """
        Nobody can be moved while a processor is held, also by the fork that is held.
        """
        found = around(
            "a = mmap bar[0:4] wc shared rw\nhold copy_page_range: k = fork\nrelease\nk: munmap a\n"
        )

        assert [(["0 pin 0"], []), ([], []), ([], ["1 pin 1"]), ([], [])] == found

    def test_nobody_is_pinned_while_another_is_still_held(self):
        """
        The last release pins the child.
        """
        found = around(
            "a = mmap bar[0:4] wc shared rw\nt = thread\nhold copy_page_range: k = fork\n"
            "hold unmap_vmas: t: munmap a\nrelease main\nrelease\n"
        )

        assert [([], []), ([], ["2 pin 2"])] == found[4:]

    def test_processors_of_the_dead_are_free(self):
        """
        With a process all its threads are gone.
        """
        found = around(
            "k = fork\nk: t = thread\nt: exit\nj = fork\ni = fork\n"
            "a = mmap bar[0:4] wc shared rw\nhold unmap_vmas: munmap a\nrelease\n"
        )

        assert ["0 pin 0", "3 pin 1"] == found[3][1]
        assert ["0 pin 0", "4 pin 2"] == found[4][1]

    def test_a_preparation_is_no_step(self):
        """
        A reply has one section for each, and a run one step for each operation of the program.
        """
        held = program("a = mmap bar[0:4] wc shared rw\nhold unmap_vmas: k = fork\nrelease\n")
        sections = "".join(f"step {number}\nr 0 0\n" for number in range(5))
        places = Placement.__new__(Placement)
        object.__setattr__(places, "places", have_places(held))
        object.__setattr__(places, "bar", PfnRange(0xF8000, 0xF8100))
        object.__setattr__(places, "windows", {})

        reply = parse_reply(f"program 1\nbefore\n{sections}step end\nr 0 0\ndone 1\n", held, places)

        assert (None, 4) == (reply.lost, len(reply.steps))


class Interrupted:
    """A guest in which the operation comes to its hold point while nobody listens to the log."""

    def __init__(self) -> None:
        self.start = OperationStart(Cast(self), 0, ["munmap", "0", "1"])
        self.collected = 0

    def request(self, text: str, limit: float) -> str:
        """Nothing is logged in the portion in which it is held; what it said is there afterwards."""
        if "begin" in text:
            return "step 0\nr 0 0 begun\n"
        self.collected += 1
        self.start.stop_waiting = True
        said = "k freeing\n" if self.collected > 1 else ""
        return f"step 0\nr -1 11 running\n{said}"


def test_what_a_held_operation_has_logged_last_is_heard_at_once() -> None:
    """Else it would be a line of the next step."""
    guest = Interrupted()
    guest.start()

    assert (["freeing"], None) == (guest.start.cast.heard, guest.start.answer)


def have_places(held: Program) -> object:
    """Where the program's names lie."""
    from pfnlab.programs.runs.places import Places

    return Places.of(held, {"bar": PfnRange(0xF8000, 0xF8020)})


def test_every_need_has_a_name():
    """
    What the judge of waits tells apart is what observations say.
    """
    assert {need.value for need in Need} - {Need.TRACKER.value} == set(NEED_NAMES.values())


class Symbolised:
    """A guest that is steered, as far as functions are asked for."""

    def __init__(self, *names: str) -> None:
        text = "".join(f"ffffffff8100{at:04x} T {name}\n" for at, name in enumerate(names))
        self.symbols = Symbols(text, "6.1.1")

    def request(self, text: str, limit: float) -> str:
        """It has no module."""
        return "done symbols\n"


class TestFunctions:
    """Kernel functions by the names programs have for them."""

    def functions(self, *names: str) -> Functions:
        """Those of a kernel with these symbols."""
        guest = Symbolised(*names)
        return Functions(guest, cast("Steering", guest))  # type: ignore[arg-type]

    def test_unlink_is_another_function_on_other_kernels(self):
        """
        The one that works in batches is meant where there is one.
        """
        old, new = "unlink_file_vma", "unlink_file_vma_batch_final"

        assert old == self.functions(old).kernel_name("unlink")
        assert new == self.functions(old, new).kernel_name("unlink")

    def test_a_place_may_be_several_functions(self):
        """
        Linking into a file's tree is done by one of two, named for the tree.
        """
        tree, later = "vma_interval_tree_insert", "mapping_rmap_tree_insert"

        assert f"{tree}|{tree}_after" == self.functions(f"{tree}_after", tree).kernel_name("rmap_add")
        assert later == self.functions(later, tree).kernel_name("rmap_add")

    def test_what_the_kernel_lacks(self):
        """
        Of places that programs for all kernels name it may lack some; any other is a question left open.
        """
        functions = self.functions("unmap_vmas")

        assert functions.kernel_name("untrack_pfn") is None
        for name in ("unmap_vmaz", "pfnlab_none"):
            with pytest.raises(Undecided, match=f"6.1.1 has no symbol `{name}`"):
                functions.kernel_name(name)

    def test_a_skipped_function_that_is_not_there(self):
        """
        Then nothing is forced.
        """
        held = program(
            "a = mmap bar[0:4] wc shared rw\nskip untrack_pfn: munmap a\nskip unmap_vmas 2: munmap a\n"
        )
        functions = self.functions("unmap_vmas")

        forced = [functions.injection(op, 7) for op in held.ops]

        assert [None, None] == forced[:2]
        assert forced[2] and ("unmap_vmas", 0, 2) == (forced[2].function, forced[2].returns, forced[2].nth)
        functions.check(held)


def test_only_a_step_that_steering_leaves_alone_is_one_request_with_its_preparations() -> None:
    """A hold or a forced call begins at its operation, and a release ends with it."""
    text = "a = mmap bar[0:4] wc shared rw\nt = fork\nfail vm_area_dup 1: s = fork\n"
    ops = program(f"{text}hold unmap_vmas: munmap a\nrelease\n")
    some: Any = SimpleNamespace(steering=None)
    schedule = Schedule(some, some, some, ops, some, some, some)

    assert [True, True, False, False, False] == [schedule.together(index) for index in range(5)]


@pytest.fixture(scope="module", params=SERIES)
def machine(request: pytest.FixtureRequest) -> Iterator[QemuMachine]:
    """One series, in one guest at a time."""
    kernel = bootable(request.param)
    with QemuMachine(kernel, guests=1) as machine:
        yield machine


def ran(machine: QemuMachine, text: str, *, driver: bool = False) -> Run:
    """The run of a program; a missing lab skips, or fails where it is required."""
    if driver:
        have(functools.partial(image_with_driver, machine.kernel))
    run = machine.run([program(text)])[0]
    if str(run.undecided) == NO_LENS:
        lacking(NO_LENS)
    assert run.unfinished is None
    return run


def held(run: Run) -> list[tuple[str, str, int | str | None]]:
    """Task, result and value of the steps from the first hold on, without the end."""
    first = next(number for number, step in enumerate(run.steps) if "hold " in step.op)
    return [(step.task, step.result, step.value) for step in run.steps[first:-1]]


def of(machine: QemuMachine, *, old: object, new: object) -> object:
    """What is true of this series."""
    return old if machine.kernel.series == "6.1" else new


SEGV = "SIGSEGV code=1"


class TestKernels:
    """What real kernels do while a processor is held."""

    pytestmark = lab

    def test_entries_cleared_and_not_flushed(self, machine: QemuMachine):
        """
        A sibling reads the old translation, and the driver's revocation waits; afterwards nobody reads.
        """
        run = ran(
            machine,
            "a = mmap bar[0:4] driver remap wc shared rw\nb = mmap bar[4:8] driver remap wc shared rw\n"
            "t = thread\ns = thread\nwrite a[0] 7\ns: read a[0]\nhold flush_tlb_mm_range: munmap a\n"
            "s: read a[0]\nt: unmap_mapping_range bar[0:4]\nrelease\ns: read a[0]\n",
            driver=True,
        )

        assert [
            ("main", "held", None),
            ("s", "ok", 7),
            ("t", "waits", "IPI"),
            ("main", "ok", "main ok; t ok"),
            ("s", "EFAULT", SEGV),
        ] == held(run)
        steps = run.steps[6:10]
        assert [(None, 0), (None, 0), (None, 1)] == [(step.vmas, step.flushes) for step in steps[:3]]
        assert steps[3].vmas and steps[3].flushes is None
        assert [entry.entry for entry in steps[0].ptes or ()] == [
            entry.entry for entry in steps[2].ptes or ()
        ]
        both = ["bar[0:4] wc", "bar[4:8] wc"]
        assert of(machine, old=both[1:], new=both) == [str(entry) for entry in steps[0].book]
        assert () == run.steps[-1].book

    def test_unlinked_the_driver_returns(self, machine: QemuMachine):
        """
        A VMA that is in no tree of its file has been flushed.
        """
        text = "hold unlink return: munmap a[0:4]\nt: unmap_mapping_range bar[0:4]\ns: read a[0]\nrelease\n"
        run = ran(machine, DRIVER + text, driver=True)

        assert [
            ("main", "held", None),
            ("t", "ok", None),
            ("s", "EFAULT", SEGV),
            ("main", "ok", "main ok"),
        ] == held(run)
        assert 1 == run.steps[7].flushes

    def test_the_flush_left_out(self, machine: QemuMachine):
        """
        Without it everything goes on, and a sibling reads what is unmapped.
        """
        text = (
            "skip flush_tlb_mm_range: hold tlb_finish_mmu: munmap a[0:4]\ns: read a[0]\n"
            "t: unmap_mapping_range bar[0:4]\ns: read a[0]\nrelease\n"
        )
        run = ran(machine, DRIVER + text, driver=True)

        assert [
            ("main", "held", None),
            ("s", "ok", 7),
            ("t", "ok", None),
            ("s", "ok", 7),
            ("main", "ok", "main ok"),
        ] == held(run)

    def test_readers_flush_nothing_that_a_fork_has_shared(self, machine: QemuMachine):
        """
        Memory that the agent itself used before a fork is neither copied nor flushed in a later operation.
        """
        readers = "numa_maps a\nsmaps_rollup b\npagemap a[0:4]\nmove_pages a[0:4]\nmincore a[0:4]\n"
        run = ran(
            machine,
            "a = mmap bar[0:4] wc shared rw\nb = mmap anon[0:4] private rw populate\n"
            f"{readers}c = fork\nhold unmap_vmas: c: munmap b\n{readers}release\n",
        )

        assert [0] * 5 == [step.flushes for step in run.steps[9:14]]

    def test_nothing_to_leave_out(self, machine: QemuMachine):
        """
        A call that does not come before the place is as if nothing was to be skipped.
        """
        run = ran(machine, RESOURCE + "skip move_page_tables: hold unmap_vmas: munmap a[0:4]\nrelease\n")

        assert [("main", "held", None), ("main", "ok", "main ok")] == held(run)

    def test_places_that_are_several_functions(self, machine: QemuMachine):
        """
        The third time a part comes into the file's tree is the second split, whichever function does it.
        """
        text = RESOURCE + "hold rmap_add 3: munmap a[2:4]\nt: munmap c\nrelease\n"

        assert [
            ("main", "held", None),
            ("t", "waits", "mmap_lock"),
            ("main", "ok", "main ok; t ok"),
        ] == held(ran(machine, text))

    def test_the_book_is_locked(self, machine: QemuMachine):
        """
        Who reads the list waits for who changes it, and takes nothing else on meanwhile.
        """
        text = "hold memtype_erase: munmap a[0:4]\nt: memtype_list\nt: read a[4]\nrelease\nt: memtype_list\n"
        run = ran(machine, DRIVER + text, driver=True)

        assert [
            ("main", "held", None),
            ("t", "waits", "memtype_lock"),
            ("t", "busy", None),
            ("main", "ok", "main ok; t ok"),
            ("t", "ok", None),
        ] == held(run)

    def test_what_an_exec_waits_for_is_named(self, machine: QemuMachine):
        """
        Until 7.1 it has a lock that also who looks for its memory, or asks where it is, waits for.
        """
        waiting = "c: exec\nk: process_madvise a cold c\nrelease\n"
        text = f"a = mmap bar[0:4] wc shared rw\nc = fork\nk = fork\nhold rmap_del: munmap a\n{waiting}"

        old = [("k", "waits", "exec_update_lock"), ("main", "ok", "main ok; c ok; k ENOMEM")]
        new = [("k", "ENOMEM", None), ("main", "ok", "main ok; c ok")]
        assert [
            ("main", "held", None),
            ("c", "waits", "i_mmap_rwsem"),
            *(new if machine.kernel.series in ("7.2", "7.3") else old),
        ] == held(ran(machine, text))

    def test_mmap_lock(self, machine: QemuMachine):
        """
        munmap of another range waits until the first is through, and a fault for the one that waits.
        """
        run = ran(
            machine, RESOURCE + "hold free_pgtables: munmap a[0:4]\nt: munmap c\ns: read a[0]\nrelease\n"
        )

        read = of(machine, old=("s", "waits", "mmap_lock"), new=("s", "ok", 7))
        last = of(machine, old=f"; s EFAULT {SEGV}", new="")
        assert [
            ("main", "held", None),
            ("t", "waits", "mmap_lock"),
            read,
            ("main", "ok", f"main ok; t ok{last}"),
        ] == held(run)

    def test_nobody_comes_by(self, machine: QemuMachine):
        """
        A function the kernel does not have holds nobody; nor does one that is not called.
        """
        run = ran(
            machine,
            RESOURCE + "hold untrack_pfn: munmap a[0:4]\nt: munmap c\nrelease\n"
            "hold move_page_tables: s: read a[4]\nrelease\n",
        )

        last = [("s", "ok", "0, not held"), ("main", "ok", None)]
        not_held = [("main", "ok", "not held"), ("t", "ok", None), ("main", "ok", None)]
        was_held = [("main", "held", None), ("t", "waits", "mmap_lock"), ("main", "ok", "main ok; t ok")]
        assert of(machine, old=was_held + last, new=not_held + last) == held(run)
        assert run.steps[-4].vmas

    def test_a_release_that_lets_nobody_go(self, machine: QemuMachine):
        """
        It is the step of no task, so it ends well where the first task has ended.
        """
        run = ran(
            machine,
            RESOURCE + "munmap c\nk = fork\nexit\nhold unlink return: k: munmap c\nrelease\n",
        )

        assert held(run)[-2:] == [("k", "ok", "not held"), ("main", "ok", None)]

    def test_a_task_that_is_not_there(self, machine: QemuMachine):
        """
        It is not held, as on a model.
        """
        run = ran(machine, RESOURCE + "k = fork set_tid\nhold unlink: k: munmap c\nrelease\n")

        assert held(run)[-2:] == [("k", "ESRCH", "not held"), ("main", "ok", None)]

    def test_as_many_processors_as_tasks(self, machine: QemuMachine):
        """
        The fifth task is held on a processor of its own; the agent goes on on the last.
        """
        run = ran(machine, RESOURCE + "k = fork\nu = thread\nhold unlink return: k: munmap c\nrelease\n")

        assert held(run)[-2:] == [("k", "held", None), ("main", "ok", "k ok")]

    def test_two_are_held(self, machine: QemuMachine):
        """
        In one function; each goes on by its name, and the other stays.
        """
        text = (
            "k = fork\nhold free_pgtables: munmap a[0:4]\nhold free_pgtables: k: munmap c\ns: read a[4]\n"
            "release k\nk: munmap a\nrelease main\n"
        )

        assert held(ran(machine, RESOURCE + text)) == [
            ("main", "held", None),
            ("k", "held", None),
            ("s", "ok", 0),
            ("main", "ok", "main held; k ok"),
            ("k", "ok", None),
            ("main", "ok", "main ok"),
        ]

    def test_who_waits_is_held_later(self, machine: QemuMachine):
        """
        Once the other munmap has given its lock back.
        """
        text = (
            "hold unmap_vmas: munmap a[0:4]\nhold unmap_vmas: t: munmap c\nrelease main\ns: read c[0]\n"
            "release t\n"
        )

        assert held(ran(machine, RESOURCE + text)) == [
            ("main", "held", None),
            ("t", "waits", "mmap_lock"),
            ("main", "ok", "main ok; t held"),
            ("s", "ok", 0),
            ("main", "ok", "t ok"),
        ]

    def test_who_waits_is_let_go_before_its_place(self, machine: QemuMachine):
        """
        It passes there, and ends with the release of the other.
        """
        text = "hold unmap_vmas: munmap a[0:4]\nhold unmap_vmas: t: munmap c\nrelease t\nrelease main\n"

        assert held(ran(machine, RESOURCE + text)) == [
            ("main", "held", None),
            ("t", "waits", "mmap_lock"),
            ("main", "ok", None),
            ("main", "ok", "main ok; t ok"),
        ]

    def test_the_second_never_comes_by(self, machine: QemuMachine):
        """
        Its operation ends beside the first, and its release lets nobody go.
        """
        text = (
            "hold unmap_vmas: munmap a[0:4]\nhold move_page_tables: s: read a[4]\nrelease s\nrelease main\n"
        )

        assert held(ran(machine, RESOURCE + text)) == [
            ("main", "held", None),
            ("s", "ok", "0, not held"),
            ("main", "ok", None),
            ("main", "ok", "main ok"),
        ]

    def test_a_release_waits_for_the_other(self, machine: QemuMachine):
        """
        Its flush interrupts the processor that is still held.
        """
        text = (
            "f = mmap bar[8:12] driver fault wc shared rw\nhold flush_tlb_mm_range: munmap a[0:4]\n"
            "hold vmf_insert_pfn_prot: t: read f[0]\nrelease main\nrelease t\n"
        )

        assert held(ran(machine, DRIVER + text, driver=True)) == [
            ("main", "held", None),
            ("t", "held", None),
            ("main", "ok", "main waits IPI; t held"),
            ("main", "ok", "main ok; t ok 0"),
        ]

    def test_a_function_no_kernel_has(self, machine: QemuMachine):
        """
        The question stays open.
        """
        text = RESOURCE + "hold unmap_vmaz: munmap a[0:4]\nrelease\n"
        (run,) = machine.run([program(text)])

        assert run.undecided
        assert "has no symbol `unmap_vmaz`" in run.undecided or str(run.undecided) == NO_LENS

    def test_a_handler_of_the_driver(self, machine: QemuMachine):
        """
        It runs under mmap_lock; what it was asked for is told at the release.
        """
        run = ran(
            machine,
            "a = mmap bar[0:8] driver fault wc shared rw\nt = thread\nhold pfnlab_fault: read a[0]\n"
            "t: munmap a[4:8]\nrelease\n",
            driver=True,
        )

        assert [
            ("main", "held", None),
            ("t", "waits", "mmap_lock"),
            ("main", "ok", "main ok 0; t ok"),
        ] == held(run)

    def test_requests_to_the_driver_side_by_side(self, machine: QemuMachine):
        """
        A request holds no lock of the guest driver while the kernel works: it waits for locks of the kernel.
        """
        run = ran(
            machine,
            "a = mmap bar[0:4] wc shared rw\nt = thread\nwrite a[0] 7\n"
            "hold flush_tlb_mm_range: request_mem_region bar[0:4]\nt: ioremap bar[8:12] wc\n"
            "t: request_mem_region bar[8:12]\nrelease\n"
            "hold memtype_erase return: t: iounmap\nioremap bar[16:20] wc\nrelease\n",
            driver=True,
        )

        assert [
            ("main", "held", None),
            ("t", "ok", None),
            ("t", "EBUSY", None),
            ("main", "ok", "main ok"),
            ("t", "held", None),
            ("main", "waits", "memtype_lock"),
            ("main", "ok", "t ok; main ok"),
        ] == held(run)

    def test_another_process_revokes(self, machine: QemuMachine):
        """
        It empties its own mapping first, and waits where the held one is mapped.
        """
        run = ran(
            machine,
            "a = mmap bar[0:8] driver remap wc shared rw\nk = fork\nwrite a[0] 7\nk: read a[0]\n"
            "hold unmap_vmas: munmap a[0:4]\nk: unmap_mapping_range bar[0:8]\nrelease\n",
            driver=True,
        )

        assert [
            ("main", "held", None),
            ("k", "waits", "IPI"),
            ("main", "ok", "main ok; k ok"),
        ] == held(run)
        assert 2 == run.steps[-3].flushes

    def test_forks(self, machine: QemuMachine):
        """
        A fork is held and forks are made while a processor is held; the children act afterwards.
        """
        run = ran(
            machine,
            "a = mmap bar[0:8] wc shared rw\nk = fork\nhold unmap_vmas: munmap a\n"
            "k: j = fork\nk: read a[1]\nrelease\nj: read a[1]\nj: exit\n"
            "hold copy_page_range: k: i = fork\nread a[0]\nrelease\ni: read a[1]\n",
        )

        assert [
            ("main", "held", None),
            ("k", "ok", None),
            ("k", "ok", 0),
            ("main", "ok", "main ok"),
            ("j", "ok", 0),
            ("j", "ok", None),
            ("k", "held", None),
            ("main", "EFAULT", SEGV),
            ("main", "ok", "k ok"),
            ("i", "ok", 0),
        ] == held(run)
        assert [0, None, 0] == [step.flushes for step in run.steps[2:5]]
        assert {"main", "k", "j"} >= {entry.task for entry in run.steps[3].ptes or ()} >= {"k", "j"}

    def test_two_runs_are_equal(self, machine: QemuMachine):
        """
        In one guest and in another, and another program does not mind.
        """
        text = program(RESOURCE + "hold unmap_vmas: munmap a[0:4]\nt: munmap c\ns: read a[0]\nrelease\n")

        first, second = machine.run([text, text])
        machine.close()
        (third,) = machine.run([text])

        assert first.unfinished or first.steps == second.steps == third.steps

    def test_threads_without_a_hold(self, machine: QemuMachine):
        """
        They need no guest of another kind, and go with their process; reading the list is an operation.
        """
        run = ran(
            machine,
            "a = mmap bar[0:4] wc shared rw\nk = fork\nk: t = thread\nt: munmap a\nt: memtype_list\n"
            "k: read a[0]\nskip untrack_pfn: k: look\nt: exit\n",
        )

        steps = [(step.task, step.result, step.value) for step in run.steps[2:-1]]
        assert [
            ("k", "ok", None),
            ("t", "ok", None),
            ("t", "ok", None),
            ("k", "EFAULT", SEGV),
            ("k", "ok", None),
            ("t", "ok", None),
        ] == steps
        assert run.steps[2].vmas and {"main", "k"} == {vma.task for vma in run.steps[2].vmas}
        assert all(step.events is not None for step in run.steps[:-1])

    @pytest.mark.target("long")
    def test_a_wait_for_the_lock_of_vfio_pci_is_named(self, machine: QemuMachine):
        """
        Each time, though its functions are a module's; a guest's threads use none of its descriptors up.
        """
        have(functools.partial(vfio_modules, machine.kernel))
        text = (
            "a = mmap bar[0:8] vfio shared rw\nt = thread\n"
            "hold {}: read a[3]\nt: memory_enable bar\nrelease\n"
        )
        asked = program(text.format(of(machine, old="memtype_reserve", new="vmf_insert_pfn_prot")))

        runs = machine.run([asked] * 10)

        if str(runs[0].undecided) == NO_LENS:
            lacking(NO_LENS)
        steps = [(step.result, step.value) for run in runs for step in run.steps if step.op.startswith("t: ")]
        assert [("waits", "memory_lock")] * 10 == steps

    @pytest.mark.target("long")
    def test_the_lock_that_vfio_pci_sleeps_for_is_named(self, machine: QemuMachine):
        """
        Up to 6.9 one function of it takes the lock of the address space and its own; later ones take neither.
        """
        have(functools.partial(vfio_modules, machine.kernel))
        asked = program(
            "a = mmap bar[0:8] vfio shared rw\nt = thread\nread a[3]\n"
            "hold change_protection: mprotect a[0:4] r\nt: memory_disable bar\nrelease\n"
        )

        run = machine.run([asked])[0]

        if str(run.undecided) == NO_LENS:
            lacking(NO_LENS)
        step = next(step for step in run.steps if step.op.startswith("t: "))
        assert of(machine, old=("waits", "mmap_lock"), new=("waits", "IPI")) == (step.result, step.value)
