"""A machine's report after every step of a program, in one form for models and kernels.

A step has the same structure, key by key, as its JSON in ``run --json`` and in goldens. When reading,
undeclared keys are refused. Physical pages are given as pages of the program's devices, virtual pages as
pages of its areas, and tasks by name, so two runs are equal if and only if their steps are equal as values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Annotated

import msgspec
from msgspec import Meta, field

from pfnlab.base.errors import Defect, Why
from pfnlab.base.result import ALWAYS, UNPRINTED, Text
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.texts import TableEntry, TrackedRange, named_span, table_entry, tracked_range
from pfnlab.programs.runs.violation import Violation

#: A page number, or a page count.
Page = Annotated[int, Meta(extra_json_schema={"minimum": 0})]

_Lines = tuple[Text, ...] | None

#: Pages that are not write-back in the direct map: ``low[0:4] UC-``.
_OTHERWISE = re.compile(r"(.+)\[(\d+):(\d+)\] (\S+)")

#: Results of unfinished operations.
HELD, WAITS, BUSY = "held", "waits", "busy"

#: At a release, the result of an operation whose process was killed while it was held.
KILLED = "killed"

#: Values of mremap: the mapping stayed in place, or moved.
SAME, MOVED = "same", "moved"

#: The value of an operation that should have been held but was not.
NOT_HELD = "not held"


def standings(step: Step) -> dict[str, str]:
    """The result, final or so far, of every operation under way at a release, by task."""
    if not isinstance(step.value, str):
        return {}
    return {task: result for task, _, result in (word.partition(" ") for word in step.value.split("; "))}


def is_under_way(result: str) -> bool:
    """Return whether *result* is that of an operation that is held or waiting."""
    return result.partition(" ")[0] in (HELD, WAITS)


#: The pseudo-device for pages that belong to none of the program's devices (absolute numbers).
PHYSICAL = "phys"

#: The pseudo-device for file offsets that count from the start of a vfio region rather than physically.
REGION = "region"


class DeviceSpan(Span, frozen=True, gc=False, forbid_unknown_fields=True):
    """Pages ``start`` up to ``end`` (exclusive) of a device.

    It compares equal to a program's span with the same pages.

    :param name: the program's device; ``ram`` for ordinary memory
    :param start: the first page
    :param end: the page after the last
    """

    name: Text = field(name="device")
    start: Page
    end: Page

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Span) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(Span(*self.parts))


class BookEntry(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """One entry in the memtype list.

    :param device: the program's device that it lies in
    :param start: its first page, counted from the start of the device
    :param end: the page after its last
    :param mode: the reserved cache mode
    """

    device: Text
    start: Page
    end: Page
    mode: Annotated[str, Meta(extra_json_schema={"enum": ["wb", "wc", "uc-", "uc", "wt", "wp"]})]

    @property
    def span(self) -> Span:
        """The pages as a span."""
        return Span(self.device, self.start, self.end)

    def __str__(self) -> str:
        return f"{self.span} {self.mode}"


class _AreaPages(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    task: Text
    area: Text
    start: Page
    end: Page

    @property
    def span(self) -> Span:
        """The pages as a span of the area."""
        return Span(self.area, self.start, self.end)


class VmaSeen(_AreaPages, frozen=True, gc=False, forbid_unknown_fields=True):
    """One VMA; ``start`` and ``end`` are pages of ``area``.

    :param task: the task it belongs to
    :param area: the program's area that it lies in
    :param start: its first page, counted from the start of the area
    :param end: the page after its last
    :param perms: its permissions as shown in /proc/PID/smaps, e.g. ``rw-s``
    :param file: the interface through which it is mapped: wc, uc, mem, proc, driver or vfio; anon if none
    :param offset: the device pages that its file offset refers to; null for anonymous memory
    :param flags: the codes from VmFlags, in the kernel's order
    :param rss: its resident pages, in kB
    :param anonymous: its resident pages that are anonymous, in kB
    :param locked: its resident pages that are locked, in kB
    """

    perms: Annotated[str, Meta(extra_json_schema={"pattern": "^[-r][-w][-x][-sp]$"})]
    file: str
    #: Physical for most interfaces in S9, and so relative to the device that it lies in;
    #: ``Span("ram", 0, 0)`` for a private mapping of a driver's RAM, ``region[0:8]`` if counted from the
    #: start of a vfio region.
    offset: DeviceSpan | None
    flags: str
    rss: Annotated[Page, ALWAYS] = 0
    anonymous: Annotated[Page, ALWAYS] = 0
    locked: Annotated[Page, ALWAYS] = 0


class PteSeen(_AreaPages, frozen=True, gc=False, forbid_unknown_fields=True):
    """A run of equal page-table entries; ``start`` and ``end`` are pages of ``area``.

    :param task: the task whose page table it is in
    :param area: the program's area that it belongs to
    :param start: the first page in the area with such an entry
    :param end: the page after the last
    :param target: the pages that the entries map; null if no entry is present
    :param entry: level, cache mode and bits, ``L1 WC P RW US SPECIAL A``; ``none@L3`` where the tables end
    """

    #: As many pages as the run has; :data:`~pfnlab.programs.runs.pte_text.RAM` for ordinary memory.
    target: DeviceSpan | None
    #: ``none@L<n>`` if there is no entry at level n (1 is the 4K level), or
    #: ``L<level> <mode> P|!P RW|RO [US] [SPECIAL] [A] [D]``.
    entry: Text

    @property
    def table_entry(self) -> TableEntry:
        """The entry as a value."""
        return table_entry(self.entry)


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step with all keys; fields that the machine cannot observe are null.

    :param op: the operation as a program line; ``end`` for the last step, when all tasks are gone
    :param task: the task that performed it
    :param result: ``ok`` or an errno name; or held, waits or busy in a race
    :param value: its return value in addition to the result, e.g. a number that was read, or
        ``SIGBUS code=2`` after a fault; usually null
    :param book: entries in the memtype list that overlap one of the program's devices, in list order
    :param log: the kernel log lines since the last step, without numbers that differ from boot to boot
    :param vmas: the VMAs in the program's areas
    :param ptes: the page-table entries in the program's areas, with equal neighbours merged
    :param flushes: the TLB flushes that the operation caused
    :param events: the kernel calls made during the operation, in order
    :param tracked: the reservations that the tracker has recorded, and their VMAs
    :param prots: the cache mode in every VMA's vm_page_prot
    :param direct_map: the RAM that is not write-back in the direct map
    :param levels: the level of each line in ``log``, e.g. ``info``
    """

    op: Text
    task: Text
    #: ``ESRCH`` if the task does not exist; ``held`` if its processor is now held in the operation; ``waits``
    #: if it cannot finish before another one resumes; ``busy`` if it was waiting already.
    result: Annotated[str, Meta(extra_json_schema={"pattern": "^(ok|held|waits|busy|[A-Z0-9]+)$"})]
    #: ``same`` or ``moved`` for mremap. For an operation that waits, why it waits
    #: (:class:`~pfnlab.kernel.mm.processors.Need`): for a lock, or for a flush by another processor.
    #: ``not held`` if a hold was not reached. For ``release``, the result of each operation:
    #: ``main ok; t EFAULT SIGSEGV code=1``.
    value: int | str | None
    book: tuple[BookEntry, ...] | None
    log: tuple[str, ...]
    vmas: Annotated[tuple[VmaSeen, ...] | None, ALWAYS] = None
    ptes: Annotated[tuple[PteSeen, ...] | None, ALWAYS] = None
    flushes: Annotated[Page | None, ALWAYS] = None
    events: Annotated[_Lines, ALWAYS] = None
    #: ``bar[0:16] x2 a[0:4] a[8:16]`` for a reserved range shared by two VMAs; ``VM_PAT a[0:4]`` for a VMA
    #: that itself stands for a reservation.
    tracked: Annotated[_Lines, ALWAYS] = None
    #: ``a[0:4] WC``
    prots: Annotated[_Lines, ALWAYS] = None
    #: RAM of the program's devices and of the driver: ``low[0:4] UC-``, ``ram[2:4] WC``.
    direct_map: Annotated[_Lines, ALWAYS] = None
    levels: Annotated[_Lines, ALWAYS] = None

    @property
    def tracked_ranges(self) -> tuple[TrackedRange, ...]:
        """The reservations that the tracker has recorded, as values; empty if they cannot be observed."""
        return tuple(map(tracked_range, self.tracked or ()))

    @property
    def direct_map_ranges(self) -> tuple[tuple[Span, str], ...]:
        """The ranges in ``direct_map`` with their modes, e.g. ``WC``; lines that name none are left out."""
        lines = (line.rpartition(" ") for line in self.direct_map or ())
        named = ((named_span(place), mode) for place, _, mode in lines)
        return tuple((place[1], mode) for place, mode in named if place is not None)


def direct_map_lines(device: str, modes: Sequence[str]) -> Iterator[str]:
    """The lines of ``Step.direct_map`` for a device's pages that are not write-back in the direct map.

    :param modes: the mode of every page, e.g. ``wb``
    """
    start = 0
    for mode, run in groupby(modes):
        end = start + len(list(run))
        if mode != "wb":
            yield f"{Span(device, start, end)} {mode.upper()}"
        start = end


def direct_map_spans(lines: Sequence[str]) -> Iterator[tuple[Span, str]]:
    """The pages in *lines* as returned by :func:`direct_map_lines`, each range with its mode, e.g. ``wc``.

    :raises Defect: if a line does not have that form
    """
    for line in lines:
        match = _OTHERWISE.fullmatch(line)
        if match is None:
            raise Defect(f"{line!r} is not a line about the direct map")
        yield Span(match[1], int(match[2]), int(match[3])), match[4].lower()


class MemoryFault(msgspec.Struct, frozen=True):
    """A fault in a kernel's own structures.

    :param name: the violated property
    :param says: the evidence, in the program's names
    """

    name: str
    says: str


class PageData(msgspec.Struct, frozen=True, gc=False):
    """The contents of an ordinary memory page that is mapped somewhere.

    :param task: the task in whose address space it is mapped
    :param area: the area in which it is mapped; ``page`` is its page there
    :param pfn: its frame number on this machine
    :param word: its first 32 bits
    :param rest: a checksum of the remaining bits; 0 if all of them are 0
    """

    task: str
    area: str
    page: int
    pfn: int
    word: int
    rest: int = 0

    @property
    def data(self) -> tuple[int, int]:
        """Its first word, and the checksum of the rest."""
        return self.word, self.rest


class NotifierRecord(msgspec.Struct, frozen=True):
    """The ranges reported to an address space's notifier before their entries changed.

    :param total: the number of ranges reported so far
    :param ranges: the most recent ones, as first page number and the one after the last
    """

    total: int
    ranges: tuple[tuple[int, int], ...] = ()


class MemoryObservation(msgspec.Struct, frozen=True):
    """The part of a step that only shows in a kernel's memory; it is judged, but not compared.

    :param tlb_gens: by task, the number of its address space, and how often that has been flushed so far
    :param faults: faults in lists, trees, counts and page tables
    :param pages: the contents of ordinary memory pages, for every place where they are mapped; None if they
        were not read, or there are too many
    :param notifiers: the notifier of every task whose address space has one
    :param frames: for devices that are RAM, the first word of each page and the checksum of the rest, as in
        :class:`PageData`
    """

    tlb_gens: dict[str, tuple[int, int]] = {}
    faults: tuple[MemoryFault, ...] = ()
    pages: tuple[PageData, ...] | None = None
    notifiers: dict[str, NotifierRecord] = {}
    frames: dict[str, tuple[tuple[int, int], ...]] = {}


class CachedTranslations(msgspec.Struct, frozen=True):
    """Translations of consecutive pages that one processor has cached, and uses until they are flushed.

    :param task: the task whose processor it is; each task has its own
    :param space: the task after which its address space is named; for a thread, this is its process's task
    :param span: pages of the area
    :param target: as in :class:`PteSeen`
    :param entry: the words for the entry at the time it was walked
    :param stale: True if the page tables now have a different entry, or none
    """

    task: str
    space: str
    span: Span
    target: DeviceSpan | None
    entry: str
    stale: bool = False

    @property
    def table_entry(self) -> TableEntry:
        """The entry as a value."""
        return table_entry(self.entry)

    def __str__(self) -> str:
        target = f" -> {self.target}" if self.target is not None else ""
        return f"{self.task}: {self.span}{target} {self.entry}{' STALE' if self.stale else ''}"


class Reason(msgspec.Struct, frozen=True):
    """The reason why a run is undecided.

    :param says: the reason in words, for readers only: no decision depends on it
    :param kind: the kind of reason; None if it was read from a file, which has only the words
    """

    says: str
    kind: Why | None

    def __str__(self) -> str:
        return self.says


class Run(msgspec.Struct, frozen=True):
    """One machine's run.

    :param machine: the machine as the user named it, e.g. ``qemu:6.1``
    :param kernel: package and version of a real kernel, or a model's profile
    :param lost: how the guest or its process was lost; ``steps`` has the observations made until then
    :param undecided: why the machine has no result although nothing was lost: the model has no rule,
        or a tool is missing
    :param steps: the observations after each operation, and at the end, when all tasks are gone
    :param alarm: the kernel's first alarm; null if there was none
    :param violations: the properties that this machine violates, judged without the others
    :param bugs: the bugs in docs/bugs.md that the program shows on this machine without violating a property
    :param why: the kind of reason why it is undecided; None if it is not, or was read from a file
    :param once: once-per-boot kernel messages that had been printed before this program
    :param warnings: the WARNs, if the machine has them with their call traces
    :param memory: for each step, the part that only shows in memory; empty if it was not read
    :param look: how the machine was observed, or was predicted to be observed
    :param configuration: the kernel configuration, which determines the properties that apply
    :param unobserved: words for events for which the machine has no function that a tracer could observe
    :param tlbs: for each step, the translations cached by the processors, which only a model knows; otherwise
        empty. They are drawn and explained, but not compared
    :param blocks: the kernel's basic blocks that the program reached, if counted
        (:mod:`pfnlab.lab.running.kernel_blocks`); not compared
    """

    machine: Text
    kernel: str
    lost: Annotated[str | None, ALWAYS] = None
    undecided: Annotated[str | None, ALWAYS] = None
    steps: Annotated[tuple[Step, ...], ALWAYS] = ()
    #: It may have ended the guest; a WARN is not an alarm on its own.
    alarm: Annotated[Alarm | None, ALWAYS] = None
    #: Empty before the run is judged.
    violations: Annotated[tuple[Violation, ...], ALWAYS] = ()
    bugs: Annotated[tuple[str, ...], ALWAYS] = ()
    why: Annotated[Why | None, UNPRINTED] = None
    once: Annotated[tuple[str, ...], UNPRINTED] = ()
    warnings: Annotated[tuple[Alarm, ...], UNPRINTED] = ()
    memory: Annotated[tuple[MemoryObservation, ...], UNPRINTED] = ()
    look: Annotated[LookLevel, UNPRINTED] = LookLevel.PROC
    configuration: Annotated[Configuration, UNPRINTED] = DISTRIBUTION
    unobserved: Annotated[frozenset[str], UNPRINTED] = frozenset()
    tlbs: Annotated[tuple[tuple[CachedTranslations, ...], ...], UNPRINTED] = ()
    blocks: Annotated[tuple[str, ...], UNPRINTED] = ()

    @property
    def unfinished(self) -> str | None:
        """The reason why the run did not end, after ``lost:`` or ``undecided:``; None if it ended."""
        if self.lost is not None:
            return f"lost: {self.lost}"
        return None if self.undecided is None else f"undecided: {self.undecided}"


def undecided(runs: Sequence[Run]) -> Reason | None:
    """The reason why runs are undecided: a machine lacks a rule, or something else. None if all answered."""
    open_ones = (Reason(run.undecided, run.why) for run in runs if run.undecided is not None)
    return next(open_ones, None)
