"""Real kernels stopped in the middle of a call: a fork that fails half-way, and a munmap others run into."""

import errno
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from having import NEW, OLD, bootable, lacking
from open_cast import OpenCast

from pfnlab.base.errors import LostGuest, PfnlabError, TimedOut, Undecided
from pfnlab.lab.images.driver_module import image_with_driver
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.schedule import OperationStart
from pfnlab.lab.steering.cast import Answer, Cast
from pfnlab.lab.steering.gdbstub import GdbStub
from pfnlab.lab.steering.hold import HeldCpu, HoldOutcome, HoldPoint, NotReached, hold, stack_of
from pfnlab.lab.steering.points import Injection, Place
from pfnlab.lab.steering.steering import BackgroundCall, Steering
from pfnlab.lab.steering.symbols import kernel_symbols, module_symbols
from pfnlab.lab.steering.waits import Obstacle
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest

SERIES = (OLD, NEW)
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
    no_driver: str

    @property
    def watch(self) -> tuple[int, int]:
        start = self.guest.hello.bar_start
        return start, start + 64 * PAGE


@pytest.fixture(scope="module", params=SERIES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """One machine of four CPUs for each series; skips with the remedy, fails where PFNLAB_LAB=required."""
    image, no_driver = None, ""
    try:
        kernel = bootable(request.param)
        try:
            image = image_with_driver(kernel)
        except PfnlabError as missing:
            no_driver = str(missing)
        guest = boot(kernel, image)
    except PfnlabError as missing:
        lacking(str(missing))
    with guest:
        symbols = kernel_symbols(guest, kernel.vmlinuz)
        with closing(GdbStub(guest.listen_for_gdb())) as stub:
            yield Bench(guest, Steering(stub, symbols, guest.hello.offsets), no_driver)


# A boot that fails is tried once more, as the runner does: four processors of an emulator that patches the
# kernel's text now and then meet a breakpoint of the patching, and the kernel ends before its first process.
def boot(kernel: KernelImage, image: Path | None) -> Guest:
    try:
        return Guest(kernel.vmlinuz, GuestShape(cpus=4, image=image), fresh=True)
    except LostGuest as reason:
        print(f"{reason}; it is booted once more")
        return Guest(kernel.vmlinuz, GuestShape(cpus=4, image=image), fresh=True)


def of(bench: Bench, *, old: object, new: object) -> object:
    """What is true of this bench's series."""
    return old if bench.guest.hello.release.startswith("6.1.") else new


def cast_of_three(bench: Bench) -> OpenCast:
    """A process of three threads on CPUs 0, 1, 2; two device mappings and an anonymous one, all touched."""
    cast = OpenCast(bench.guest, bench.watch)
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


def device(bench: Bench) -> int:
    """Where the driver's device begins, away from what the other tests map."""
    return bench.watch[0] + 32 * PAGE


def driver_cast(bench: Bench) -> OpenCast:
    """A process of three threads on CPUs 0, 1, 2, which have all touched a mapping the driver made."""
    if bench.no_driver:
        lacking(bench.no_driver)
    cast = OpenCast(bench.guest, bench.watch)
    # Loading the module waits for every CPU, so it comes first.
    cast.do(0, "driver", "map", 0, 1, device(bench), SIZE, 1)
    for task in range(3):
        if task:
            cast.do(0, "thread", task)
        cast.do(task, "pin", task)
    # A neighbour keeps the page table.
    for at in (0, SIZE):
        cast.do(0, "mmap", "driver", A + at, SIZE, RW, SHARED, device(bench) + at)
    for task in range(3):
        for address in range(A, A + 2 * SIZE, PAGE):
            cast.do(task, "load", address)
    cast.do(1, "driver", "faults")
    return cast


@contextmanager
def held(bench: Bench, cast: Cast, at: HoldPoint, verb: str, *arguments: int) -> Iterator[HeldCpu[None]]:
    """Task 0 in an operation, at the place of *at*; its CPU goes on afterwards."""
    start = OperationStart(cast, 0, [verb, *map("{:x}".format, arguments)])
    try:
        cpu = hold(bench.steering, at, start)
    finally:
        start.stop_waiting = True
    # The agent is still waiting for the operation.
    cpu.others(cpu.result)
    try:
        yield cpu
    finally:
        cpu.release()


def held_munmap(
    bench: Bench, cast: Cast, function: str, *forced: Injection, at_return: bool = False
) -> AbstractContextManager[HeldCpu[None]]:
    """Task 0 in the munmap of A, at *function*."""
    place = Place(function, at_return=at_return)
    return held(bench, cast, HoldPoint(place, cast.pids[0], forced), "munmap", A, SIZE)


def schedule(bench: Bench, place: str, task: int, verb: str, *arguments: int) -> HoldOutcome:
    """How far *task* gets while task 0 is held at *place* in munmap; afterwards both must finish."""
    for _ in range(TRIES):
        with cast_of_three(bench) as cast:
            with held_munmap(bench, cast, place) as cpu:
                outcome = cpu.attempt(cast, task, verb, *arguments)
            finished = [cast.collect(0, 4.0)]
            if outcome.answer is None:
                finished.append(cast.collect(task, 4.0))
        assert all(answer == Answer(0) for answer in finished)
        if outcome.wait is None or outcome.wait.need is not Obstacle.NOTHING:
            break
    return outcome


def test_operation_raises_what_it_met():
    """
    What goes wrong in an operation's thread is raised where its result is asked for.
    """
    operation = BackgroundCall(lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        operation.result(1.0)


def test_operation_limit():
    """
    Waiting for an operation ends.
    """
    operation = BackgroundCall(lambda: time.sleep(0.3))

    with pytest.raises(TimedOut, match=r"the operation was not done within 0\.01 s"):
        operation.result(0.01)


class TestSteered:
    """What a steered kernel does."""

    pytestmark = lab

    def test_fork_fails_half_way(self, bench: Bench):
        """
        A fork that gets no page table while it copies says ENOMEM, and the memtype list is as before.
        """
        with OpenCast(bench.guest, bench.watch) as cast:
            cast.do(0, "mmap", "wc", A, SIZE, RW, SHARED, 0)
            cast.do(0, "load", A)
            before = cast.book
            failure = Injection("__pte_alloc", 1, cast.pids[0], inside="copy_page_range")

            injected = bench.steering.inject(failure, lambda: cast.do(0, "fork", 1))

            assert (Answer(errno.ENOMEM), True, 1) == (injected.result, injected.forced, injected.calls)
            assert before == cast.book and len(before) == 1
            assert [0] == list(cast.pids)
        assert [] == cast.book

    def test_call_that_does_not_come(self, bench: Bench):
        """
        A call that is not made within the enclosing one is not forced elsewhere, and it is said.
        """
        with OpenCast(bench.guest, bench.watch) as cast:
            cast.do(0, "mmap", "wc", A, SIZE, RW, SHARED, 0)
            cast.do(0, "load", A)
            failure = Injection("__pte_alloc", 1, cast.pids[0], nth=9, inside="copy_page_range")

            injected = bench.steering.inject(failure, lambda: cast.do(0, "fork", 1))

        assert (Answer(0), False, 1) == (injected.result, injected.forced, injected.calls)

    def test_call_that_cannot_come(self, bench: Bench):
        """
        Where the enclosing function has no way to the call, as when it is inlined, nothing is concluded.
        """
        with OpenCast(bench.guest, bench.watch) as cast:
            cast.do(0, "mmap", "wc", A, SIZE, RW, SHARED, 0)
            failure = Injection("copy_page_range", 1, cast.pids[0], inside="free_pgd_range")

            with pytest.raises(Undecided, match=r"no call of copy_page_range in free_pgd_range here"):
                bench.steering.inject(failure, lambda: cast.do(0, "munmap", A, SIZE))

    @pytest.mark.parametrize("caller", ["remap_pfn_range", "free_pgd_range"])
    def test_call_that_its_caller_has_inlined(self, bench: Bench, caller: str):
        """
        A call that is not reached is not made, unless the function on the way to it has none.
        """
        with OpenCast(bench.guest, bench.watch) as cast:
            cast.do(0, "mmap", "wc", A, SIZE, RW, SHARED, 0)
            failure = Injection("__pte_alloc", 1, cast.pids[0], nth=9, caller=caller)
            inlined = caller != "remap_pfn_range"

            with pytest.raises(Undecided, match=caller) if inlined else nullcontext():
                injected = bench.steering.inject(failure, lambda: cast.do(0, "munmap", A, SIZE))
                assert (Answer(0), False) == (injected.result, injected.forced)

    def test_call_of_somebody_else(self, bench: Bench):
        """
        Another process's call of the same function goes through.
        """
        with OpenCast(bench.guest) as cast:
            cast.do(0, "fork", 1)
            failure = Injection("__x64_sys_munmap", -errno.EIO, cast.pids[0])

            injected = bench.steering.inject(failure, lambda: cast.do(1, "munmap", A, PAGE))

        assert (Answer(0), False) == (injected.result, injected.forced)

    def test_error_number(self, bench: Bench):
        """
        A negative value is what the system call returns.
        """
        with OpenCast(bench.guest) as cast:
            failure = Injection("__x64_sys_munmap", -errno.EIO, cast.pids[0])

            injected = bench.steering.inject(failure, lambda: cast.do(0, "munmap", A, PAGE))

        assert (Answer(errno.EIO), True) == (injected.result, injected.forced)

    def test_sibling_reads_stale_translation(self, bench: Bench):
        """
        Zapped but not unlinked: 7.2 has not flushed, so a sibling still reads the device; 6.1 has.
        """
        with cast_of_three(bench) as cast:
            with held_munmap(bench, cast, "free_pgtables") as cpu:
                reads = [cpu.attempt(cast, task, "load", A).answer for task in (1, 2)]
            assert Answer(0) == cast.collect(0, 4.0)
            afterwards = [cast.do(task, "load", A) for task in (1, 2)]

        assert [of(bench, old=SEGV, new=OLD)] * 2 == reads
        assert [SEGV] * 2 == afterwards

    def test_sibling_reads_before_flush(self, bench: Bench):
        """
        At the flush the entries are gone, and the sibling reads through the old translation on every kernel.
        """
        with cast_of_three(bench) as cast, held_munmap(bench, cast, "flush_tlb_mm_range") as cpu:
            reads = cpu.attempt(cast, 2, "load", A)

        assert OLD == reads.answer

    def test_sibling_unmaps_another_range(self, bench: Bench):
        """
        munmap of another range waits for mmap_lock until the first one is through.
        """
        outcome = schedule(bench, "free_pgtables", 1, "munmap", OTHER, SIZE)

        assert outcome.wait and outcome.wait.need is Obstacle.MMAP_LOCK

    def test_sibling_flushes(self, bench: Bench):
        """
        MADV_DONTNEED needs the held CPU: its flush is answered by every CPU of the process.
        """
        outcome = schedule(bench, "free_pgtables", 1, "madvise", ANON, SIZE, DONTNEED)

        assert outcome.wait and outcome.wait.need is Obstacle.CPU

    def test_flush_left_out(self, bench: Bench):
        """
        With the flush before the unlink skipped by force, a sibling reads the device after the VMA is gone.
        """
        # Where the smaller function is inlined, the larger one is what it calls.
        smaller = "tlb_flush_mmu_tlbonly"
        flush = smaller if smaller in bench.steering.symbols else "flush_tlb_mm_range"
        reads = []
        for skip in (False, True):
            with cast_of_three(bench) as cast:
                skipped = [Injection(flush, 0, cast.pids[0])] * skip
                with held_munmap(bench, cast, "tlb_finish_mmu", *skipped) as cpu:
                    reads.append(cpu.attempt(cast, 2, "load", A).answer)
                cast.collect(0, 4.0)

        assert [SEGV, OLD] == reads

    @pytest.mark.parametrize(
        ("place", "need"),
        [
            ("unmap_vmas", Obstacle.CPU),
            ("flush_tlb_mm_range", Obstacle.CPU),
            ("free_pgtables", Obstacle.CPU),
            ("unlink", Obstacle.CPU),
            ("unlink:ret", None),
            ("tlb_finish_mmu", None),
            ("vm_area_free", None),
        ],
    )
    def test_driver_revokes(self, bench: Bench, place: str, need: Obstacle | None):
        """
        unmap_mapping_range needs the CPU in munmap while the VMA is linked; when it returns, nobody reads.
        """
        function, edge, _ = place.partition(":ret")
        unlink = str(of(bench, old="unlink_file_vma", new="unlink_file_vma_batch_final"))
        with driver_cast(bench) as cast:
            with held_munmap(bench, cast, function.replace("unlink", unlink), at_return=bool(edge)) as cpu:
                revoked = cpu.attempt(cast, 1, "driver", "unmap", device(bench), SIZE, 0)
                reads = cpu.attempt(cast, 2, "load", A)
            finished = [cast.collect(0, 4.0), *([cast.collect(1, 4.0)] if need else [])]

        assert need == (revoked.wait and revoked.wait.need)
        assert need or Answer(0) == revoked.answer
        assert SEGV == reads.answer
        assert all(answer == Answer(0) for answer in finished)

    def test_hold_in_a_fault_handler(self, bench: Bench):
        """
        A driver's fault handler runs under mmap_lock: munmap of another range waits for it.
        """
        with driver_cast(bench) as cast:
            symbols = bench.steering.symbols
            bench.steering.symbols = symbols.including(module_symbols(bench.guest, "pfnlab_driver"))
            cast.do(0, "driver", "zap", A, SIZE)
            at = HoldPoint(Place("pfnlab_fault"), cast.pids[0])
            with held(bench, cast, at, "load", A) as cpu:
                outcome = cpu.attempt(cast, 1, "munmap", A + SIZE, SIZE)
            bench.steering.symbols = symbols
            finished = [cast.collect(task, 4.0) for task in (0, 1)]

        assert outcome.wait and outcome.wait.need is Obstacle.MMAP_LOCK
        assert [0, 0] == [answer.errno for answer in finished if answer]

    def test_module_not_loaded(self, bench: Bench):
        """
        The symbols of a module that is not there cannot be had.
        """
        with pytest.raises(Undecided, match="the guest has no module `nfs` loaded"):
            module_symbols(bench.guest, "nfs")

    def test_second_call(self, bench: Bench):
        """
        Only the call that was named is forced.
        """
        with OpenCast(bench.guest) as cast:
            failure = Injection("__x64_sys_munmap", -errno.EIO, cast.pids[0], nth=2)

            injected = bench.steering.inject(
                failure, lambda: [cast.do(0, "munmap", A, PAGE).errno for _ in range(3)]
            )

        assert ([0, errno.EIO, 0], 2) == (injected.result, injected.calls)

    def test_return_is_a_place(self, bench: Bench):
        """
        Held at the return of a function, the CPU is in its caller.
        """
        with cast_of_three(bench) as cast, held_munmap(bench, cast, "unmap_vmas", at_return=True):
            inside = stack_of(bench.steering, 0)

        assert inside[0].startswith("unmap_region")

    def test_place_not_passed(self, bench: Bench):
        """
        A function that is not called is said so, and the operation goes on.
        """
        with cast_of_three(bench) as cast:
            at = HoldPoint(Place("move_page_tables"), cast.pids[0])

            with pytest.raises(NotReached, match=r"no task reached `move_page_tables` within 0\.2 s"):
                hold(bench.steering, at, lambda: cast.begin(0, "munmap", A, SIZE), limit=0.2)

            assert Answer(0) == cast.collect(0, 4.0)
