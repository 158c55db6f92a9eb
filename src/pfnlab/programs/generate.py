"""Random programs over everything a program can say, for holding the model against kernels.

A program is drawn from a seed, so a seed names it. Ranges are drawn over whole areas, mapped or not:
holes, overlaps and refusals are the point.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from random import Random
from typing import get_args

from pfnlab.programs.driver_calls import (
    DRIVER_RAM,
    DRIVER_RAM_PAGES,
    SHARED_ONLY,
    ArchIoFreeMemtypeWc,
    ArchIoReserveMemtypeWc,
    DriverHow,
    DriverMap,
    DriverMode,
    IoMappingCreateWc,
    IoMappingFree,
    Ioremap,
    Iounmap,
    Memremap,
    MemremapMode,
    Memunmap,
    ReleaseMemRegion,
    RequestMemRegion,
    SetMemory,
    SetMemoryMode,
    UnmapMappingRange,
    ZapVmaPtes,
)
from pfnlab.programs.ops import (
    ADVICE,
    LOWMEM_VIAS,
    MAIN_TASK,
    PCI_VIAS,
    Area,
    Call,
    Device,
    Exec,
    Exit,
    Fork,
    Kill,
    Madvise,
    Mlock,
    Mlockall,
    Mmap,
    Mprotect,
    Mremap,
    Mseal,
    Msync,
    Munlock,
    Munmap,
    Op,
    Program,
    Read,
    RemapFilePages,
    Via,
    Write,
)
from pfnlab.programs.span import Span
from pfnlab.programs.walk_calls import (
    RANGE_WALKERS,
    STORING_WALKERS,
    Mincore,
    ProcessVmReadv,
    Status,
    Walk,
    Walker,
)

#: Pages of a generated device and of every area: small enough that ranges meet.
DEVICE_PAGES = 16
AREA_PAGES = 24

#: What needs no driver in the guest: neither ours nor vfio-pci, which takes the whole BAR.
_USER_VIAS = tuple(via for via in PCI_VIAS if via not in ("driver", "vfio"))

_AREAS = ("a", "b", "c")
_PROTS = ("none", "r", "r", "rw", "rw", "rw", "rw", "w", "rx", "rwx")

#: How often each kind of operation is drawn.
_WEIGHTS = {
    "mmap": 20,
    "over": 10,
    "munmap": 20,
    "mremap": 14,
    "mprotect": 10,
    "madvise": 8,
    "read": 5,
    "write": 10,
    "fork": 9,
    "exit": 4,
    "kill": 2,
    "exec": 1,
    "mlock": 3,
    "munlock": 2,
    "mlockall": 1,
    "msync": 2,
    "mseal": 2,
}


#: How often each kind of driver operation is drawn, where a program may have them.
_DRIVER_WEIGHTS = {
    "driver mmap": 14,
    "zap": 9,
    "unmap_mapping_range": 7,
    "request_mem_region": 4,
    "release_mem_region": 3,
    "ioremap": 4,
    "iounmap": 3,
    "mincore": 2,
    "process_vm_readv": 2,
    "memory": 6,
    "let go": 4,
    "set_memory": 4,
}

#: Operations on pages of the device or the driver's own, and those that undo the newest of them.
_ON_MEMORY: tuple[Callable[[Span], Call], ...] = (
    *(IoMappingCreateWc, ArchIoReserveMemtypeWc, ArchIoFreeMemtypeWc),
    *(functools.partial(Memremap, mode=mode) for mode in get_args(MemremapMode)),
)
_LET_GO: tuple[Call, ...] = (Memunmap(), IoMappingFree())

#: How often each kind of look at a mapping is drawn, where a program may have them.
_WALKER_WEIGHTS = {
    "walk": 30,
    "mincore": 3,
    "process_vm_readv": 4,
    "remap_file_pages": 4,
    "status": 2,
    "failing fork": 3,
}

#: The walkers that are drawn; what a userfaultfd does to ordinary memory has no rule.
_WALKERS = tuple(walker for walker in get_args(Walker) if walker != "userfaultfd")


def generate(seed: int, length: int = 12, *, driver: bool = False, walkers: bool = False) -> Program:
    """
    The program of a seed.

    :param length: how many operations
    :param driver: with operations that need the guest driver
    :param walkers: with other ways to a page than the task's own, and forks that fail
    """
    title = f"random {seed}{' driver' * driver}{' walkers' * walkers}"
    return _Drawing(Random(seed), driver, walkers).program(title, length)


class _Drawing:
    """One program being drawn: which tasks may exist decides what may be said next."""

    def __init__(self, random: Random, driver: bool, walkers: bool) -> None:
        self.random = random
        self.weights = _WEIGHTS | (_DRIVER_WEIGHTS if driver else {}) | (_WALKER_WEIGHTS if walkers else {})
        self.walkers = walkers
        self.tasks = [MAIN_TASK]
        self.forked = self.failed = 0
        self.mapped: set[str] = set()
        self.devices = [Device("bar", "pci", DEVICE_PAGES)]
        if random.random() < 0.2:
            self.devices.append(Device("low", "lowmem", DEVICE_PAGES))

    def program(self, title: str, length: int) -> Program:
        ops = [self.op("mmap")]
        kinds, weights = list(self.weights), list(self.weights.values())
        while len(ops) < length and self.tasks:
            ops.append(self.op(self.random.choices(kinds, weights)[0]))
        areas = tuple(Area(name, AREA_PAGES) for name in _AREAS)
        return Program(title, "", tuple(self.devices), tuple(ops), areas)

    def op(self, kind: str) -> Op:
        task = self.random.choice(self.tasks)
        return Op(self.call(kind, task), task)

    def call(self, kind: str, task: str) -> Call:
        draw = self.random
        match kind:
            case "mmap":
                return self.mmap(None)
            case "over":
                return self.mmap(self.span())
            case "munmap":
                return Munmap(self.span())
            case "mremap":
                return self.mremap()
            case "mprotect":
                return Mprotect(self.span(), draw.choice(_PROTS))
            case "madvise":
                return Madvise(self.span(), draw.choice(list(ADVICE)))
            case "read":
                return Read(self.page())
            case "write":
                return Write(self.page(), draw.randrange(1, 100))
            case "mlock":
                return Mlock(self.span())
            case "munlock":
                return Munlock(self.span())
            case "mlockall":
                return Mlockall()
            case "msync":
                return Msync(self.span())
            case "mseal":
                return Mseal(self.span())
            case "fork" if self.forked < 5:
                self.forked += 1
                self.tasks.append(f"t{self.forked}")
                return Fork(f"t{self.forked}")
            case "exit" | "kill" if task != MAIN_TASK or draw.random() < 0.1:
                self.tasks.remove(task)
                return Exit() if kind == "exit" else Kill()
            case "driver mmap":
                return self.driver_mmap()
            case "zap":
                return ZapVmaPtes(self.span())
            case "unmap_mapping_range":
                return UnmapMappingRange(self.device_span(), draw.random() < 0.3)
            case "request_mem_region":
                # From the second page on: claiming the first one cannot be tried past the BAR's end as well.
                span = self.device_span()
                return RequestMemRegion(Span(span.name, span.start or 1, max(span.end, 2)))
            case "release_mem_region":
                return ReleaseMemRegion()
            case "ioremap":
                return Ioremap(self.device_span(), draw.choice(("uc-", "wc", "wb", "uc", "wt")))
            case "iounmap":
                return Iounmap()
            case "memory":
                return draw.choice(_ON_MEMORY)(
                    self.device_span() if draw.random() < 0.8 else self.own_pages()
                )
            case "let go":
                return draw.choice(_LET_GO)
            case "set_memory":
                return SetMemory(self.own_pages(), draw.choice(get_args(SetMemoryMode)))
            case "mincore":
                return Mincore(self.span())
            case "process_vm_readv":
                return ProcessVmReadv(self.page())
            case "walk":
                return self.walk()
            case "remap_file_pages":
                source = self.device_span()
                start = draw.randrange(AREA_PAGES - source.pages)
                span = Span(draw.choice(_AREAS), start, start + source.pages)
                return RemapFilePages(span, source, draw.choice(("wc", "uc", "devmem", "proc-wc")))
            case "status":
                return Status()
            case "failing fork":
                self.failed += 1
                return Fork(f"x{self.failed}", draw.choice(("set_tid", "overcommit_memory", "pids_max")))
            case "exec" if task != MAIN_TASK or draw.random() < 0.2:
                return Exec()
        return Munmap(self.span())

    def mmap(self, over: Span | None) -> Call:
        draw = self.random
        device = draw.choice(self.devices)
        pages = over.pages if over is not None else draw.choice((1, 2, 4, 8, 16))
        prot = draw.choice(_PROTS)
        name = draw.choice(_AREAS) if over is None else None
        populate, locked = draw.random() < 0.05, draw.random() < 0.05
        if draw.random() < 0.12:
            shared = self.walkers and draw.random() < 0.4
            populate, locked = populate and not shared, locked and not shared
            source = Span("anon", 0, pages)
            return Mmap(name, source, "anon", shared, prot, populate=populate, locked=locked, over=over)
        past_end = draw.random() < 0.04 and device.kind == "pci"
        start = draw.randrange(0, max(1, DEVICE_PAGES - pages + 1)) + (DEVICE_PAGES if past_end else 0)
        if not past_end and start + pages > DEVICE_PAGES:
            pages = DEVICE_PAGES - start
            over = Span(over.name, over.start, over.start + pages) if over is not None else None
        via: Via = draw.choice(_USER_VIAS if device.kind == "pci" else LOWMEM_VIAS)
        if device.kind == "pci" and draw.random() < 0.6:
            via = draw.choice(("wc", "uc"))
        source = Span(device.name, start, start + pages)
        return Mmap(
            name, source, via, draw.random() < 0.65, prot, populate=populate, locked=locked, over=over
        )

    def driver_mmap(self) -> Call:
        """A mapping through the guest driver; remaps of living VMAs are left out, a full entry is a BUG."""
        draw = self.random
        how: DriverHow = draw.choice(
            ("remap", "part", "halves", "ram", "apply", "fault", "fault_prot", "fault_pmd", "mixed", "refuse")
        )
        mode: DriverMode = draw.choice(("asis", "wc", "uc-"))
        pages = draw.choice((2, 4, 8, 16))
        start = draw.randrange(0, DEVICE_PAGES - pages + 1)
        part = None
        if how == "part":
            first = draw.randrange(pages)
            part = (first, draw.randrange(first + 1, pages + 1))
        return Mmap(
            draw.choice(_AREAS),
            Span("bar", start, start + pages),
            "driver",
            how in SHARED_ONLY or how == "mixed" or draw.random() < 0.7,
            draw.choice(_PROTS),
            driver=DriverMap(how, mode, part),
        )

    def device_span(self) -> Span:
        """Some pages of the BAR."""
        start = self.random.randrange(DEVICE_PAGES)
        end = min(DEVICE_PAGES, start + self.random.choice((1, 2, 4, 8)))
        return Span("bar", start, end)

    def own_pages(self) -> Span:
        """Some of the driver's own pages."""
        start = self.random.randrange(DRIVER_RAM_PAGES)
        return Span(DRIVER_RAM, start, min(DRIVER_RAM_PAGES, start + self.random.choice((1, 2, 4, 8))))

    def walk(self) -> Walk:
        """Another way to a page or to some."""
        walker = self.random.choice(_WALKERS)
        value = self.random.randrange(1, 100) if walker in STORING_WALKERS else None
        return Walk(walker, self.span() if walker in RANGE_WALKERS else self.page(), value)

    def mremap(self) -> Call:
        draw = self.random
        span = self.span()
        pages = max(1, draw.choice((span.pages, span.pages, span.pages // 2, span.pages - 1, span.pages + 2)))
        if draw.random() < 0.08:
            span = Span(span.name, span.start, span.start)
        if draw.random() < 0.35:
            return Mremap(span, pages, maymove=draw.random() < 0.4)
        dontunmap = draw.random() < 0.1
        if dontunmap and draw.random() < 0.3:
            return Mremap(span, pages, maymove=True, dontunmap=True)
        if draw.random() < 0.5:
            name = draw.choice(_AREAS)
            return Mremap(span, pages, maymove=True, fixed=True, dontunmap=dontunmap, name=name)
        start = draw.randrange(0, max(1, AREA_PAGES - pages + 1))
        over = Span(draw.choice(_AREAS), start, start + pages)
        return Mremap(span, pages, maymove=True, fixed=True, dontunmap=dontunmap, over=over)

    def span(self) -> Span:
        draw = self.random
        start = draw.choice((0, 0, 0, draw.randrange(AREA_PAGES)))
        end = min(AREA_PAGES, start + draw.choice((1, 1, 2, 3, 4, 8, 16)))
        return Span(draw.choice(_AREAS), start, end)

    def page(self) -> Span:
        start = self.random.randrange(DEVICE_PAGES)
        return Span(self.random.choice(_AREAS), start, start + 1)
