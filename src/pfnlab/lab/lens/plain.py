"""Values read by the lens, in the kernel's own numbers; `pfnlab.lab.running.inside_state` translates them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from pfnlab.base.units import PfnRange


class NamedPlaces(Protocol):
    """Places to read: page numbers and frames, under the caller's names.

    :ivar areas: the first virtual page and the number of pages of each area
    :ivar memory: the page frames whose direct map is read
    """

    @property
    def areas(self) -> Mapping[str, tuple[int, int]]: ...
    @property
    def devices(self) -> Mapping[str, PfnRange]: ...
    @property
    def memory(self) -> Mapping[str, PfnRange]: ...


#: Interfaces, by file name; files in /proc/bus/pci are named after devices.
_FILES = {
    **{"resource2_wc": "wc", "resource2": "uc", "mem": "mem", "pfnlab": "driver", "pfnlab_export": "export"},
    **{"[vfio-device]": "vfio", "[perf_event]": "perf", "[vvar]": "vvar"},
}


def interface_of(names: Sequence[str]) -> str:
    """The interface of a file, from its name and those of the folders above it; ``anon`` for other files."""
    return _FILES.get(names[0], "proc" if [*names[2:4]] == ["pci", "bus"] else "anon")


class Extent(NamedTuple):
    """Pages *start* up to *end* of an area."""

    area: str
    start: int
    end: int


class Fault(NamedTuple):
    """An inconsistency in the kernel's own structures: the property it violates, and a description."""

    name: str
    says: str


class NotifierRanges(NamedTuple):
    """The ranges that a notifier received: how many, and the latest ones, end exclusive."""

    total: int
    ranges: tuple[tuple[int, int], ...] = ()


class RawEntries(NamedTuple):
    """Consecutive page-table entries that map consecutive frames, or nothing, in the same way.

    :ivar word: the first entry, raw; 0 if empty
    :ivar level: the level of the table
    :ivar pfn: the frame of the first page
    :ivar ram: whether that frame is RAM
    """

    pages: Extent
    word: int
    level: int
    pfn: int
    ram: bool


class RawVma(NamedTuple):
    """A VMA.

    :ivar bits: the raw ``vm_flags`` in this kernel
    :ivar flags: the flags, with VM_SEALED moved to a bit that is the same for all kernels
    :ivar file: the interface that its file's name implies: ``wc``, ``uc``, ``mem``, ``proc`` ...,
        ``vvar`` or ``anon``
    :ivar mapcounts: for each of its ordinary memory pages, the number of entries that map it
    :ivar anonymous: how many of these pages are anonymous
    :ivar pat: whether VM_PAT is set, i.e. this VMA owns a reservation (kernels without track contexts)
    :ivar base: the first reserved frame, if VM_PAT is set and the kernel stores it in VMAs
    """

    pages: Extent
    bits: int
    flags: int
    prot: int
    file: str
    pgoff: int
    mapcounts: tuple[int, ...]
    anonymous: int
    pat: bool
    base: int | None


class RawContext(NamedTuple):
    """A reservation that several VMAs may share: a ``pfnmap_track_ctx``, or what remains of one.

    :ivar pfns: the frames it keeps reserved, end exclusive
    :ivar references: its reference count; None if the kernel counts frames instead of VMAs
    :ivar users: the task and pages of every VMA seen using it
    """

    pfns: tuple[int, int]
    references: int | None
    users: tuple[tuple[str, Extent], ...]


class RawSpace(NamedTuple):
    """The address space of one task, as far as it lies within the areas.

    :ivar entries: entries by area, including missing tables; the same tuple object while the
        tables are unchanged
    :ivar tlb_gen: ``mm->context.tlb_gen``, which increases by one on every flush
    :ivar notifier: the ranges that the guest driver's notifier received; None if there is no notifier
    :ivar mm: the address of its mm_struct
    """

    task: str
    vmas: tuple[RawVma, ...]
    entries: tuple[RawEntries, ...]
    tlb_gen: int
    notifier: NotifierRanges | None
    mm: int


class RawBook(NamedTuple):
    """An entry of the memtype tree: the first frame, the end, and the mode, e.g. ``wc``."""

    first: int
    behind: int
    mode: str


class RawPage(NamedTuple):
    """The contents of a mapped page of ordinary memory.

    :ivar page: the page number relative to the first page of the area
    :ivar word: its first 32 bits
    :ivar rest: a checksum of the remaining bits; 0 if they are all zero
    """

    task: str
    area: str
    page: int
    pfn: int
    word: int
    rest: int


class RawState(NamedTuple):
    """The whole state.

    :ivar spaces: the address spaces, in the order the tasks were requested, without tasks that have exited
    :ivar contexts: the reservations, in order of first use
    :ivar book: memtype tree entries that overlap a device, by address
    :ivar direct_map: cache modes of RAM in the direct map, page by page, by name
    :ivar faults: inconsistencies in lists, trees, counts and page tables
    :ivar pages: the contents of ordinary memory pages; None if there are too many
    :ivar frames: for devices that are RAM, ``word`` and ``rest`` of each page
    """

    spaces: tuple[RawSpace, ...]
    contexts: tuple[RawContext, ...]
    book: tuple[RawBook, ...]
    direct_map: Mapping[str, list[str]]
    faults: tuple[Fault, ...]
    pages: tuple[RawPage, ...] | None
    frames: Mapping[str, tuple[tuple[int, int], ...]]
