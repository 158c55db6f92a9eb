"""A kernel as a value: everything that lives between two operations, as a short string of bytes (S1 to S9).

Page tables, VMAs, book and tasks have a form of their own here. What a tracker, a flush placement or a driver
remembers is theirs: it is taken as it is found, attribute by attribute, so that a user's own policy needs to
know nothing of this. Nothing is under way in a kernel that is frozen.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator, Set
from typing import Any

from pfnlab.checker.kernel.naming import Naming, at_page, task_name
from pfnlab.checker.kernel.packing import Packing, Unpacking
from pfnlab.checker.search import plain
from pfnlab.checker.search.model import UnmetError
from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.pgtable import Page
from pfnlab.hw.physmap import Resource
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.mm.memtype import MemtypeBook
from pfnlab.mm.memtype_interval import MemtypeEntry
from pfnlab.mm.space import MmStruct
from pfnlab.mm.vma import Vma
from pfnlab.policies.guard import unguarded
from pfnlab.units import PfnRange

#: The number of the first task of a kernel.
_FIRST_PID = 100

_MODES = tuple(CacheMode)


def freeze(kernel: Kernel, naming: Naming | None = None) -> bytes:
    """Everything about *kernel* that outlives an operation; kernel log and events do not.

    :param naming: what its tasks and areas are called instead; what only names or counts is left out then:
        process numbers, contents of pages, accessed bits, counters that only grow, warnings given once
    :raises Undecided: a policy remembers something that is no value
    """
    tasks = list(kernel.tasks.values()) if naming is None else naming.tasks
    mms = list({id(task.mm): task.mm for task in tasks}.values())
    vmas = [vma for mm in mms for vma in mm.vmas]
    packing = Packing(kernel, mms, vmas, naming)
    numbers = {id(mm): number for number, mm in enumerate(mms)}
    spaces = tuple([_space(mm, packing, naming) for mm in mms])
    run = packing.run
    value: tuple[Any, ...] = (
        spaces,
        tuple(
            [(numbers[id(task.mm)], tuple(map(run, task.tlb.state()))) for task in tasks]
            if naming is None
            else [(numbers[id(task.mm)], tuple(sorted(map(run, task.tlb.state())))) for task in tasks]
        ),
        tuple([packing.vmas[id(vma)] for vma in kernel.i_mmap]),
        _booked(kernel.book),
        (
            tuple([tuple(one) for one in kernel.platform.phys.resources if one.busy and not one.system_ram]),
            tuple(map(tuple, kernel.undecoded)),
        ),
        _remembered(kernel, vmas, packing),
        tuple([(0 if naming else page.value, page.mapcount, *_marks(page)) for page in packing.pages]),
        None
        if naming is not None
        else (
            tuple((task.comm, task.pid) for task in tasks),
            tuple(mm.tlb_gen for mm in mms),
            tuple(kernel.memory.items()),
            (kernel.next_pid, tuple(sorted(kernel.warned)), tuple(sorted(kernel.book.warned))),
        ),
    )
    return marshal.dumps(value, 2)


def _booked(book: MemtypeBook) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """What the book holds: reservations, types of RAM, modes of the direct map."""
    return tuple([tuple([(start, end, int(mode)) for start, end, mode in part]) for part in book.state()])


def _marks(page: Page) -> tuple[bool, ...]:
    return page.exclusive, page.anonymous, page.dirty, page.batched


def _remembered(kernel: Kernel, vmas: list[Vma], packing: Packing) -> tuple[Any, ...]:
    """What policies and drivers remember, in an order that :func:`thaw` repeats."""
    return (
        packing.attributes(unguarded(kernel.tracker)),
        packing.attributes(unguarded(kernel.flushes)),
        tuple([packing.pack(vma.pfnmap) for vma in vmas]),
        packing.pack(kernel.driver),
        packing.pack(kernel.vfio),
        packing.pack(kernel.pci),
    )


def thaw(value: bytes, blank: Callable[[], Kernel]) -> Kernel:
    """A kernel that goes on where the frozen one stood.

    :param blank: a kernel just booted, with the same profile, platform and policies
    """
    spaces, tasks, i_mmap, booked, machine, remembered, pages, exact = marshal.loads(value)
    kernel = blank()
    unpacking = Unpacking(kernel, pages)
    for space in spaces:
        unpacking.space(space)
    vmas = unpacking.vmas
    files = [vma[5] for space in spaces for vma in space[-1]]
    for vma, file in zip(vmas, files, strict=True):
        if file is not None:
            vma.file = unpacking.unpack(file)
    for at, (number, translations) in enumerate(tasks):
        comm, pid = exact[0][at] if exact else (task_name(at), _FIRST_PID + at)
        task = kernel.tasks[comm] = Task(comm, pid, unpacking.mms[number])
        for run in translations:
            task.tlb.fill(unpacking.run(run))
    kernel.next_pid = _FIRST_PID + len(tasks)
    kernel.current = next(iter(kernel.tasks.values()), None)
    kernel.i_mmap = [vmas[number] for number in i_mmap]
    book = kernel.book
    if any(booked):
        book.load(*([MemtypeEntry(start, end, _MODES[mode]) for start, end, mode in part] for part in booked))
    for resource in machine[0]:
        kernel.claim(Resource(*resource))
    kernel.undecoded = tuple(PfnRange(*pfns) for pfns in machine[1])
    tracker, flushes, pfnmaps, driver, vfio, pci = remembered
    unpacking.attributes(unguarded(kernel.tracker), tracker)
    unpacking.attributes(unguarded(kernel.flushes), flushes)
    # In the order in which they were packed: a number stands for what was met before.
    for vma, pfnmap in zip(vmas, pfnmaps, strict=True):
        if pfnmap is not None:
            vma.pfnmap = unpacking.unpack(pfnmap)
    kernel.driver = unpacking.unpack(driver)
    kernel.vfio = unpacking.unpack(vfio)
    kernel.pci = unpacking.unpack(pci)
    if exact:
        for mm, generation in zip(unpacking.mms, exact[1], strict=True):
            mm.tlb_gen = generation
        kernel.memory = dict(exact[2])
        kernel.next_pid = exact[3][0]
        kernel.warned, book.warned = set(exact[3][1]), frozenset(exact[3][2])
    return kernel


def check_frozen(value: Any, unmet: Set[int]) -> bytes:
    """*value*, which somebody says is what :func:`freeze` made.

    :param unmet: numbers of classes and values that were met where it was made, and not here
    :raises ValueError: it is no value at all
    :raises UnmetError: it holds such a number
    """
    content = plain.loads(value)
    if plain.dumps(content) != value:
        raise ValueError("no value of a kernel")
    if unmet and not unmet.isdisjoint(_ints(content)):
        raise UnmetError
    return value  # type: ignore[no-any-return]


def _ints(value: Any) -> Iterator[int]:
    if type(value) is tuple:
        for one in value:
            yield from _ints(one)
    elif type(value) is int:
        yield value


def _space(mm: MmStruct, packing: Packing, naming: Naming | None) -> tuple[Any, ...]:
    file, anon, run = packing.file, packing.anon, packing.run
    runs, spans = mm.tables.state()
    moved = naming.moved if naming is not None else None
    if moved:
        # All areas lie in one PUD table, so its span has no name to change.
        spans[:2] = [
            tuple((at_page(start, moved), at_page(end - 1, moved) + 1) for start, end in one)
            for one in spans[:2]
        ]
    return (
        *(mm.def_flags, mm.stacks_shared, mm.visible),
        tuple(spans),
        tuple(map(run, runs)),
        tuple(
            [
                (
                    *(
                        at_page(vma.start, moved),
                        at_page(vma.end - 1, moved) + 1,
                        vma.pgoff,
                        vma.flags,
                        vma.page_prot,
                    ),
                    *(None if vma.file is None else file(vma.file), anon(vma.anon_vma)),
                )
                for vma in mm.vmas
            ]
        ),
    )
