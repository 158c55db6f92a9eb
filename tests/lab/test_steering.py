"""Real kernels stopped in the middle of a call: a fork that fails half-way, and a munmap others run into."""

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pfnlab.errors import Misuse, PfnlabError, TimedOut, Undecided
from pfnlab.lab.cast import Answer, Cast
from pfnlab.lab.gdbstub import GdbStub
from pfnlab.lab.hold import Held, Hold, NotReached, Outcome, hold, stack_of
from pfnlab.lab.kernels import kernel_for
from pfnlab.lab.qemu import Guest
from pfnlab.lab.steering import Caller, Injection, Operation, Place, Steering, steered
from pfnlab.lab.symbols import Symbols, kernel_symbols
from pfnlab.lab.waits import Need, judge, judge_sleeping

SERIES = ("6.1", "7.2")
PAGE = 4096
A, OTHER, ANON = 0x100000000000, 0x100000010000, 0x100000020000
SIZE = 4 * PAGE
# PROT_READ | PROT_WRITE; MAP_SHARED, MAP_PRIVATE | MAP_ANONYMOUS, both with MAP_FIXED_NOREPLACE
RW, SHARED, PRIVATE = 3, 0x100001, 0x100022
DONTNEED = 4
VALUE = 0x1234
SEGV = Answer(errno.EFAULT, ("sig", "11", "1"))
OLD = Answer(0, (str(VALUE),))
# A spurious wait, where a CPU was stopped with a scheduler's lock, is rare and does not repeat.
TRIES = 3

lab = [pytest.mark.lab, pytest.mark.xdist_group("steering")]


@dataclass
class Bench:
    """A steered guest."""

    guest: Guest
    steering: Steering

    @property
    def watch(self) -> tuple[int, int]:
        start = self.guest.hello.bar_start
        return start, start + 64 * PAGE


@pytest.fixture(scope="module", params=SERIES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """One machine of four CPUs for each series; skips with the remedy, fails where PFNLAB_LAB=required."""
    folder = Path(tempfile.mkdtemp(prefix="pfnlab-gdb-"))
    try:
        vmlinuz = kernel_for(request.param).vmlinuz
        guest = Guest(vmlinuz, cpus=4, extra=steered(folder / "gdb"))
    except PfnlabError as missing:
        shutil.rmtree(folder)
        if os.environ.get("PFNLAB_LAB") == "required":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    try:
        with guest:
            symbols = kernel_symbols(guest, vmlinuz)
            with GdbStub(folder / "gdb") as stub:
                yield Bench(guest, Steering(stub, symbols, guest.hello.offsets))
    finally:
        shutil.rmtree(folder)


def of(bench: Bench, *, old: object, new: object) -> object:
    """What is true of this bench's series."""
    return old if bench.guest.hello.release.startswith("6.1.") else new


def cast_of_three(bench: Bench) -> Cast:
    """A process of three threads on CPUs 0, 1, 2; two device mappings and an anonymous one, all touched."""
    cast = Cast(bench.guest, bench.watch)
    for task in range(3):
        if task:
            cast.do(0, "thread", task)
        cast.do(task, "pin", task)
    cast.do(0, "mmap", "wc", A, SIZE, RW, SHARED, 0)
    cast.do(0, "mmap", "wc", OTHER, SIZE, RW, SHARED, SIZE)
    cast.do(0, "mmap", "anon", ANON, SIZE, RW, PRIVATE, 0)
    cast.do(0, "store", A, VALUE)
    for task in range(3):
        for address in range(A, A + SIZE, PAGE):
            cast.do(task, "load", address)
        cast.do(task, "load", OTHER)
        cast.do(task, "store", ANON, task)
    return cast


def held_munmap(bench: Bench, cast: Cast, place: str, *forced: Injection) -> Held[None]:
    """Task 0 in the munmap of A, at *place*."""
    caller = Caller(cpu=0, pid=cast.pids[0])
    at = Hold(Place.parse(place), caller, forced)
    return hold(bench.steering, at, lambda: cast.begin(0, "munmap", A, SIZE))


def schedule(bench: Bench, place: str, task: int, verb: str, *arguments: int) -> Outcome:
    """How far *task* gets while task 0 is held at *place* in munmap; afterwards both must finish."""
    for _ in range(TRIES):
        with cast_of_three(bench) as cast:
            with held_munmap(bench, cast, place) as held:
                outcome = held.attempt(cast, task, verb, *arguments)
            finished = [cast.collect(0, 4.0)]
            if outcome.answer is None:
                finished.append(cast.collect(task, 4.0))
        assert all(answer == Answer(0) for answer in finished)
        if outcome.wait is None or outcome.wait.need is not Need.NOTHING:
            break
    return outcome


@pytest.mark.parametrize("text", ["free_pgtables", "untrack_pfn#2", "f:ret", "f#3:ret"])
def test_place_reads_what_it_writes(text: str):
    """
    A place is the same in text and as an object.
    """
    assert text == str(Place.parse(text))


@pytest.mark.parametrize("text", ["", "f#", "f#0", "f#x", "f:exit", "#1", "f:"])
def test_place_wrong(text: str):
    """
    What is no place is refused with what to write.
    """
    with pytest.raises(Misuse, match="write `f`"):
        Place.parse(text)


def test_caller_of_nobody():
    """
    Calls of everybody cannot be asked for.
    """
    with pytest.raises(Misuse, match="name the CPU or the process"):
        Caller()


def test_operation_raises_what_it_met():
    """
    What goes wrong in an operation's thread is raised where its result is asked for.
    """
    operation = Operation(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        operation.result(1.0)


def test_operation_limit():
    """
    Waiting for an operation ends.
    """
    operation = Operation(lambda: time.sleep(0.3))

    with pytest.raises(TimedOut, match=r"the operation was not done within 0\.01 s"):
        operation.result(0.01)


def test_symbols_both_ways():
    """
    Addresses become functions, and functions addresses; data is found by name only.
    """
    symbols = Symbols("1000 T one\n1010 t two.isra.0\n1018 d datum\n2000 T three\n")

    assert (0x1010, "one", "two", None, 0x1018) == (
        symbols.address("two.isra.0"),
        symbols.function(0x100F),
        symbols.function(0x1019),
        symbols.function(0x10),
        symbols.address("datum"),
    )


def test_symbol_unknown():
    """
    A function this kernel lacks is named together with those like it.
    """
    symbols = Symbols("1000 T vma_interval_tree_remove\n", "6.1")

    with pytest.raises(Undecided, match=r"6\.1 has no symbol `vma_interval_remove`; near: vma_interval_tree"):
        symbols.address("vma_interval_remove")


@pytest.mark.parametrize(
    ("need", "functions"),
    [
        (Need.CPU, "smp_call_function_many_cond on_each_cpu_cond_mask flush_tlb_mm_range tlb_finish_mmu"),
        (
            Need.CPU,
            "_raw_spin_rq_lock_nested task_tick asm_sysvec smp_call_function_many_cond unmap_page_range",
        ),
        (Need.MMAP_LOCK, "osq_lock rwsem_down_write_slowpath down_write_killable __vm_munmap"),
        (Need.I_MMAP, "rwsem_spin_on_owner rwsem_down_write_slowpath unlink_file_vma free_pgtables"),
        (Need.I_MMAP, "rwsem_down_read_slowpath unmap_mapping_pages unmap_mapping_range pt_ioctl"),
        (Need.PAGE_TABLE, "native_queued_spin_lock_slowpath _raw_spin_lock unmap_page_range unmap_vmas"),
        (Need.BOOK, "native_queued_spin_lock_slowpath _raw_spin_lock memtype_reserve reserve_pfn_range"),
        (Need.OTHER_LOCK, "rwsem_down_write_slowpath down_write some_driver"),
        (Need.NOTHING, "native_queued_spin_lock_slowpath raw_spin_rq_lock_nested load_balance"),
        (Need.NOTHING, "default_idle do_idle"),
        (Need.NOTHING, ""),
    ],
)
def test_judge(need: Need, functions: str):
    """
    The functions a CPU is in say what it waits for.
    """
    assert need == judge(functions.split()).need


def test_judge_sleeping():
    """
    A sleeping task's functions begin with the one that takes the lock.
    """
    functions = ("__vm_munmap", "__x64_sys_munmap", "do_syscall_64")

    assert Need.MMAP_LOCK == judge_sleeping(functions).need


class TestSteered:
    """What a steered kernel does."""

    pytestmark = lab

    def test_fork_fails_half_way(self, bench: Bench):
        """
        A fork that gets no page table while it copies says ENOMEM, and the memtype list is as before.
        """
        with Cast(bench.guest, bench.watch) as cast:
            cast.do(0, "mmap", "wc", A, SIZE, RW, SHARED, 0)
            cast.do(0, "load", A)
            before = cast.seen.book
            failure = Injection("__pte_alloc", 1, Caller(pid=cast.pids[0]), inside="copy_page_range")

            injected = bench.steering.inject(failure, lambda: cast.do(0, "fork", 1))

            assert (Answer(errno.ENOMEM), True, 1) == (injected.result, injected.forced, injected.calls)
            assert before == cast.seen.book and len(before) == 1
            assert [0] == list(cast.pids)
        assert [] == cast.seen.book

    def test_call_that_does_not_come(self, bench: Bench):
        """
        A call that is not made within the enclosing one is not forced elsewhere, and it is said.
        """
        with Cast(bench.guest, bench.watch) as cast:
            cast.do(0, "mmap", "wc", A, SIZE, RW, SHARED, 0)
            cast.do(0, "load", A)
            failure = Injection("__pte_alloc", 1, Caller(pid=cast.pids[0]), nth=9, inside="copy_page_range")

            injected = bench.steering.inject(failure, lambda: cast.do(0, "fork", 1))

        assert (Answer(0), False, 1) == (injected.result, injected.forced, injected.calls)

    def test_call_of_somebody_else(self, bench: Bench):
        """
        Another process's call of the same function goes through.
        """
        with Cast(bench.guest) as cast:
            cast.do(0, "fork", 1)
            failure = Injection("__x64_sys_munmap", -errno.EIO, Caller(pid=cast.pids[0]))

            injected = bench.steering.inject(failure, lambda: cast.do(1, "munmap", A, PAGE))

        assert (Answer(0), False) == (injected.result, injected.forced)

    def test_error_number(self, bench: Bench):
        """
        A negative value is what the system call returns.
        """
        with Cast(bench.guest) as cast:
            failure = Injection("__x64_sys_munmap", -errno.EIO, Caller(pid=cast.pids[0]))

            injected = bench.steering.inject(failure, lambda: cast.do(0, "munmap", A, PAGE))

        assert (Answer(errno.EIO), True) == (injected.result, injected.forced)

    def test_sibling_reads_stale_translation(self, bench: Bench):
        """
        Zapped but not unlinked: 7.2 has not flushed, so a sibling still reads the device; 6.1 has.
        """
        with cast_of_three(bench) as cast:
            with held_munmap(bench, cast, "free_pgtables") as held:
                reads = [held.attempt(cast, task, "load", A).answer for task in (1, 2)]
            assert Answer(0) == cast.collect(0, 4.0)
            afterwards = [cast.do(task, "load", A) for task in (1, 2)]

        assert [of(bench, old=SEGV, new=OLD)] * 2 == reads
        assert [SEGV] * 2 == afterwards

    def test_sibling_reads_before_flush(self, bench: Bench):
        """
        At the flush the entries are gone, and the sibling reads through the old translation on every kernel.
        """
        with cast_of_three(bench) as cast, held_munmap(bench, cast, "flush_tlb_mm_range") as held:
            reads = held.attempt(cast, 2, "load", A)

        assert OLD == reads.answer

    def test_sibling_unmaps_another_range(self, bench: Bench):
        """
        munmap of another range waits for mmap_lock until the first one is through.
        """
        outcome = schedule(bench, "free_pgtables", 1, "munmap", OTHER, SIZE)

        assert outcome.wait and outcome.wait.need is Need.MMAP_LOCK

    def test_sibling_flushes(self, bench: Bench):
        """
        MADV_DONTNEED needs the held CPU: its flush is answered by every CPU of the process.
        """
        outcome = schedule(bench, "free_pgtables", 1, "madvise", ANON, SIZE, DONTNEED)

        assert outcome.wait and outcome.wait.need is Need.CPU

    def test_flush_left_out(self, bench: Bench):
        """
        With the flush before the unlink skipped by force, a sibling reads the device after the VMA is gone.
        """
        flush = str(of(bench, old="flush_tlb_mm_range", new="tlb_flush_mmu_tlbonly"))
        reads = []
        for skip in (False, True):
            with cast_of_three(bench) as cast:
                skipped = [Injection(flush, 0, Caller(cpu=0, pid=cast.pids[0]))] * skip
                with held_munmap(bench, cast, "tlb_finish_mmu", *skipped) as held:
                    reads.append(held.attempt(cast, 2, "load", A).answer)
                cast.collect(0, 4.0)

        assert [SEGV, OLD] == reads

    def test_return_is_a_place(self, bench: Bench):
        """
        Held at the return of a function, the CPU is in its caller.
        """
        with cast_of_three(bench) as cast, held_munmap(bench, cast, "unmap_vmas:ret"):
            inside = stack_of(bench.steering, 0)

        assert inside[0].startswith("unmap_region")

    def test_place_not_passed(self, bench: Bench):
        """
        A function that is not called is said so, and the operation goes on.
        """
        with cast_of_three(bench) as cast:
            at = Hold(Place("move_page_tables"), Caller(cpu=0))

            with pytest.raises(NotReached, match=r"nobody came by `move_page_tables` within 0\.2 s"):
                hold(bench.steering, at, lambda: cast.begin(0, "munmap", A, SIZE), limit=0.2)

            assert Answer(0) == cast.collect(0, 4.0)
