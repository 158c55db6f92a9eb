"""A kernel as a value: its state between two operations, as a few byte strings (S1 to S9).

Page tables, VMAs, the book and tasks have special forms here. The data of a tracker, a flush placement or a
driver is packed attribute by attribute, so user-defined policies need no code for this. No operation is in
progress in a frozen kernel.
"""

import marshal
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from pfnlab.base.units import PfnRange
from pfnlab.checker.scopes.declared_fields import PLAIN
from pfnlab.checker.scopes.naming import AreaNames, Naming, at_page, joined, task_name
from pfnlab.checker.scopes.packing import Packing, Unpacking
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgtable import Page
from pfnlab.kernel.hw.physmap import Resource
from pfnlab.kernel.hw.platform import FIRMWARE
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.memtype import MemtypeBook
from pfnlab.kernel.mm.memtype_interval import BookRow, MemtypeEntry
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import Vma

#: The number of a kernel's first task.
_FIRST_PID = 100

_MODES = tuple(CacheMode)

_UNMOVED: dict[int, int] = {}


def freeze(kernel: Kernel, naming: Naming | None = None, *, counts: bool = True) -> tuple[bytes, ...]:
    """The state of *kernel* that outlives an operation, in parts, without the kernel log and events.

    The parts are chosen so that many kernels have some in common: the book, the data of policies and drivers,
    each address space, and the rest.

    :param naming: other names for its tasks and areas. Values that only name or count are then left out:
        process numbers, page contents, accessed and soft-dirty bits, counters that only grow, and once-only
        warnings
    :param counts: without *naming*: whether process numbers, page contents, counters that only grow and
        once-only warnings belong to the state
    :raises Undecided: if a policy holds an object that cannot be turned into a value
    """
    tasks = list(kernel.tasks.values()) if naming is None else naming.tasks
    mms = list({id(task.mm): task.mm for task in tasks}.values())
    names = [None if naming is None else naming.of(mm) for mm in mms]
    vmas_of = [_vmas(mm, name) for mm, name in zip(mms, names, strict=True)]
    vmas = [vma for part in vmas_of for vma in part]
    packing = Packing(kernel, mms, vmas, naming)
    numbers = {id(mm): number for number, mm in enumerate(mms)}
    merging = naming is not None and naming.omissions.orders
    empty_tables = [naming is None or _empty_tables_show(mm, naming) for mm in mms]
    spaces = [
        _space(mm, vmas_inside, packing, name, join=merging, empty_tables=with_empty)
        for mm, vmas_inside, name, with_empty in zip(mms, vmas_of, names, empty_tables, strict=True)
    ]
    memories = _policies_and_drivers(kernel, vmas, packing)
    tasks_value: tuple[Any, ...] = (
        tuple(
            [
                (
                    numbers[id(task.mm)],
                    _translations(task, packing, naming.of(task.mm) if naming else None, sort=bool(naming)),
                )
                for task in tasks
            ]
        ),
        _reverse_map(kernel, packing, naming),
        tuple([(0 if naming else page.value, page.batched, PLAIN[Page](page)) for page in packing.pages]),
        None
        if naming is not None or not counts
        else (
            tuple((task.comm, task.pid) for task in tasks),
            tuple(mm.tlb_gen for mm in mms),
            tuple(kernel.memory.items()),
            (kernel.next_pid, tuple(sorted(kernel.warned)), tuple(sorted(kernel.book.warned))),
        ),
    )
    machine = tuple(map(tuple, _claimed(kernel))), tuple(map(tuple, kernel.undecoded))
    return tuple(
        [
            marshal.dumps(part, 2)
            for part in (tasks_value, _book_value(kernel.book, naming), (machine, memories), *spaces)
        ]
    )


def _vmas(mm: MmStruct, names: AreaNames | None) -> Sequence[Vma]:
    """The VMAs in *mm*, in the order of their pages under *names*."""
    if names is None or not names.moved:
        return mm.vmas
    moved = names.moved
    return sorted(mm.vmas, key=lambda vma: at_page(vma.start, moved))


def _empty_tables_show(mm: MmStruct, naming: Naming) -> bool:
    """True if a later step can show which page tables in *mm* are empty.

    Removing a table may also remove a translation that was left by mistake.
    """
    return not naming.omissions.empty_tables or any(
        task.mm is mm and task.tlb.stale(mm.tables) for task in naming.tasks
    )


def _translations(
    task: Task, packing: Packing, names: AreaNames | None, *, sort: bool
) -> tuple[tuple[int, ...], ...]:
    """The translations on *task*'s processor, and whether each seems unused; sorted if *sort* is set, because
    their order has no effect.
    """
    moved, tlb = names.moved if names is not None else _UNMOVED, task.tlb
    runs = [(*packing.run(run, moved), tlb.seems_unused(run.start)) for run in tlb.state()]
    return tuple(sorted(runs) if sort else runs)


def _reverse_map(kernel: Kernel, packing: Packing, naming: Naming | None) -> tuple[int, ...]:
    """File VMAs by offset; equal ones in the order in which they were linked, if that order can show.

    Zaps of different VMAs are independent, unless a tracker may refuse one (S6.7.2).
    """
    if naming is None or not naming.omissions.zaps:
        return tuple([packing.vmas[id(vma)] for vma in kernel.i_mmap])
    linked = [(vma.pgoff, packing.vmas[id(vma)]) for vma in kernel.i_mmap]
    linked.sort()
    return tuple([number for _, number in linked])


def _claimed(kernel: Kernel) -> list[Resource]:
    """The resources that drivers have claimed; all others have existed since boot."""
    busy = [resource for resource in kernel.platform.phys.resources if resource.busy]
    return [resource for resource in busy if not resource.system_ram and resource.name not in FIRMWARE]


def _book_value(book: MemtypeBook, naming: Naming | None) -> tuple[tuple[BookRow, ...], ...]:
    """The content of the book: reservations, RAM types, direct-map modes.

    The order of reservations that begin at the same address is never visible: overlapping reservations have
    the same mode, and a free finds its reservation by both bounds (S2.3, S2.4).
    """
    entries, ram_types, direct_map = book.rows()
    if naming is not None and naming.omissions.orders:
        entries.sort()
    return tuple(entries), tuple(ram_types), tuple(direct_map)


def _policies_and_drivers(kernel: Kernel, vmas: list[Vma], packing: Packing) -> tuple[Any, ...]:
    """The data of policies and drivers, in the order in which :func:`thaw` reads it."""
    return (
        packing.attributes(kernel.tracker),
        tuple([packing.attributes(flushes) for flushes in kernel.flushes.each()]),
        tuple([packing.pack(vma.pfnmap) for vma in vmas]),
        packing.pack(kernel.driver),
        packing.pack(kernel.vfio),
        packing.pack(kernel.pci),
    )


#: Unpack a part. The values of parts do not change, and neighbouring states in a search share most of them.
_part_value = lru_cache(maxsize=256)(marshal.loads)


def thaw(value: tuple[bytes, ...], blank: Callable[[], Kernel]) -> Kernel:
    """A kernel in the frozen state *value*.

    :param blank: returns a freshly booted kernel with the same profile, platform and policies
    """
    (tasks, i_mmap, pages, exact), book_parts, (machine, memories), *spaces = map(_part_value, value)
    kernel = blank()
    unpacking = Unpacking(kernel, pages)
    for space in spaces:
        unpacking.space(space)
    vmas = unpacking.vmas
    files = [file for space in spaces for _, _, _, file, _ in space[-1]]
    for vma, file in zip(vmas, files, strict=True):
        if file is not None:
            vma.file = unpacking.unpack(file)
    for place, (number, translations) in enumerate(tasks):
        comm, pid = exact[0][place] if exact else (task_name(place), _FIRST_PID + place)
        task = kernel.tasks[comm] = Task(comm, pid, unpacking.mms[number])
        for *run, unused in translations:
            task.tlb.fill(unpacking.run(run), unused=unused)
    kernel.next_pid = _FIRST_PID + len(tasks)
    kernel.current = next(iter(kernel.tasks.values()), None)
    kernel.i_mmap = [vmas[number] for number in i_mmap]
    book = kernel.book
    if any(book_parts):
        book.load(
            *([MemtypeEntry(start, end, _MODES[mode]) for start, end, mode in part] for part in book_parts)
        )
    for resource in machine[0]:
        kernel.claim(Resource(*resource))
    kernel.undecoded = tuple(PfnRange(*pfns) for pfns in machine[1])
    tracker, placements, pfnmaps, driver, vfio, pci = memories
    unpacking.attributes(kernel.tracker, tracker)
    for flushes, attributes in zip(kernel.flushes.each(), placements, strict=True):
        unpacking.attributes(flushes, attributes)
    # Unpack in the order of packing: a number refers to an object unpacked earlier.
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
    # In a state, committed memory equals the total over its VMAs: any excess is a fact of the step that
    # caused it.
    kernel.take_uncovered()
    return kernel


def _space(
    mm: MmStruct,
    vmas: Sequence[Vma],
    packing: Packing,
    names: AreaNames | None,
    *,
    join: bool,
    empty_tables: bool,
) -> tuple[Any, ...]:
    file, anon, run = packing.file, packing.anon, packing.run
    runs, spans = mm.tables.state()
    moved = names.moved if names is not None else _UNMOVED
    if not empty_tables:
        spans.clear()
    elif names is not None and names.tables_moved:
        # All areas lie in one PUD table, so its span needs no renaming.
        spans[:2] = [_moved_spans(level, names.tables_moved) for level in spans[:2]]
    if moved:
        # In the order of their new pages, before any of them is numbered.
        runs.sort(key=lambda entries: at_page(entries.start, moved))
    rows = [run(entries, moved) for entries in runs]
    if join:
        rows = joined(rows)
    return (
        PLAIN[MmStruct](mm),
        tuple(spans),
        tuple(rows),
        tuple(
            [
                (
                    *(at_page(vma.start, moved), at_page(vma.end - 1, moved) + 1, PLAIN[Vma](vma)),
                    *(None if vma.file is None else file(vma.file), anon(vma.anon_vma)),
                )
                for vma in vmas
            ]
        ),
    )


def _moved_spans(spans: tuple[tuple[int, int], ...], moved: dict[int, int]) -> tuple[tuple[int, int], ...]:
    """The page tables at one level after areas have moved down by *moved*."""
    return tuple(sorted([(at_page(start, moved), at_page(end - 1, moved) + 1) for start, end in spans]))
