"""The contents of pages: initially zero or a copy, changed only by stores, and returned by loads.

The content of every ordinary page is observed, and so are devices in low memory, which are RAM. BARs are not
read: the last store to one counts, as long as nothing else can have changed it.
"""

from collections.abc import Iterator, Mapping

from pfnlab.checker.judging.observed_spaces import PlaceIndex, SeenSpaces, device_page_at
from pfnlab.kernel.bugs.loss import Loss
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.ops import Fork, Mmap, Mremap, Op, Program, Read, Write
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import STORING_WALKERS, Walk
from pfnlab.programs.runs.kernel_property import KernelProperty
from pfnlab.programs.runs.observation import MemoryObservation, PageData, PteSeen, Step

#: A location: task, area, and page in the area.
_Place = tuple[str, str, int]

#: The content of a page: its first 32 bits and a checksum of the rest; None if unknown.
_Held = tuple[int, int | None]

_ZEROS: _Held = (0, 0)

contents_kept = KernelProperty(
    "contents_kept",
    "A page only changes through a store to a mapping of it",
    "An ordinary page is judged while it stays mapped, and every page of a ``lowmem`` device always.",
    happens="a page changed without a store through any mapping of it",
    noticed="the process that reads it",
)
fresh_zero = KernelProperty(
    "fresh_zero",
    "A new anonymous page is zeroed",
    "Only the store that creates it may show there.",
    happens="a new anonymous page is not zeroed",
    noticed="the process, which reads another process's leftover data",
    loss=Loss.MEMORY,
)
copied_whole = KernelProperty(
    "copied_whole",
    "A private copy has the original contents",
    "For the copy of a device page, these are the last values stored.",
    happens="a private copy does not have the original contents",
    noticed="the process that reads it",
)
private_kept = KernelProperty(
    "private_kept",
    "A page written through a private mapping is a copy that no other process shares",
    "A page that a fork makes two processes share is writable by neither.",
    happens="another process sees a store through a private mapping",
    noticed="both processes",
    loss=Loss.MEMORY,
)
reads_shown = KernelProperty(
    "reads_shown",
    "A load returns the contents of the mapped frame",
    happens="a load did not return the contents of the mapped frame",
    noticed="the process",
)


class _Store:
    # An operation's store: its location and the 32 bits stored; None for some bytes at an unspecified
    # location.

    def __init__(self, place: _Place, value: int | None) -> None:
        self.place, self.value = place, value


class PageContents:
    """The contents of pages at the last observed step."""

    def __init__(self, program: Program) -> None:
        needs = program.needs
        kinds = {device.name: device.kind for device in program.devices}
        #: Devices whose memory keeps stored values; empty if they may be reset or removed.
        self._holding = (
            set()
            if needs.vfio or needs.slot or needs.reset or needs.moved or needs.bound
            else {name for name, kind in kinds.items() if kind == "pci"}
        )
        #: For each device page, the last word stored, and the step after which it was there.
        self._stored: dict[tuple[str, int], tuple[int, int]] = {}
        #: The devices backed by their own RAM, with their last contents; None if not read.
        self._low = {name for name, kind in kinds.items() if kind == "lowmem"}
        self._frames: dict[str, tuple[tuple[int, int], ...]] | None = None
        self._number = 0
        self._pages: dict[_Place, PageData] | None = None
        self._ptes: tuple[PteSeen, ...] = ()

    def forget(self) -> None:
        """Forget all contents, because they may change without being observed."""
        self._pages = self._frames = None
        self._stored = {}

    def look(
        self,
        number: int,
        step: Step,
        op: Op | None,
        process: str,
        memory: MemoryObservation | None,
        spaces: SeenSpaces,
    ) -> Iterator[tuple[str, str]]:
        """Yield the name and sentence of each property that, judging by the contents, a step violates.

        :param number: the number of the step, from 0
        :param process: the task that stands for the acting task's address space
        :param memory: the observed memory; if it has no contents, nothing is judged
        """
        self._number = number
        if memory is None or memory.pages is None:
            self.forget()
            return
        # A clock changes on its own.
        pages = {
            place: page
            for page in memory.pages
            if not _is_clock(place := (page.task, page.area, page.page), spaces)
        }
        store = _store(op, process)
        yield from self._changed_frames(memory, store, step, spaces)
        if self._pages is not None:
            self._drop_replaced(step, op, process)
            yield from self._changed(pages, store)
            if op is not None:
                yield from self._begun(pages, op, process, store, spaces)
                yield from _shared(pages, op, process, step, memory, spaces)
                yield from _writable_twice(pages, op, process, step, spaces)
        yield from self._given(pages, step, op, process, spaces)
        self._note(step, op, store, spaces)
        self._pages, self._ptes = pages, step.ptes or ()

    def _drop_replaced(self, step: Step, op: Op | None, process: str) -> None:
        # The replaced page is gone, even if the new mapping got the same frame.
        assert self._pages is not None
        call = None if op is None else op.call
        if isinstance(call, Mmap) and call.over is not None and step.result == "ok":
            area, replaced = call.over.name, range(call.over.start, call.over.start + call.source.pages)
            self._pages = {
                place: page
                for place, page in self._pages.items()
                if place[:2] != (process, area) or place[2] not in replaced
            }

    def _changed(self, pages: Mapping[_Place, PageData], store: _Store | None) -> Iterator[tuple[str, str]]:
        # A page that was and still is mapped at a location.
        assert self._pages is not None
        if store is not None and store.value is None:
            return
        reached = set[int]()
        if store is not None:
            reached = {of[store.place].pfn for of in (self._pages, pages) if store.place in of}
        for place, page in pages.items():
            before = self._pages.get(place)
            if before is None or before.pfn != page.pfn or before.data == page.data:
                continue
            if page.pfn not in reached:
                yield (
                    contents_kept.name,
                    f"{_named(place)} holds {_says(page.data)} after {_says(before.data)}, without a store",
                )
            elif store is not None and page.word != store.value:
                yield (
                    contents_kept.name,
                    f"{_named(place)} holds {_says(page.data)} after a store of {store.value:#x}",
                )

    def _changed_frames(
        self, memory: MemoryObservation, store: _Store | None, step: Step, spaces: SeenSpaces
    ) -> Iterator[tuple[str, str]]:
        # A page in a low-memory device.
        before, self._frames = self._frames, memory.frames
        if before is None or (store is not None and (store.value is None or step.result != "ok")):
            return
        reached = None if store is None else _frame(store.place, spaces.ptes)
        for name in self._low & before.keys() & memory.frames.keys():
            for page, (was, now) in enumerate(zip(before[name], memory.frames[name], strict=False)):
                if was != now and (name, page) != reached:
                    place = f"{name}[{page}]"
                    yield (
                        contents_kept.name,
                        f"{place} holds {_says(now)}, held {_says(was)}, without a store",
                    )

    def _begun(
        self, pages: Mapping[_Place, PageData], op: Op, process: str, store: _Store | None, spaces: SeenSpaces
    ) -> Iterator[tuple[str, str]]:
        # A page newly mapped at a location, with unknown earlier content.
        assert self._pages is not None
        known = {page.pfn: page.data for page in self._pages.values()}
        for place, page in pages.items():
            before = self._pages.get(place)
            if (before is not None and before.pfn == page.pfn) or known.get(page.pfn) == page.data:
                continue
            if store is not None and store.value is None:
                continue
            name, expected = self._expected(place, op, process, spaces)
            if store is not None and store.place == place and store.value is not None:
                expected = [(store.value, rest) for _, rest in expected]
            if expected and not any(_equal(page.data, data) for data in expected):
                yield name, f"{_named(place)} begins with {_says(page.data)}, not {_says(expected[0])}"

    def _expected(self, place: _Place, op: Op, process: str, spaces: SeenSpaces) -> tuple[str, list[_Held]]:
        # The property of a new page at a location, and its possible contents; empty if these are unknown.
        assert self._pages is not None
        task, area, number = place
        span, vma = Span(area, number, number + 1), spaces.vmas.at(*place)
        if vma is None or not vma.perms.endswith("p"):
            return "", []
        if isinstance(op.call, Fork) and op.call.child == task:
            parents = self._pages.get((process, area, number))
            return copied_whole.name, [] if parents is None else [parents.data]
        # A page that the call itself maps there and fills immediately is not a copy of anything.
        anew = isinstance(op.call, Mmap | Mremap)
        copied = self._pages.get(place)
        if copied is not None:
            return copied_whole.name, [copied.data, *([_ZEROS] if anew and vma.file == "anon" else [])]
        run = next((run for run in self._ptes if run.task == task and run.span.meets(span)), None)
        frame = device_page_at(run, number) if run is not None and run.table_entry.maps else None
        if frame is not None and not anew:
            stored = self._stored.get(frame)
            return copied_whole.name, [] if stored is None else [(stored[0], None)]
        if vma.file == "anon" and not isinstance(op.call, Mremap):
            return fresh_zero.name, [_ZEROS]
        return "", []

    def _given(
        self, pages: Mapping[_Place, PageData], step: Step, op: Op | None, process: str, spaces: SeenSpaces
    ) -> Iterator[tuple[str, str]]:
        # The result of a load.
        if op is None or step.result != "ok" or not isinstance(step.value, int):
            return
        call = op.call
        if not (
            isinstance(call, Read)
            or (isinstance(call, Walk) and call.walker == "mem_read" and not call.bytes)
        ):
            return
        place = (process, call.span.name, call.span.start)
        page = pages.get(place)
        frame = None if page is not None else _frame(place, spaces.ptes)
        stored = None if frame is None else self._stored.get(frame)
        says = f"a load from {_named(place)} returned {step.value:#x}"
        if page is not None and step.value != page.word:
            yield reads_shown.name, f"{says}, but the frame there holds {page.word:#x}"
        if frame is not None and stored is not None and step.value != stored[0]:
            # A BAR is not read after every step, so the change happened somewhere between the two reads.
            known = f"{frame[0]}[{frame[1]}] held {stored[0]:#x} after step {stored[1] + 1}"
            yield reads_shown.name, f"{says}; {known}, and no store there followed"
        elif frame is not None and stored is not None:
            self._stored[frame] = stored[0], self._number

    def _note(self, step: Step, op: Op | None, store: _Store | None, spaces: SeenSpaces) -> None:
        # The current content of a device.
        if store is None:
            return
        if store.value is None or step.result != "ok":
            self._stored = {}
            return
        frame = _frame(store.place, spaces.ptes)
        if frame is not None and frame[0] in self._holding:
            self._stored[frame] = store.value, self._number


def _store(op: Op | None, process: str) -> _Store | None:
    if op is None:
        return None
    call = op.call
    if isinstance(call, Write):
        return _Store((process, call.span.name, call.span.start), call.value)
    if isinstance(call, Walk) and (call.walker in STORING_WALKERS or call.walker == "userfaultfd"):
        value = None if call.bytes is not None or call.walker == "userfaultfd" else call.value
        return _Store((process, call.span.name, call.span.start), value)
    return None


def _shared(
    pages: Mapping[_Place, PageData],
    op: Op,
    process: str,
    step: Step,
    memory: MemoryObservation,
    spaces: SeenSpaces,
) -> Iterator[tuple[str, str]]:
    # A page stored to through a private mapping belongs to that mapping alone.
    call = op.call
    if not isinstance(call, Write) or step.result != "ok":
        return
    place = (process, call.span.name, call.span.start)
    page = pages.get(place)
    if page is None or not _is_private(place, spaces):
        return
    own = memory.tlb_gens.get(process, (0, 0))[0]
    for other, shown in pages.items():
        space = memory.tlb_gens.get(other[0], (own, 0))[0]
        if shown.pfn == page.pfn and space != own and _is_private(other, spaces):
            yield private_kept.name, f"{_named(place)} was stored to, but {_named(other)} shows the same page"


def _writable_twice(
    pages: Mapping[_Place, PageData], op: Op, process: str, step: Step, spaces: SeenSpaces
) -> Iterator[tuple[str, str]]:
    # A private page that two mappings share after a fork is writable through neither.
    call = op.call
    if not isinstance(call, Fork) or step.result != "ok":
        return
    for place, page in pages.items():
        task, area, number = place
        parents = pages.get((process, area, number))
        if task != call.child or parents is None or parents.pfn != page.pfn or not _is_private(place, spaces):
            continue
        for owner in (process, task):
            run = spaces.ptes.at(owner, area, number)
            if run is not None and "RW" in run.table_entry.flags:
                shared = f"{_named((owner, area, number))} may be written, and {process} and {task} share it"
                yield private_kept.name, shared


def _is_private(place: _Place, spaces: SeenSpaces) -> bool:
    span = Span(place[1], place[2], place[2] + 1)
    return any(vma.perms.endswith("p") for vma in spaces.vmas.overlapping(place[0], span))


def _is_clock(place: _Place, spaces: SeenSpaces) -> bool:
    span = Span(place[1], place[2], place[2] + 1)
    return any(vma.file == VVAR for vma in spaces.vmas.overlapping(place[0], span))


def _frame(place: _Place, ptes: PlaceIndex[PteSeen]) -> tuple[str, int] | None:
    # The device page mapped at a location.
    run = ptes.at(*place)
    return None if run is None or not run.table_entry.maps else device_page_at(run, place[2])


def _equal(held: _Held, expected: _Held) -> bool:
    return held[0] == expected[0] and expected[1] in (None, held[1])


def _named(place: _Place) -> str:
    task, area, number = place
    return f"{area}[{number}]" if task == "main" else f"{task}: {area}[{number}]"


def _says(held: _Held) -> str:
    return f"{held[0]:#x}" + (" and other bytes" if held[1] else "")
