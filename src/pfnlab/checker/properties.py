"""What is asked of a kernel: each property a few lines over one moment.

A judge answers True or False, or None where its question does not arise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from pfnlab.checker.domain import FORK_LEFT, FREED_WRONGLY, WARNED, Judge, KernelModel, Moment, State
from pfnlab.checker.property import Property
from pfnlab.checker.scope import Scope
from pfnlab.errors import Misuse
from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.entry import pte_present
from pfnlab.hw.pgtable import Page, Run
from pfnlab.mm.flags import VM_PFNMAP
from pfnlab.mm.kernel import Kernel
from pfnlab.mm.users.devmem import DevMem
from pfnlab.mm.users.driver import DriverFile
from pfnlab.mm.users.pci import PciBar
from pfnlab.mm.vma import Vma
from pfnlab.programs.ops import Fork, Mmap
from pfnlab.programs.words import did_you_mean
from pfnlab.units import PfnRange, pages_of, pfn_to_phys, phys_to_pfn


class Question(NamedTuple):
    """A property by name.

    :param asks: what it says, one sentence
    :param needs: words of operations without all of which a scope can say nothing of it
    """

    name: str
    kind: Literal["always", "sometimes"]
    asks: str
    judge: Judge
    needs: tuple[str, ...] = ()


def _vmas(kernel: Kernel) -> Iterator[Vma]:
    """Every mapping of device pages, of all tasks."""
    for mm in {id(task.mm): task.mm for task in kernel.tasks.values()}.values():
        yield from (vma for vma in mm._vmas if vma.flags & VM_PFNMAP and vma.file is not None)


def _booked_whole(vma: Vma) -> bool:
    """Whether it was made by one remap_pfn_range of all of it, which is what a tracker keeps (S3.1, S4.6)."""
    file = vma.file
    return isinstance(file, PciBar | DevMem) or (isinstance(file, DriverFile) and file.how == "remap")


def _frames(vma: Vma) -> PfnRange:
    """The frames a mapping of that kind stands for, whatever its entries are."""
    return PfnRange(vma.pgoff, vma.pgoff + vma.nr)


def _device_runs(vma: Vma) -> list[Run]:
    """The entries that show a device, not a copy."""
    runs = vma.mm.tables.runs(vma.start, vma.end)
    return [run for run in runs if run.page is None and pte_present(run.bits)]


def _reservations(kernel: Kernel) -> list[PfnRange]:
    """The ranges in the book that were made for mappings into processes: those of drivers are left out."""
    ranges = [PfnRange(phys_to_pfn(start), pages_of(end)) for start, end, _ in kernel.book._entries]
    own = list(kernel.driver.mapped) if kernel.driver is not None else []
    own += [device.bar for device in kernel.vfio.values() if device.claimed is not None]
    for pfns in own:
        if pfns in ranges:
            ranges.remove(pfns)
    return ranges


def no_leak(moment: Moment) -> bool | None:
    """A reservation ends with the last mapping of its range."""
    reserved = _reservations(moment.kernel)
    if not reserved:
        return None
    mapped = [_frames(vma) for vma in _vmas(moment.kernel)]
    return all(any(pfns.overlaps(one) for one in mapped) for pfns in reserved)


def no_loss(moment: Moment) -> bool | None:
    """What a mapping shows of a device is reserved."""
    reserved, asked = None, False
    for vma in _vmas(moment.kernel):
        if not _booked_whole(vma):
            continue
        for run in _device_runs(vma):
            asked = True
            reserved = _pages(_reservations(moment.kernel)) if reserved is None else reserved
            if any(pfn not in reserved for pfn in range(run.pfn, run.pfn + run.end - run.start)):
                return False
    return True if asked else None


def exact(moment: Moment) -> bool | None:
    """What is reserved is what is mapped, page by page."""
    kernel = moment.kernel
    reserved = _pages(_reservations(kernel))
    mapped = _pages(_frames(vma) for vma in _vmas(kernel) if _booked_whole(vma))
    return reserved == mapped if reserved or mapped else None


def _pages(ranges: Sequence[PfnRange] | Iterator[PfnRange]) -> set[int]:
    return {pfn for pfns in ranges for pfn in range(pfns.start, pfns.end)}


def freed_once(moment: Moment) -> bool | None:
    """The book is never asked to free what is not in it."""
    return FREED_WRONGLY not in moment.facts


def no_warning(moment: Moment) -> bool | None:
    """The kernel never warns of itself."""
    return WARNED not in moment.facts


def one_mode(moment: Moment) -> bool | None:
    """All mappings of a frame have one cache mode."""
    modes: dict[int, CacheMode] = {}
    shared = False
    for pfn, mode in _mapped_modes(moment.kernel):
        shared = shared or pfn in modes
        if modes.setdefault(pfn, mode) != mode:
            return False
    return True if shared else None


def _mapped_modes(kernel: Kernel) -> Iterator[tuple[int, CacheMode]]:
    mode_of = kernel.platform.pat.pgprot2cachemode
    for vma in _vmas(kernel):
        for run in _device_runs(vma):
            mode = mode_of(run.bits)
            yield from ((pfn, mode) for pfn in range(run.pfn, run.pfn + run.end - run.start))


def direct_map(moment: Moment) -> bool | None:
    """RAM that is mapped has the cache mode the kernel's direct map has it with."""
    kernel, asked = moment.kernel, False
    for pfn, mode in _mapped_modes(kernel):
        if kernel.platform.phys.page_is_ram(pfn):
            asked = True
            if kernel.book.direct_map(pfn_to_phys(pfn)) != mode:
                return False
    return True if asked else None


def memory_off(moment: Moment) -> bool | None:
    """While a device's memory is off, nothing maps it through the driver that switched it off."""
    kernel = moment.kernel
    if not kernel.undecoded:
        return None
    return not any(
        pfns.overlaps(PfnRange(run.pfn, run.pfn + run.end - run.start))
        for vma in _vmas(kernel)
        if vma.file is not None and vma.file.mapping == "vfio"
        for run in _device_runs(vma)
        for pfns in kernel.undecoded
    )


def claimed_unmapped(moment: Moment) -> bool | None:
    """Once a driver has claimed a range, nothing maps it through /dev/mem or the PCI files."""
    claimed = _claimed(moment.kernel)
    if claimed is None:
        return None
    return not any(
        claimed.overlaps(PfnRange(run.pfn, run.pfn + run.end - run.start))
        for vma in _vmas(moment.kernel)
        if vma.file is not None and vma.file.mapping == "iomem"
        for run in _device_runs(vma)
    )


def claimed_free(moment: Moment) -> bool | None:
    """Once a driver has claimed a range, no reservation of those it was taken from decides its cache mode."""
    claimed = _claimed(moment.kernel)
    if claimed is None:
        return None
    drivers = [
        _frames(vma) for vma in _vmas(moment.kernel) if vma.file is not None and vma.file.mapping != "iomem"
    ]
    old = [pfns for pfns in _reservations(moment.kernel) if pfns.overlaps(claimed)]
    return all(any(pfns.overlaps(one) for one in drivers) for pfns in old)


def _claimed(kernel: Kernel) -> PfnRange | None:
    resource = kernel.driver.resource if kernel.driver is not None else None
    if resource is None or not kernel.platform.io_strict_devmem:
        return None
    return PfnRange(phys_to_pfn(resource.start), pages_of(resource.end))


def fork_whole(moment: Moment) -> bool | None:
    """A fork that fails leaves tasks, mappings and reservations as they were."""
    refused = any(kind.startswith("fork") and result != "ok" for kind, result in moment.outcomes)
    return FORK_LEFT not in moment.facts if refused else None


def counters(moment: Moment) -> bool | None:
    """Pages and tracked ranges count who uses them."""
    kernel = moment.kernel
    used: Counter[Page] = Counter()
    mms = {id(task.mm): task.mm for task in kernel.tasks.values()}.values()
    for mm in mms:
        used.update(run.page for run in mm.tables._runs if run.page is not None)
    vmas = [vma for mm in mms for vma in mm._vmas]
    tracked = [one for one in kernel.tracker.tracked(vmas) if one.refs is not None]
    if not used and not tracked:
        return None
    return all(page.mapcount == count for page, count in used.items()) and all(
        one.refs == len(one.vmas) for one in tracked
    )


def no_stale(moment: Moment) -> bool | None:
    """No processor remembers a translation the page tables do not have any more."""
    filled = [task for task in moment.kernel.tasks.values() if task.tlb._entries]
    return not any(task.tlb.stale(task.mm.tables) for task in filled) if filled else None


def split(moment: Moment) -> bool | None:
    """A mapping is cut in two."""
    return any(
        one.end == other.start
        for mm in {id(task.mm): task.mm for task in moment.kernel.tasks.values()}.values()
        for one, other in zip(mm._vmas, mm._vmas[1:], strict=False)
    )


def shared(moment: Moment) -> bool | None:
    """Two tasks map the same frame of a device."""
    tasks = list({id(task.mm): task.mm for task in moment.kernel.tasks.values()}.values())
    mapped = [
        {run.pfn for vma in mm._vmas if vma.flags & VM_PFNMAP for run in _device_runs(vma)} for mm in tasks
    ]
    return len(mapped) > 1 and bool(mapped[0] & mapped[1])


def copied(moment: Moment) -> bool | None:
    """A page of a device has been copied on write."""
    return any(
        run.page is not None for vma in _vmas(moment.kernel) for run in vma.mm.tables.runs(vma.start, vma.end)
    )


def _always(judge: Judge, *needs: str) -> Question:
    return Question(judge.__name__, "always", _says(judge), judge, needs)


def _sometimes(judge: Judge, *needs: str) -> Question:
    return Question(judge.__name__, "sometimes", _says(judge), judge, needs)


def _says(judge: Judge) -> str:
    return " ".join((judge.__doc__ or "").split()).rstrip(".")


#: Every property, in the order of a report.
QUESTIONS: tuple[Question, ...] = (
    _always(no_leak),
    _always(no_loss),
    _always(freed_once),
    _always(exact),
    _always(one_mode),
    _always(direct_map, "low memory"),
    _always(no_stale, "write"),
    _always(memory_off, "memory_disable"),
    _always(claimed_unmapped, "request_mem_region"),
    _always(claimed_free, "request_mem_region"),
    _always(fork_whole, "fork that fails"),
    _always(no_warning),
    _always(counters),
    _sometimes(split, "mprotect"),
    _sometimes(shared, "fork"),
    _sometimes(copied, "write", "private"),
)


def questions(names: Sequence[str] = (), scope: Scope | None = None) -> list[Question]:
    """The questions called *names*, or all that *scope* can say something of.

    :raises Misuse: there is no such property
    """
    known = {question.name: question for question in QUESTIONS}
    for name in names:
        if name not in known:
            raise Misuse(f"there is no property `{name}`{did_you_mean(name, known)}")
    if names:
        return [known[name] for name in names]
    had = _had(scope) if scope is not None else None
    return [question for question in QUESTIONS if had is None or had.issuperset(question.needs)]


def _had(scope: Scope) -> set[str]:
    """The words of :attr:`Question.needs` a scope has."""
    calls = [template.op.call for template in scope.templates]
    had = {str(type(call).__struct_config__.tag) for call in calls}
    had |= {"private" for call in calls if isinstance(call, Mmap) and not call.shared}
    had |= {"low memory" for device in scope.devices if device.kind == "lowmem"}
    fails = [template.op for template in scope.templates if isinstance(template.op.call, Fork)]
    return had | {"fork that fails" for op in fails if op.fail is not None or op.call.refused}  # type: ignore[union-attr]


def properties(model: KernelModel, asked: Sequence[Question]) -> list[Property[State]]:
    """*asked*, for the states of *model*."""
    return [_property(model, question) for question in asked]


def _property(model: KernelModel, question: Question) -> Property[State]:
    judge, always = question.judge, question.kind == "always"
    last: list[object] = [None, None]

    def answer(state: State) -> bool | None:
        if last[0] is not state:
            last[:] = [state, judge(model.moment(state))]
        return last[1]  # type: ignore[return-value]

    return Property(
        question.name,
        question.kind,
        lambda state: answer(state) is not False if always else bool(answer(state)),
        (lambda state: answer(state) is not None) if always else None,
    )
