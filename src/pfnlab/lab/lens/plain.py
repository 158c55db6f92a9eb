"""Values of the lens, in the kernel's own numbers; :mod:`pfnlab.lab.running.inside_state` has the words."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from pfnlab.base.units import PfnRange


class NamedPlaces(Protocol):
    """Where to look: page numbers and frames by the names that the asker has for them.

    :ivar areas: for every area its first virtual page and how many pages it has
    :ivar memory: the page frames whose direct map is looked at
    """

    @property
    def areas(self) -> Mapping[str, tuple[int, int]]: ...
    @property
    def devices(self) -> Mapping[str, PfnRange]: ...
    @property
    def memory(self) -> Mapping[str, PfnRange]: ...


class Extent(NamedTuple):
    """Pages *start* up to *end* of an area."""

    area: str
    start: int
    end: int


class Fault(NamedTuple):
    """Something in a kernel's own structures that cannot be right: the property broken, and how."""

    name: str
    says: str


class Told(NamedTuple):
    """The ranges that a notifier was told of: how many, and the last, with the page behind each."""

    told: int
    ranges: tuple[tuple[int, int], ...] = ()


class RawEntries(NamedTuple):
    """Page-table entries that follow each other and map consecutive frames, or nothing, in one way.

    :ivar word: the first entry as it stands in its table; 0 is none
    :ivar level: of the table
    :ivar pfn: the frame of the first page
    :ivar ram: that frame is RAM
    """

    pages: Extent
    word: int
    level: int
    pfn: int
    ram: bool


class RawVma(NamedTuple):
    """One VMA.

    :ivar bits: ``vm_flags`` as it stands in this kernel
    :ivar flags: the same with VM_SEALED where it is one bit for all kernels
    :ivar file: the interface by its file's name, ``wc``, ``uc``, ``mem``, ``proc`` ..., ``vvar`` or ``anon``
    :ivar mapcounts: of its pages that are ordinary memory, how many entries map each
    :ivar anonymous: how many of these are anonymous
    :ivar pat: VM_PAT is set: this VMA stands for a reservation (kernels without track contexts)
    :ivar base: with VM_PAT, its first frame, in a kernel whose VMAs keep it
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
    """One reservation several VMAs may share: a ``pfnmap_track_ctx``, or what is left of one.

    :ivar pfns: the frames it keeps reserved, the first and the one behind the last
    :ivar references: its reference count, None where frames are counted and not VMAs
    :ivar users: the task and the pages of every VMA seen to use it
    """

    pfns: tuple[int, int]
    references: int | None
    users: tuple[tuple[str, Extent], ...]


class RawSpace(NamedTuple):
    """One task's address space, as far as it lies in the areas.

    :ivar entries: by area, missing tables included; the same tuple while the tables hold what they held
    :ivar tlb_gen: ``mm->context.tlb_gen``: grows by one with every flush
    :ivar notifier: what the guest driver's notifier was told; None where there is none
    :ivar mm: the address of its mm_struct
    """

    task: str
    vmas: tuple[RawVma, ...]
    entries: tuple[RawEntries, ...]
    tlb_gen: int
    notifier: Told | None
    mm: int


class RawBook(NamedTuple):
    """An entry of the memtype tree: the first frame, the one behind the last, and the mode, as ``wc``."""

    first: int
    behind: int
    mode: str


class RawPage(NamedTuple):
    """The contents of a page of ordinary memory that is mapped somewhere.

    :ivar page: the first page of an area is 0
    :ivar word: its first 32 bits
    :ivar rest: a checksum of the others, 0 where they are all 0
    """

    task: str
    area: str
    page: int
    pfn: int
    word: int
    rest: int


class RawState(NamedTuple):
    """The whole state.

    :ivar spaces: in the order tasks were asked for; those that are gone are left out
    :ivar contexts: in order of first use
    :ivar book: the memtype tree, entries that overlap a device, by address
    :ivar direct_map: by name the modes of RAM in the direct map, page by page
    :ivar faults: what is wrong with lists, trees, counts and page tables
    :ivar pages: what pages of ordinary memory hold; None for too many
    """

    spaces: tuple[RawSpace, ...]
    contexts: tuple[RawContext, ...]
    book: tuple[RawBook, ...]
    direct_map: Mapping[str, list[str]]
    faults: tuple[Fault, ...]
    pages: tuple[RawPage, ...] | None
