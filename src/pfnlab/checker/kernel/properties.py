"""What is asked of a kernel: each property a few lines over one moment.

A judge answers True or False, or None where its question does not arise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

from pfnlab.checker.kernel.domain import FORK_LEFT, FREED_WRONGLY, WARNED, KernelModel, KernelState
from pfnlab.checker.kernel.moment import Judge, StateView
from pfnlab.checker.kernel.scope import RaceScope, Scope, load_scope, scope_names
from pfnlab.checker.search.property import Property
from pfnlab.errors import Misuse
from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.pgtable import Page
from pfnlab.mm.kernel import Kernel
from pfnlab.mm.readers import normal_runs
from pfnlab.programs.lang.ops import Fork, Mmap
from pfnlab.programs.lang.words import did_you_mean
from pfnlab.units import PfnRange, pages_of, pfn_to_phys, phys_to_pfn

#: The files a PCI device has, and those a claim revokes, by :attr:`~pfnlab.mm.vma.MappedFile.kind`.
PCI_FILES = ("wc", "uc", "proc")
REVOKED = (*PCI_FILES, "mem")


#: The seams a question may belong to, as a machine's name has them.
Seam = Literal["tracker", "flush", "walker"]
SEAMS: tuple[Seam, ...] = get_args(Seam)


class Question(NamedTuple):
    """A property by name.

    :param asks: what it says, one sentence
    :param needs: words of operations without all of which a scope can say nothing of it
    :param seam: whose policy answers for it: ``tracker``, ``flush`` or ``walker``; None for one that tells
        what a search has reached, or where no policy can do anything about it
    """

    name: str
    kind: Literal["always", "sometimes"]
    asks: str
    judge: Judge
    needs: tuple[str, ...] = ()
    seam: Seam | None = None


def no_leak(moment: StateView) -> bool | None:
    """A reservation ends with the last mapping of its range."""
    if not moment.reservations:
        return None
    mapped = [one.frames for one in moment.mappings]
    return all(any(pfns.overlaps(one) for one in mapped) for pfns in moment.reservations)


def no_loss(moment: StateView) -> bool | None:
    """What a mapping shows of a device is reserved."""
    runs = [run for one in moment.mappings if one.booked_whole for run in one.runs]
    if not runs:
        return None
    return all(moment.reserved.issuperset(range(run.pfn, run.pfn + run.end - run.start)) for run in runs)


def exact(moment: StateView) -> bool | None:
    """What is reserved is what is mapped or may be mapped again by a fault, page by page."""
    mapped = {pfn for one in moment.mappings if one.booked_whole for pfn in one.covered}
    if not moment.reserved and not mapped:
        return None
    # No kernel reserves what is inserted page by page, and a tracker may.
    inserted = {pfn for one in moment.mappings if not one.booked_whole for pfn in one.covered}
    return mapped <= moment.reserved <= mapped | inserted


def freed_once(moment: StateView) -> bool | None:
    """The book is never asked to free what is not in it."""
    return FREED_WRONGLY not in moment.facts


def no_warning(moment: StateView) -> bool | None:
    """The kernel never warns of itself."""
    return WARNED not in moment.facts


def one_mode(moment: StateView) -> bool | None:
    """All mappings of a frame have one cache mode."""
    modes: dict[int, CacheMode] = {}
    shared = False
    for pfn, mode in _mapped_modes(moment):
        shared = shared or pfn in modes
        if modes.setdefault(pfn, mode) != mode:
            return False
    return True if shared else None


def _mapped_modes(moment: StateView) -> Iterator[tuple[int, CacheMode]]:
    mode_of = moment.kernel.platform.pat.pgprot2cachemode
    for one in moment.mappings:
        for run in one.runs:
            mode = mode_of(run.bits)
            yield from ((pfn, mode) for pfn in range(run.pfn, run.pfn + run.end - run.start))


def direct_map(moment: StateView) -> bool | None:
    """RAM that is mapped has the cache mode the kernel's direct map has it with."""
    kernel, asked = moment.kernel, False
    for pfn, mode in _mapped_modes(moment):
        if kernel.platform.phys.page_is_ram(pfn):
            asked = True
            if kernel.book.direct_map(pfn_to_phys(pfn)) != mode:
                return False
    return True if asked else None


def memory_off(moment: StateView) -> bool | None:
    """While a device's memory is off, nothing maps it through the driver that switched it off."""
    off = moment.kernel.undecoded
    return not any(_shows(moment, pfns, ("vfio",)) for pfns in off) if off else None


def removed_unmapped(moment: StateView) -> bool | None:
    """After a device was removed, nothing maps it through the files it had."""
    gone = [device.bar for device in moment.kernel.pci.values() if not device.known]
    return not any(_shows(moment, pfns, PCI_FILES) for pfns in gone) if gone else None


def claimed_unmapped(moment: StateView) -> bool | None:
    """Once a driver has claimed a range, nothing maps it through /dev/mem or the PCI files."""
    claimed = _claimed(moment.kernel)
    return None if claimed is None else not _shows(moment, claimed, REVOKED)


def _shows(moment: StateView, pfns: PfnRange, kinds: Sequence[str]) -> bool:
    """Whether a mapping of a file of one of these *kinds* shows one of these frames."""
    return any(
        pfns.overlaps(PfnRange(run.pfn, run.pfn + run.end - run.start))
        for one in moment.mappings
        if one.kind in kinds
        for run in one.runs
    )


def claimed_free(moment: StateView) -> bool | None:
    """Once a driver has claimed a range, no reservation of those who had it decides its cache mode."""
    claimed = _claimed(moment.kernel)
    if claimed is None:
        return None
    drivers = [one.frames for one in moment.mappings if one.kind not in REVOKED]
    old = [pfns for pfns in moment.reservations if pfns.overlaps(claimed)]
    return all(any(pfns.overlaps(one) for one in drivers) for pfns in old)


def _claimed(kernel: Kernel) -> PfnRange | None:
    resource = kernel.driver.resource if kernel.driver is not None else None
    if resource is None or not kernel.platform.io_strict_devmem:
        return None
    return PfnRange(phys_to_pfn(resource.start), pages_of(resource.end))


def fork_whole(moment: StateView) -> bool | None:
    """A fork that fails leaves tasks, mappings and reservations as they were."""
    refused = any(kind.startswith("fork") and result != "ok" for kind, result in moment.outcomes)
    return FORK_LEFT not in moment.facts if refused else None


def counters(moment: StateView) -> bool | None:
    """Pages and tracked ranges count who uses them."""
    used: Counter[Page] = Counter()
    for mm in moment.mms:
        used.update(run.page for run in mm.tables.entries if run.page is not None)
    vmas = [vma for mm in moment.mms for vma in mm.vmas]
    tracked = [one for one in moment.kernel.tracker.tracked(vmas) if one.refs is not None]
    if not used and not tracked:
        return None
    pages = all(page.mapcount == count for page, count in used.items())
    return pages and all(one.refs == len(one.vmas) for one in tracked)


def walks_pages(moment: StateView) -> bool | None:
    """No walker takes a device's frame for a page."""
    if not moment.mappings:
        return None
    walked = (normal_runs(one.vma, walker) for one in moment.mappings for walker in moment.walkers)
    return not any(run.page is None for runs in walked for run in runs)


def walks_all(moment: StateView) -> bool | None:
    """Every walker finds the pages that were copied on write."""
    copied = [one for one in moment.mappings if one.copies]
    if not copied:
        return None
    return not any(
        run not in found
        for one in copied
        for walker in moment.walkers
        for found in (normal_runs(one.vma, walker),)
        for run in one.copies
    )


def no_stale(moment: StateView) -> bool | None:
    """No processor remembers a translation the page tables do not have any more."""
    filled = [task for task in moment.kernel.tasks.values() if task.tlb.state()]
    return not any(task.tlb.stale(task.mm.tables) for task in filled) if filled else None


def split(moment: StateView) -> bool | None:
    """A mapping is cut in two."""
    pairs = (pair for mm in moment.mms for pair in pairwise(mm.vmas))
    return any(one.end == other.start for one, other in pairs)


def shared(moment: StateView) -> bool | None:
    """Two tasks map the same frame of a device."""
    mapped = {(run.pfn, id(one.vma.mm)) for one in moment.mappings for run in one.runs}
    return len({pfn for pfn, _ in mapped}) < len(mapped)


def copied(moment: StateView) -> bool | None:
    """A page of a device has been copied on write."""
    return any(one.copies for one in moment.mappings)


def _always(seam: Seam | None, judge: Judge, *needs: str) -> Question:
    return Question(judge.__name__, "always", _says(judge), judge, needs, seam)


def _sometimes(judge: Judge, *needs: str) -> Question:
    return Question(judge.__name__, "sometimes", _says(judge), judge, needs)


def _says(judge: Judge) -> str:
    return " ".join((judge.__doc__ or "").split()).rstrip(".")


#: Every property, in the order of a report.
QUESTIONS: tuple[Question, ...] = (
    _always("tracker", no_leak),
    _always("tracker", no_loss),
    _always("tracker", freed_once),
    _always("tracker", exact),
    _always("tracker", one_mode),
    _always("tracker", direct_map, "low memory"),
    _always("flush", no_stale, "write"),
    _always(None, memory_off, "memory_disable"),
    _always(None, removed_unmapped, "remove"),
    _always(None, claimed_unmapped, "request_mem_region"),
    _always("tracker", claimed_free, "request_mem_region"),
    _always("tracker", fork_whole, "fork that fails"),
    _always("walker", walks_pages),
    _always("walker", walks_all, "write", "private"),
    _always("tracker", no_warning),
    _always("tracker", counters),
    _sometimes(split, "mprotect"),
    _sometimes(shared, "fork"),
    _sometimes(copied, "write", "private"),
)


def _race(name: str, kind: Literal["always", "sometimes"], asks: str, seam: Seam | None = None) -> Question:
    return Question(name, kind, asks, lambda moment: None, seam=seam)


#: Every property of races: what one is about is found out while it runs (:mod:`pfnlab.checker.races`).
RACE_QUESTIONS: tuple[Question, ...] = (
    _race(
        "told_free", "always", "No processor reaches a frame whose owner was told that it is free", "flush"
    ),
    _race("no_deadlock", "always", "Operations never wait for each other", "flush"),
    _race("told_beside", "sometimes", "An owner is told while another operation is under way"),
)


def questions(names: Sequence[str] = (), scope: Scope | RaceScope | None = None) -> list[Question]:
    """The questions called *names*, or all that *scope* can say something of.

    :param names: that of a seam stands for all of its questions that the scope can say something of, and for
        those that tell whether the search has looked at anything
    :raises Misuse: there is no such property, the scope does not ask it, or none of that seam
    """
    known = {question.name: question for question in _possible(scope)}
    for name in names:
        if name not in known and name not in SEAMS:
            raise Misuse(_not_asked(name, scope))
    had = _had(scope) if isinstance(scope, Scope) else None
    told = [question for question in known.values() if had is None or had.issuperset(question.needs)]
    if not names:
        return told
    asked = [known[name] for name in names if name in known]
    for seam in SEAMS:
        if seam in names:
            asked += _of_seam(seam, told)
    return list(dict.fromkeys(asked))


def _possible(scope: Scope | RaceScope | None) -> tuple[Question, ...]:
    """What can be asked in *scope*; without one, of operations in a row."""
    return RACE_QUESTIONS if isinstance(scope, RaceScope) else QUESTIONS


def _not_asked(name: str, scope: Scope | RaceScope | None) -> str:
    """Why *name* cannot be asked there, and what to write instead."""
    every = [question.name for question in (*QUESTIONS, *RACE_QUESTIONS)]
    if name not in every:
        return f"there is no property `{name}`{did_you_mean(name, (*every, *SEAMS))}"
    asking = [
        one for one in scope_names() if name in [asked.name for asked in questions(scope=load_scope(one))]
    ]
    here = (
        f"scope `{scope.name}` does not ask `{name}`" if scope is not None else f"`{name}` is asked of races"
    )
    instead = f"--scope {' or '.join(asking)} does" if asking else "write a scope of operations in a row"
    return f"{here}: {instead}"


def _of_seam(seam: Seam, told: Sequence[Question]) -> list[Question]:
    if not any(question.seam == seam for question in told):
        raise Misuse(f"the scope can say nothing of a {seam}")
    return [question for question in told if question.seam == seam or question.kind == "sometimes"]


def _had(scope: Scope) -> set[str]:
    """The words of :attr:`Question.needs` a scope has."""
    calls = [template.op.call for template in scope.templates]
    had = {str(type(call).__struct_config__.tag) for call in calls}
    had |= {"private" for call in calls if isinstance(call, Mmap) and not call.shared}
    had |= {"low memory" for device in scope.devices if device.kind == "lowmem"}
    fails = [template.op for template in scope.templates if isinstance(template.op.call, Fork)]
    return had | {"fork that fails" for op in fails if op.fail is not None or op.call.refused}  # type: ignore[union-attr]


def properties(model: KernelModel, asked: Sequence[Question]) -> list[Property[KernelState]]:
    """*asked*, for the states of *model*."""
    return [_property(model, question) for question in asked]


def _property(model: KernelModel, question: Question) -> Property[KernelState]:
    judge, always = question.judge, question.kind == "always"
    last: list[object] = [None, None]

    def answer(state: KernelState) -> bool | None:
        if last[0] is not state:
            last[:] = [state, judge(model.moment(state))]
        return last[1]  # type: ignore[return-value]

    return Property(
        question.name,
        question.kind,
        lambda state: answer(state) is not False if always else bool(answer(state)),
        (lambda state: answer(state) is not None) if always else None,
    )
