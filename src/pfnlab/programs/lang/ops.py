"""A parsed program: devices, areas and operations, as plain values.

Every form of a program (text, JSON) is converted to these structures, and every machine runs them. Page
ranges are half-open and counted in pages.

An **area** is a named range of address space. ``a = mmap bar[0:16] wc shared rw`` maps at the start of area
``a``; from then on ``a[4:8]`` means the addresses of its pages 4..7, whichever task uses the name. A fork
copies the address space, so names mean the same addresses in every task.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import msgspec

from pfnlab.programs.lang.device_ops import DriverCall, DriverMap, SlotCall, VfioCall
from pfnlab.programs.lang.fields import Flag, Row, Shape, Word
from pfnlab.programs.lang.forced import Fail, Hold, Skip
from pfnlab.programs.lang.process_ops import ADVICE_WORD, POLICIES, ProcessMadvise, ProcessMrelease, Setrlimit
from pfnlab.programs.lang.span import OnPages, Span
from pfnlab.programs.lang.walk_ops import ClearRefs, Mincore, ProcessVmReadv, Status, Walk

if TYPE_CHECKING:
    from pfnlab.programs.lang.needs import GuestNeeds

#: The task with which every program starts.
MAIN_TASK = "main"

#: The interface through which a mapping is made.
Via = Literal["wc", "uc", "devmem", "devmem-sync", "proc-wc", "proc-uc", "driver", "vfio", "anon", "perf"]

#: Interfaces that map a PCI BAR, low memory, and physical memory outside devices; anonymous memory and perf
#: buffers have one interface each.
PCI_VIAS: tuple[Via, ...] = ("wc", "uc", "devmem", "devmem-sync", "proc-wc", "proc-uc", "driver", "vfio")
LOWMEM_VIAS: tuple[Via, ...] = ("devmem", "devmem-sync")
PHYSICAL_VIAS: tuple[Via, ...] = ("devmem", "devmem-sync", "driver")

#: Ways to make a fork fail for reasons outside memory management.
ForkRefusal = Literal["set_tid", "overcommit_memory", "pids_max"]

DeviceKind = Literal["pci", "lowmem", "isa", "top", "limit"]

#: The interfaces that can map a device, by its kind.
DEVICE_VIAS: dict[DeviceKind, tuple[Via, ...]] = {
    "pci": PCI_VIAS,
    "lowmem": LOWMEM_VIAS,
    "isa": PHYSICAL_VIAS,
    "top": PHYSICAL_VIAS,
    "limit": PHYSICAL_VIAS,
}

#: The kinds of device of which a machine has exactly one, always in the same place.
ONLY_KINDS: tuple[DeviceKind, ...] = ("isa", "top", "limit")

#: The kinds that end where physical address space ends, where nothing responds.
END_KINDS: tuple[DeviceKind, ...] = ("top", "limit")

#: The settings of transparent_hugepage.
Thp = Literal["always", "madvise", "never"]


class Device(msgspec.Struct, frozen=True):
    """A range of physical memory that the program maps.

    :param kind: ``pci``: a prefetchable memory BAR; ``lowmem``: RAM below 1 MiB, accessed through /dev/mem;
        ``isa``: the memory from 0x98000 on, i.e. RAM, the ISA hole, and RAM above 1 MiB; ``top``: the last
        pages of the machine's physical address space, where nothing responds; ``limit``: the same on a
        processor with 52-bit physical addresses
    :param pages: its size in pages
    """

    name: str
    kind: DeviceKind
    pages: int


class Area(msgspec.Struct, frozen=True):
    """A declared area: ``area a: 64 pages`` defines a[0:64], whether or not anything is mapped there."""

    name: str
    pages: int


class Mmap(msgspec.Struct, frozen=True, tag="mmap"):
    """mmap(2) of device pages, anonymous memory or a perf buffer.

    :param name: the name of the new area, or None if ``over`` is given
    :param source: device pages; for other memory ``Span("anon", 0, pages)``, ``Span("perf", 0, pages)``
    :param prot: ``none`` or letters of ``rwx`` in that order
    :param over: map with MAP_FIXED at these addresses, which must be as long as ``source``; None to map at
        the start of area ``name``, which must be free (MAP_FIXED_NOREPLACE)
    """

    name: str | None
    source: Span
    via: Via
    shared: bool
    prot: str
    populate: bool = False
    locked: bool = False
    over: Span | None = None
    driver: DriverMap | None = None


class Munmap(OnPages, frozen=True, tag="munmap"):
    """munmap(2)."""

    row: ClassVar = Row((Shape.RANGE,), "munmap", "S8.2", weight=18, seen=True, traced="munmap")


class Mremap(OnPages, frozen=True, tag="mremap"):
    """mremap(2) of ``span`` (empty means an old length of 0) to ``pages`` pages.

    The flags are passed as they are: the kernel refuses ``fixed`` or ``dontunmap`` without ``maymove``.

    :param name: the area to move to (``b = mremap a[0:8] 8 pages maymove fixed``), or None
    :param over: an exact destination instead of the start of an area; its ``end`` is ``start + pages``
    """

    pages: int
    maymove: bool = False
    fixed: bool = False
    dontunmap: bool = False
    name: str | None = None
    over: Span | None = None


class Mprotect(OnPages, frozen=True, tag="mprotect"):
    """mprotect(2); ``prot`` as in :class:`Mmap`."""

    row: ClassVar = Row(
        (Shape.RANGE, Shape.PROT), "mprotect", "S5.10", weight=10, seen=True, traced="mprotect"
    )

    prot: str


class PkeyMprotect(OnPages, frozen=True, tag="pkey_mprotect"):
    """pkey_mprotect(2); ``prot`` as in :class:`Mmap`.

    :param keyed: use the process's own protection key, which lets all of its tasks access
        the pages; otherwise use -1
    """

    row: ClassVar = Row(
        (Shape.RANGE, Shape.PROT, Flag("keyed")),
        "pkey-mprotect",
        "S5.13",
        weight=4,
        c="protect_by_key({at}, {pages}, {prot}, {keyed})",
    )

    prot: str
    keyed: bool = False


class Madvise(OnPages, frozen=True, tag="madvise"):
    """madvise(2); ``advice`` is a key of :data:`ADVICE`."""

    row: ClassVar = Row(
        (Shape.RANGE, ADVICE_WORD), "madvise", "S5.9", weight=14, seen=True, traced="madvise", option="advice"
    )

    advice: str


class Mlock(OnPages, frozen=True, tag="mlock"):
    """mlock(2)."""

    row: ClassVar = Row((Shape.RANGE,), "mlock", "S5.10", weight=3, seen=True, traced="mlock mlock2")


class Munlock(OnPages, frozen=True, tag="munlock"):
    """munlock(2)."""

    row: ClassVar = Row((Shape.RANGE,), "munlock", "S5.10", weight=2, seen=True, traced="munlock")


class Mlockall(msgspec.Struct, frozen=True, tag="mlockall"):
    """mlockall(MCL_CURRENT | MCL_FUTURE)."""

    row: ClassVar = Row((), "mlockall", "S5.10", c="mlockall(MCL_CURRENT | MCL_FUTURE)")


class Munlockall(msgspec.Struct, frozen=True, tag="munlockall"):
    """munlockall(2)."""

    row: ClassVar = Row((), "munlockall", "S5.10", weight=0.5)


class Msync(OnPages, frozen=True, tag="msync"):
    """msync(MS_SYNC)."""

    row: ClassVar = Row(
        (Shape.RANGE,), "msync", "S5.10", weight=3, seen=True, c="msync({at}, {bytes}, MS_SYNC)"
    )


class Mseal(OnPages, frozen=True, tag="mseal"):
    """mseal(2), since 6.10."""

    row: ClassVar = Row(
        (Shape.RANGE,), "mseal", "S5.10", weight=4, seen=True, traced="mseal", c="seal({at}, {pages})"
    )


class Mbind(OnPages, frozen=True, tag="mbind"):
    """mbind(2) with node 0, or without a node for ``default``; ``policy`` is a key of :data:`POLICIES`.

    :param move: pass MPOL_MF_MOVE
    """

    row: ClassVar = Row(
        (
            Shape.RANGE,
            Word(POLICIES, "policy", "bind", plainer=("bind", "preferred", "default"), c="MPOL_"),
            Flag("move"),
        ),
        "mbind",
        "S5.12",
        weight=4,
        c="set_policy({at}, {pages}, {policy}, {move})",
        option="nodes",
    )

    policy: str
    move: bool = False


class Read(OnPages, frozen=True, tag="read"):
    """A 32-bit load from the start of page ``span.start`` (one page)."""

    row: ClassVar = Row((Shape.ACCESS,), "load", "S6.2", weight=7, seen=True)


class Write(OnPages, frozen=True, tag="write"):
    """A 32-bit store of ``value`` to the start of page ``span.start`` (one page)."""

    row: ClassVar = Row(
        (Shape.ACCESS, Shape.VALUE), "store", "S6.2 S6.4", weight=11, c="store({at}, {value})"
    )

    value: int


class Fork(msgspec.Struct, frozen=True, tag="fork"):
    """fork(2): create the child as task ``child`` (``child = fork``).

    :param refused: how to make it fail: ``set_tid`` asks for a pid that is in use, ``overcommit_memory``
        leaves no memory to commit, ``pids_max`` allows no more processes in the task's control group
    """

    child: str
    refused: ForkRefusal | None = None


class Thread(msgspec.Struct, frozen=True, tag="thread"):
    """pthread_create(3): start another thread, task ``child``, in the acting task's process.

    It shares the address space and ends with its process.
    """

    child: str


class Exec(msgspec.Struct, frozen=True, tag="exec"):
    """execve(2) of a small program: the old address space is removed, but the task remains."""

    row: ClassVar = Row((), "exec", "S8.2.9")


class Exit(msgspec.Struct, frozen=True, tag="exit"):
    """_exit(2) by the acting task, and wait for its end."""

    row: ClassVar = Row((), "exit", "S8.2.8", weight=6)


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """SIGKILL the acting task, and wait for its end."""

    row: ClassVar = Row((), "kill", "S8.2.8", weight=2)


class RemapFilePages(OnPages, frozen=True, tag="remap_file_pages"):
    """remap_file_pages(2): make pages ``span`` of a shared mapping show other pages of its file.

    :param source: the device pages at the new file offset, counted as ``via`` counts offsets
    """

    source: Span
    via: Via


class ReadMemtypeList(msgspec.Struct, frozen=True, tag="memtype_list"):
    """Read pat_memtype_list in debugfs to the end, discarding what is read."""

    row: ClassVar = Row((), "memtypes", "", weight=0.5, seen=True, c="read_memtypes()")


class Release(msgspec.Struct, frozen=True, tag="release"):
    """Resume a held processor: its operation finishes, and so do those that were only waiting for it.

    :param held: the task to resume; None if only one is held
    """

    row: ClassVar = Row((Shape.HELD,), "nop", "S8.5", weight=0)

    held: str | None = None


class Look(msgspec.Struct, frozen=True, tag="look"):
    """Do nothing: a step that only observes."""

    row: ClassVar = Row((), "nop", "", weight=0.5, seen=True, c="0")


#: Operations by a task on itself, and operations on tasks.
TaskCall = Read | Write | Fork | Thread | Exec | Exit | Kill | Release | Look

#: System calls on a process's own memory.
MemoryCall = (
    Mmap
    | Munmap
    | Mremap
    | Mprotect
    | PkeyMprotect
    | Madvise
    | ProcessMadvise
    | Mlock
    | Munlock
    | Mlockall
    | Munlockall
    | Msync
    | Mseal
    | Mbind
    | RemapFilePages
)

#: The system calls that a kernel performs for a task, except mincore, which may return both
#: an error and a value.
SystemCall = (
    MemoryCall
    | VfioCall
    | DriverCall
    | SlotCall
    | ProcessVmReadv
    | Walk
    | ClearRefs
    | Setrlimit
    | ProcessMrelease
    | ReadMemtypeList
    | Status
)

#: All operations; messages list those of one kind in this order.
Call = MemoryCall | TaskCall | Mincore | SystemCall

#: Operations that access memory and may therefore call a driver's fault handler.
FAULTING = (Read, Write, Walk, ProcessVmReadv)


class Op(msgspec.Struct, frozen=True):
    """One program line: *task* performs *call*.

    :param fail: the failure that this operation forces on the kernel
    :param skip: the function call that the kernel is made to omit
    :param hold: the function call at which the processor is stopped; a call omitted by `skip` comes earlier
    """

    call: Call
    task: str = MAIN_TASK
    fail: Fail | None = None
    skip: Skip | None = None
    hold: Hold | None = None


class Expect(msgspec.Struct, frozen=True):
    """The entries that must be left in the book after the last step, or a property that must hold, on
    kernels ``first`` to ``last``.

    :param first: a series, e.g. ``6.1``, or a version, e.g. ``6.12.23``; both ends of the range are inclusive
    :param last: likewise, or None for "and all later ones"; a range that starts with a
        version stays within its series
    :param leaked: the entries left, in book order; empty if nothing must be left
    :param keeps: the name of a property that no step may violate; the entries left are then ignored
    """

    first: str
    last: str | None
    leaked: tuple[LeakedEntry, ...] = ()
    keeps: str = ""


class LeakedEntry(msgspec.Struct, frozen=True):
    """A book entry that is not mapped: device pages and their mode (``wc``, ``uc-``, ``wb`` ...)."""

    span: Span
    mode: str

    def __str__(self) -> str:
        """The entry as the book prints it: ``bar[0:8] wc``."""
        return f"{self.span} {self.mode}"


class Program(msgspec.Struct, frozen=True, dict=True):
    """A whole program.

    :param title: one line
    :param asks: the question it answers, ending in a question mark; may be empty
    :param areas: the areas declared explicitly; the others follow from the operations
    :param thp: the machine's transparent_hugepage setting; if not given, the machine is so small that the
        kernel chooses ``never``
    """

    title: str
    asks: str
    devices: tuple[Device, ...]
    ops: tuple[Op, ...]
    areas: tuple[Area, ...] = ()
    expects: tuple[Expect, ...] = ()
    thp: Thp | None = None

    @cached_property
    def needs(self) -> GuestNeeds:
        """The demands that the program makes on its guest; computed once and shared by all callers."""
        from pfnlab.programs.lang.needs import GuestNeeds  # which needs these structures

        return GuestNeeds.of(self)

    def __str__(self) -> str:
        """The program as text, in canonical form."""
        from pfnlab.programs.lang.printer import format_program  # as above

        return format_program(self)

    __repr__ = __str__


def tasks_of(program: Program) -> list[str]:
    """Every task in the program in order of creation, starting with the main one."""
    tasks = [MAIN_TASK]
    tasks += [op.call.child for op in program.ops if isinstance(op.call, (Fork, Thread))]
    return list(dict.fromkeys(tasks))


def uses_vfio(call: Call) -> bool:
    """True if *call* needs a device opened through vfio-pci."""
    return isinstance(call, VfioCall) or (isinstance(call, Mmap) and call.via == "vfio")
