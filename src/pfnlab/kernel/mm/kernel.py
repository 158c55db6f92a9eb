"""A running kernel: its components from boot on, the tasks, and the entry point for every system call."""

from __future__ import annotations

import errno
from bisect import insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar, get_args

from pfnlab.base.errors import ModelledErrno, Undecided, Why
from pfnlab.base.trace import Trace
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.physmap import PhysicalMap, Resource
from pfnlab.kernel.hw.platform import Platform
from pfnlab.kernel.hw.tlb import Tlb
from pfnlab.kernel.mm.failures import Failures
from pfnlab.kernel.mm.gather import Flushes, FlushPlacement, NoForcedFlush
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.memtype import MemtypeBook
from pfnlab.kernel.mm.mlock_batch import MlockBatch
from pfnlab.kernel.mm.processors import Need, Processors
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.tracker import Tracker
from pfnlab.kernel.mm.vma import AddressSpace, Vma, accounted
from pfnlab.kernel.mm.walk_policy import SpecialBits, WalkerPolicy, Walkers

#: The page from which mmap looks for free space: the top of user space, below the stack.
_MMAP_BASE = (0x7FFFF0000000) >> 12

if TYPE_CHECKING:
    from pfnlab.kernel.hw.pgtable import Page
    from pfnlab.kernel.mm.users.driver import DriverState
    from pfnlab.kernel.mm.users.pci import PciDevice
    from pfnlab.kernel.mm.users.vfio import VfioDevice

T = TypeVar("T")

_PGOFF = attrgetter("pgoff")

#: Number of pages that fit into the memory of any machine (128 MiB); more may not fit on all of them.
GRANTED_PAGES = 1 << 15


@dataclass
class Task:
    """A process, or one of its further threads, running on its own processor.

    :ivar comm: the name that kernel messages print
    :ivar mm: the address space, shared by all threads of a process
    :ivar exec_update_lock: the lock under which an exec replaces the address space
    """

    comm: str
    pid: int
    mm: MmStruct
    tlb: Tlb = field(default_factory=Tlb)

    def __post_init__(self) -> None:
        self.exec_update_lock = RwLock(self.mm.kernel.processors, Need.EXEC_UPDATE)


class Kernel:
    """One modelled kernel, from boot on.

    :param tracker: creates the tracker for this kernel
    :param flushes: the policies that force flushes of PFN VMAs, by kernel call
    :param walkers: the policies that decide which pages each walker accepts
    :ivar current: the running task
    :ivar next_pid: the next task's pid
    :ivar warned: the once-per-boot lines that have been printed
    :ivar i_mmap_rwsems: the reverse map lock of each address space object
    :ivar device_lock: the mutex of the one device to which a driver can bind
    """

    def __init__(
        self,
        profile: Profile,
        platform: Platform,
        tracker: Callable[[Kernel], Tracker],
        flushes: Flushes[FlushPlacement] | None = None,
        walkers: Walkers[WalkerPolicy] | None = None,
    ) -> None:
        self.profile = profile
        self.platform = platform
        self.trace = Trace()
        self.failures = Failures()
        self.processors = Processors(self._turn_to)
        self.book = MemtypeBook(
            platform,
            self.trace,
            processors=self.processors,
            end_match=profile.end_match,
            mtrr_merged_map=profile.mtrr_merged_map,
            neighbours_apart=profile.neighbours_apart,
            reserve_keeps_top=profile.reserve_keeps_top,
        )
        self.book.entry_fails = partial(self.failures.fails, "kmalloc")
        self.tracker = tracker(self)
        self.flushes = flushes if flushes is not None else Flushes[FlushPlacement].all(NoForcedFlush())
        self.walkers = walkers if walkers is not None else Walkers.all(SpecialBits())
        #: The content of device pages (:mod:`pfnlab.kernel.mm.content`); 0 if never written.
        self.memory: dict[int, int] = {}
        #: Device pages that do not respond: loads return 0 and stores are lost.
        self.undecoded: tuple[PfnRange, ...] = ()
        self.tasks: dict[str, Task] = {}
        #: A loaded driver's state between calls, used only by the driver.
        self.driver: DriverState | None = None
        #: Devices opened through vfio-pci, by name; used only by vfio.
        self.vfio: dict[str, VfioDevice] = {}
        #: Devices on the PCI bus, by name; used only by the PCI files.
        self.pci: dict[str, PciDevice] = {}
        #: Maps the kernel's pages into every new program, if that is modelled (S9.11).
        self.additional_pages: Callable[[MmStruct], None] | None = None
        self.mlock_batch = MlockBatch(drained_by_unmap=profile.unmap_drains_lru)
        #: Pages committed for the tasks' VMAs (vm_committed_as), not counting the tasks' own memory.
        self.committed = 0
        self._later: list[Callable[[], None]] = []
        #: All file VMAs in the order of a reverse map walk: by offset, then in the order they were linked.
        self.i_mmap: list[Vma] = []
        self.i_mmap_rwsems = {
            mapping: RwLock(self.processors, Need.I_MMAP) for mapping in get_args(AddressSpace)
        }
        self.device_lock = RwLock(self.processors, Need.DEVICE)
        self.current: Task | None = None
        #: Tasks removed from `tasks` whose address space has not been torn down yet.
        self.exiting: dict[str, Task] = {}
        #: Tasks of killed processes that some operation keeps in the kernel.
        self.doomed: set[str] = set()
        self.next_pid = 100
        self.warned: set[str] = set()

    def state(self) -> tuple[object, ...]:
        """State outside tasks, memtype list, policies and driver: claims, forced failures, pending work."""
        busy = [
            tuple(resource)
            for resource in self.platform.phys.resources
            if resource.busy and not resource.system_ram
        ]
        return busy, self.failures.state(), len(self._later), sorted(self.doomed)

    def start_task(self, comm: str) -> Task:
        """Start a new process with a new address space."""
        return self.add_task(comm, self.new_space())

    def new_space(self) -> MmStruct:
        """A new program's address space, with the pages that the kernel maps into it."""
        mm = MmStruct(self)
        if self.additional_pages is not None:
            self.additional_pages(mm)
        return mm

    def add_task(self, comm: str, mm: MmStruct, pid: int | None = None) -> Task:
        task = Task(comm, self.take_pid() if pid is None else pid, mm)
        mm.visible = True
        self.tasks[comm] = task
        self.current = task
        return task

    def take_pid(self) -> int:
        self.next_pid += 1
        return self.next_pid - 1

    @contextmanager
    def as_init(self) -> Iterator[None]:
        """Run the operations inside this context as the first process, which is not part of the program."""
        current = self.current
        assert current is not None
        self.current = replace(current, comm="init", pid=1)
        try:
            yield
        finally:
            self.current = current

    @property
    def current_comm(self) -> str:
        """The running task's name."""
        return self.current.comm if self.current else "swapper"

    @property
    def current_pid(self) -> int:
        """The running task's pid."""
        return self.current.pid if self.current else 0

    @property
    def who(self) -> str:
        """The running task as PAT code messages print it: ``comm:pid``."""
        return f"{self.current_comm}:{self.current_pid}"

    def pr_warn_once(self, line: str) -> None:
        """Print a line at most once per boot, whichever task it is; its text identifies the call site."""
        self.pr_once(line, "warning")

    def pr_once(self, line: str, level: str) -> None:
        site = line.replace(f"{self.current_comm} ({self.current_pid})", "")
        if site not in self.warned:
            self.warned.add(site)
            self.trace.printk(line, level)

    def warn_once(self, source: str, line: str) -> None:
        """A WARN_ONCE with text: *line*, and its place in the *source*."""
        if line.split(" 0x")[0] not in self.warned:
            self.warned.add(line.split(" 0x")[0])
            self.trace.printk(line)
            self.trace.printk(f"WARNING at {source}")

    def warn_on_once(self, source: str, function: str) -> None:
        """A WARN_ON_ONCE, which has no text, so its place in *function* identifies it."""
        if function not in self.warned:
            self.warned.add(function)
            self.trace.printk(f"WARNING at {source}")

    def lru_cache_disable(self) -> None:
        """Wait for a grace period, and for every processor to empty its page batches (S7.5.10)."""
        self.processors.wait(Need.IPI, lambda: not self.processors.held)
        self.mlock_batch.drain()

    def commit(self, nr: int) -> None:
        """Commit *nr* pages for private writable memory (security_vm_enough_memory_mm).

        :raises Undecided: if there may not be enough memory
        """
        if nr > GRANTED_PAGES:
            raise Undecided(
                f"the model does not know whether a machine has {nr} pages for private memory", Why.NO_RULE
            )
        self.committed += nr

    def uncommit(self, nr: int) -> None:
        """Undo a commitment (vm_unacct_memory)."""
        self.committed -= nr

    def take_uncovered(self) -> int:
        """Return and forget the committed pages that no VMA accounts for; negative if there are too few."""
        mms = {task.mm for task in self.tasks.values()}
        uncovered = self.committed - accounted([vma for mm in mms for vma in mm.vmas])
        self.committed -= uncovered
        return uncovered

    def link_file(self, vma: Vma, parent: Vma | None = None) -> None:
        """Insert the VMA into the file's reverse map."""
        assert vma.i_mapping is not None
        with self.i_mmap_rwsem(vma.i_mapping).write():
            self.insert_file(vma, parent)

    def insert_file(self, vma: Vma, parent: Vma | None = None) -> None:
        """vma_interval_tree_insert, or insert_after for a copy made by fork; the lock is held (S6.7.2)."""
        with self.processors.inside("rmap_add"):
            if parent is not None:
                self.i_mmap.insert(self.i_mmap.index(parent) + 1, vma)
            else:
                insort(self.i_mmap, vma, key=_PGOFF)

    def unlink_file(self, vma: Vma) -> None:
        """Remove the VMA from the file's reverse map."""
        assert vma.i_mapping is not None
        with self.i_mmap_rwsem(vma.i_mapping).write():
            self.remove_file(vma)

    def remove_file(self, vma: Vma) -> None:
        """vma_interval_tree_remove; the caller holds the lock."""
        with self.processors.inside("rmap_del"):
            self.i_mmap.remove(vma)

    def i_mmap_rwsem(self, mapping: AddressSpace) -> RwLock:
        """The reverse map lock of an address space object."""
        return self.i_mmap_rwsems[mapping]

    def flush_tlbs(self, mm: MmStruct, start: int | None, end: int | None) -> None:
        """Flush pages ``[start, end)``, or everything, on the processors running in *mm*."""
        for task in self.tasks.values():
            if task.mm is mm:
                task.tlb.flush(start, end)

    def stands_in(self, mm: MmStruct) -> bool:
        """True if a processor running in *mm* is held, and so takes no interrupts."""
        return any(self.tasks[held.task].mm is mm for held in self.processors.held)

    def _turn_to(self, task: str) -> None:
        self.current = self.tasks.get(task) or self.exiting[task]

    def may_claim(self, resource: Resource) -> bool:
        """True if a driver can claim *resource* (__request_region, S9.1.6)."""
        return self.platform.phys.may_request(resource.start, resource.end)

    def claim(self, resource: Resource) -> None:
        """Add a driver's resource to the physical memory map."""
        self._replug(self.platform.phys.with_resource(resource))

    def release(self, resource: Resource) -> None:
        """Remove a driver's resource from the physical memory map."""
        self._replug(self.platform.phys.without_resource(resource))

    def _replug(self, phys: PhysicalMap) -> None:
        self.platform = self.book.platform = replace(self.platform, phys=phys)

    def unmapped_area(self, mm: MmStruct, nr: int) -> int:
        """A free address for *nr* pages, searched top down; programs never see the address itself."""
        at = _MMAP_BASE - nr
        while vmas := mm.vmas_in(at, at + nr):
            at = vmas[0].start - nr
        return at

    def processes(self) -> list[Task]:
        """The first task in each address space, oldest first."""
        first: dict[int, Task] = {}
        for task in sorted(self.tasks.values(), key=lambda task: task.pid):
            first.setdefault(id(task.mm), task)
        return list(first.values())

    def call(self, task: Task, body: Callable[[], T]) -> tuple[int, T | None]:
        """Run one of *task*'s system calls to its end.

        :return: the call's errno (0 for success) and return value, None if it failed
        """
        self.current = task
        try:
            return 0, body()
        except ModelledErrno as error:
            return error.errno, None
        finally:
            pending, self._later = self._later, []
            for work in pending:
                work()

    def later(self, work: Callable[[], None]) -> None:
        """Schedule *work* for the end of the system call (task_work_add), when files are released."""
        self._later.append(work)

    def load(self, pfn: int) -> int:
        """The content of a device page, or of one of the driver's own pages."""
        if (page := self._own_page(pfn)) is not None:
            return page.value
        return 0 if self._silent(pfn) else self.memory.get(pfn, 0)

    def store(self, pfn: int, value: int) -> None:
        """Replace the content of a device page, or of one of the driver's own pages."""
        if (page := self._own_page(pfn)) is not None:
            page.value = value
        elif not self._silent(pfn):
            self.memory[pfn] = value

    def _own_page(self, pfn: int) -> Page | None:
        return self.driver.pages.get(pfn) if self.driver is not None else None

    def _silent(self, pfn: int) -> bool:
        if self.platform.is_top(pfn):
            return True
        return any(pfns.start <= pfn < pfns.end for pfns in self.undecoded)

    def vmas(self) -> list[Vma]:
        """All existing VMAs."""
        return [vma for task in self.processes() for vma in task.mm]

    def _check(self) -> None:
        self.book._check()
        for task in self.processes():
            task.mm._check()
        for task in self.tasks.values():
            stale = task.tlb.stale(task.mm.tables)
            assert not stale or self.processors.omitted, "an operation left translations behind"
        self.tracker._check(self.vmas())


#: The errno of an operation by a task that does not exist or has exited.
NO_TASK = errno.ESRCH
