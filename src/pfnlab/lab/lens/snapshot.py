"""Conversion of kernel structures to a :class:`RawState`, by probing types, for all kernels since 6.1."""

import functools
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from zlib import crc32

from drgn import Program

from pfnlab.base.units import PAGE_SHIFT, PAGE_SIZE, PfnRange, pages_of, phys_to_pfn
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.kernel.mm.flags import VM_PAT
from pfnlab.lab.lens import plain
from pfnlab.lab.lens.layout import Record
from pfnlab.lab.lens.memory import MemorySource
from pfnlab.lab.lens.notifiers import Notifiers
from pfnlab.lab.lens.resource_use import Counts
from pfnlab.lab.lens.structure import Structures
from pfnlab.lab.lens.table_walk import DirectMap, Pages, TableWalk
from pfnlab.lab.lens.view import KernelView, smaps_bits
from pfnlab.programs.runs.memory_faults import counters, counts_left

_VMA, _PART = "struct vm_area_struct", "struct pfnmap_part"


class ContextParts:
    """The context parts that the VMAs in *view* cover.

    In such kernels a VMA has, instead of a pointer to one context, a tree of parts, ``pfnmap_parts``, each
    with its context (``ctx``) and its frames (``first`` to ``last``). A context consists of the frames of all
    its parts, and each contiguous run of them is one reservation.
    """

    #: The member of ``struct vm_area_struct`` that is the root of its tree.
    MEMBER = "pfnmap_parts.rb_node"

    def __init__(self, view: KernelView) -> None:
        self._view = view
        self._record = view.layouts.record(
            _PART, "ctx", "first", "last", "vma_node.rb_left", "vma_node.rb_right"
        )
        self._at = view.layouts.offset(_PART, "vma_node")

    @staticmethod
    def has(view: KernelView) -> bool:
        """True if VMAs have parts in this kernel."""
        return view.layouts.has(_VMA, "pfnmap_parts")

    def of(self, root: int) -> Iterator[tuple[int, int, int]]:
        """The parts below *root*, the ``rb_node`` of one VMA: context, first frame, end."""
        for _, ctx, first, last in self._view.rb_tree(root, self._record, self._at, "part"):
            if first > last:
                raise self._view.error(f"a part of context {ctx:#x} reaches from pfn {first:#x} to {last:#x}")
            yield ctx, first, last + 1


#: Observations use these names for the kernel's enumerators.
_MODES = {f"_PAGE_CACHE_MODE_{mode.name}": mode.short for mode in CacheMode}

#: The bit in a folio's mapping that marks anonymous memory (FOLIO_MAPPING_ANON).
_MAPPING_ANON = 1

#: Maximum number of pages to read after a step; if there are more, none are read.
_PAGES_READ = 128

#: Maximum number of pages of a device to read after a step.
_FRAMES_READ = 64

#: The end of conventional memory, in pages: the devices in it are RAM.
_CONVENTIONAL = 0xA0

#: The checksum of a zero page without its first four bytes.
_OF_ZEROS = crc32(bytes(PAGE_SIZE - 4))
_MAX_NAME = 64

#: The interface of the clock pages, which have no file.
_VVAR = "vvar"


class Lens:
    """Reads the state of one kernel repeatedly; raises LensError if its memory is damaged or changing.

    :param program: the result of :func:`pfnlab.lab.lens.program.open_program`
    :param symbols: run-time addresses, as for the program
    :raises LensError: if a structure lacks a member; the message names the kernel and the member
    """

    def __init__(self, program: Program, source: MemorySource, symbols: Mapping[str, int]) -> None:
        self._view = view = KernelView(program, source, symbols)
        view.check()
        layouts = view.layouts
        self._mm = layouts.record("struct mm_struct", "mm_mt.ma_root", "pgd", "context.tlb_gen.counter")
        self._notifiers = Notifiers(view) if Notifiers.has(view) else None
        vma = ["vm_start", "vm_end", "vm_page_prot.pgprot", "vm_flags", "vm_pgoff", "vm_file", "vm_ops"]
        self._tracks = layouts.has("struct vm_area_struct", "pfnmap_track_ctx")
        # A member that no released kernel has (tracker=base_pfn).
        self._keeps_pfn = layouts.has("struct vm_area_struct", "vm_base_pfn")
        if self._keeps_pfn:
            vma.append("vm_base_pfn")
        if self._tracks:
            vma.append("pfnmap_track_ctx")
            self._context = layouts.record(
                "struct pfnmap_track_ctx", "pfn", "size", "kref.refcount.refs.counter"
            )
        self._parts = ContextParts(view) if ContextParts.has(view) else None
        if self._parts is not None:
            vma.append(ContextParts.MEMBER)
        # The same (tracker=per_vma).
        self._keeps_end = layouts.has("struct vm_area_struct", "pfnmap_end")
        if self._keeps_end:
            vma.append("pfnmap_end")
        self._vma = layouts.record("struct vm_area_struct", *vma)
        self._file = layouts.record("struct file", ("f_path.dentry", "__f_path.dentry"))
        self._dentry = layouts.record(
            "struct dentry", "d_parent", ("d_name.name", "__d_name.name"), ("d_name.len", "__d_name.len")
        )
        kinds = layouts.enumerators("enum page_cache_mode")
        self._modes = {value: _MODES[name] for name, value in kinds.items() if name in _MODES}
        self._sealed, self._page_size = view.sealed_bits(), layouts.size("struct page")
        self._structures = Structures(view)
        self._direct_map = DirectMap(view)
        #: Returns the resources in use now.
        counts = Counts(view)
        self.in_use = counts.look
        #: Returns only the claims on physical memory.
        self.claims = counts.claims
        #: Returns the kernel stack pointer of a process that is not running.
        self.stack_pointer = view.stack_pointer
        self._without_space: set[int] = set()
        self._areas: tuple[plain.NamedPlaces, list[tuple[int, int, str]]] | None = None

    def snapshot(self, pids: Mapping[str, int], places: plain.NamedPlaces) -> plain.RawState:
        """The current state; the kernel must be stopped, or at least not be running these tasks.

        :param pids: the tasks to read; those that have exited are left out
        :param places: locations of the program's devices and areas; cached data is valid only for this object
        """
        areas = self._sorted_areas(places)
        # A process that has lost its address space never gets another, and a thread is on no list:
        # look up both just once.
        wanted = [pid for pid in pids.values() if pid not in self._without_space]
        spaces = self._view.spaces(wanted)
        self._without_space.update(pid for pid in wanted if pid not in spaces)
        look = _Look(self, areas)
        mms = {name: spaces[pid] for name, pid in pids.items() if pid in spaces}
        tasks = tuple(look.task(name, mm) for name, mm in mms.items())
        recall = self._view.recall.value
        direct_map, faults = recall("direct map", lambda: self._direct_map.look(places.memory))
        return plain.RawState(
            tasks,
            look.contexts(),
            recall("book", lambda: self._book(places)),
            direct_map,
            (*self._structures.faults(mms, *_extent(areas)), *look.miscounted(), *faults),
            look.contents(),
            self._frames(places),
        )

    def _frames(self, places: plain.NamedPlaces) -> dict[str, tuple[tuple[int, int], ...]]:
        # Small devices in conventional memory, which is RAM. A BAR's memory is in a dump, but not in the file
        # of a guest's RAM.
        return {
            name: tuple(map(self.held, range(*pfns)))
            for name, pfns in places.devices.items()
            if pfns.nr <= _FRAMES_READ and pfns.end <= _CONVENTIONAL
        }

    def held(self, pfn: int) -> tuple[int, int]:
        """The first 32 bits of a page of RAM, and a checksum of the others that is 0 if all are zero."""
        data = self._view.read_physical(pfn << PAGE_SHIFT, PAGE_SIZE)
        return int.from_bytes(data[:4], "little"), crc32(data[4:]) ^ _OF_ZEROS

    def other_pages(self, pfns: PfnRange) -> list[tuple[int, int]]:
        """Single-page direct-map entries for these frames that are not write-back.

        Each is given as its physical address and the value it would have as write-back. LensError if memory
        changes during the walk.
        """
        return list(self._direct_map.other_pages(pfns))

    @cached_property
    def special_ops(self) -> int:
        """The vm_operations of special mappings; vvar is the only such mapping in an area."""
        return self._view.symbol("special_mapping_vmops")

    @cached_property
    def _vmemmap(self) -> int:
        """The address of the ``struct page`` for frame 0."""
        return self._view.word(self._view.symbol("vmemmap_base"))

    @cached_property
    def _folio(self) -> Record:
        return self._view.layouts.record("struct folio", "mapping", "_mapcount.counter")

    def folio(self, pfn: int) -> tuple[int, int]:
        """The mapping of a page of ordinary memory, and the number of entries that map it."""
        address = self._vmemmap + pfn * self._page_size
        mapping, mapcount = self._view.members(address, self._folio)
        return mapping, mapcount + 1 & 0xFFFF_FFFF

    def _sorted_areas(self, places: plain.NamedPlaces) -> list[tuple[int, int, str]]:
        if self._areas is None or self._areas[0] is not places:
            self._without_space.clear()
            self._view.recall.forget()
            areas = sorted((at, at + pages, name) for name, (at, pages) in places.areas.items())
            self._areas = places, areas
        return self._areas[1]

    def _book(self, places: plain.NamedPlaces) -> tuple[plain.RawBook, ...]:
        entries = []
        for start, end, mode in self._view.kept_memtypes():
            pfns = PfnRange(phys_to_pfn(start), pages_of(end))
            if any(pfns.overlaps(device) for device in places.devices.values()):
                name = self._modes.get(mode)
                if name is None:
                    raise self._view.error(f"the memtype tree has an entry of mode {mode}")
                entries.append(plain.RawBook(pfns.start, pfns.end, name))
        return tuple(entries)


def _extent(areas: Sequence[tuple[int, int, str]]) -> tuple[int, int]:
    if not areas:
        return 0, 0
    return areas[0][0] << PAGE_SHIFT, max(area[1] for area in areas) << PAGE_SHIFT


class _Look:
    # A snapshot in progress: contexts by address, in order of first use.

    def __init__(self, lens: Lens, areas: list[tuple[int, int, str]]) -> None:
        self._lens, self._view = lens, lens._view
        self._areas = areas
        self._starts = [area[0] for area in areas]
        self._users: dict[int, list[tuple[str, plain.Extent]]] = {}
        self._covered: dict[int, list[tuple[int, int, tuple[str, plain.Extent]]]] = {}
        self._names: dict[int, str] = {}
        self._page_users = Counter[int]()
        self._everybodys: set[int] = set()
        self._shown: list[tuple[str, int, int]] = []

    def task(self, name: str, mm: int) -> plain.RawSpace:
        lens = self._lens
        root, pgd, tlb_gen = self._view.members(mm, lens._mm)
        if not self._areas:
            return plain.RawSpace(name, (), (), tlb_gen, None, mm)
        notifier = None
        if lens._notifiers is not None:
            notifier = self._view.recall.value(("notifier", mm), functools.partial(lens._notifiers.of, mm))
        low, high = _extent(self._areas)
        entries, pages = self._entries(name, pgd, self._areas)
        self._page_users.update(pfn for _, pfn in pages)
        self._shown += [(name, page, pfn) for page, pfn in pages[:_PAGES_READ]]
        # During a split, the 6.1 tree contains one VMA twice.
        addresses = dict.fromkeys(self._view.vma_addresses(root, low, high))
        vmas = [self._vma(name, pgd, at, pages) for at in addresses]
        return plain.RawSpace(name, tuple(vma for vma in vmas if vma), entries, tlb_gen, notifier, mm)

    def _entries(
        self, task: str, pgd: int, areas: list[tuple[int, int, str]]
    ) -> tuple[tuple[plain.RawEntries, ...], Pages]:
        # A task's page-table entries, and the pages of ordinary memory they map.
        def walked() -> tuple[tuple[plain.RawEntries, ...], Pages]:
            walk = TableWalk(self._view, task)
            table = self._view.physical(pgd)
            for start, end, area in areas:
                walk.walk(table, self._view.levels, area, start, end)
            return tuple(walk.entries), walk.pages

        return self._view.recall.value(("entries", task, pgd, *areas), walked)

    def _grown(self, first: int, last: int) -> list[tuple[int, int, str]]:
        # Parts of a VMA outside all areas: it has grown past the end of its area.
        parts = []
        for start, end, _ in (*self._areas, (last, last, "")):
            if first < min(start, last):
                parts.append((first, min(start, last), ""))
            first = max(first, end)
        return parts

    def _vma(self, task: str, pgd: int, address: int, pages: Pages) -> plain.RawVma | None:
        lens = self._lens
        start, end, prot, bits, pgoff, file, ops, *tracked = self._view.members(address, lens._vma)
        if start >= end or (start | end) % PAGE_SIZE:
            raise self._view.error(f"the VMA at {address:#x} reaches from {start:#x} to {end:#x}")
        first, last = start >> PAGE_SHIFT, end >> PAGE_SHIFT
        span = self._area_span(first, last)
        if span is None:
            return None
        if lens._tracks and tracked[-1]:
            self._users.setdefault(tracked[-1], []).append((task, span))
        if lens._parts is not None:
            for ctx, first_pfn, behind in lens._parts.of(tracked[-1]):
                self._covered.setdefault(ctx, []).append((first_pfn, behind, (task, span)))
        if lens._keeps_end and tracked[-1]:
            # No other VMA has it, so the VMA stands for the context.
            behind = tracked[-1]
            self._covered[address] = [(behind - (last - first), behind, (task, span))]
        kind = self._file_kind(file) if file else _VVAR if ops == lens.special_ops else "anon"
        pat = not lens._tracks and lens._parts is None and not lens._keeps_end and bool(bits & VM_PAT)
        base = tracked[0] if pat and lens._keeps_pfn else None
        if kind == _VVAR:
            # Processes also have such pages outside the areas.
            self._everybodys.update(pfn for page, pfn in pages if first <= page < last)
        inside = pages[bisect_left(pages, (first, 0)) : bisect_left(pages, (last, 0))]
        if grown := self._grown(first, last):
            _, outside = self._entries(task, pgd, grown)
            self._page_users.update(pfn for _, pfn in outside)
            inside = [*inside, *outside]
        folios = [self._lens.folio(pfn) for _, pfn in inside]
        return plain.RawVma(
            *(span, bits, smaps_bits(bits, lens._sealed), prot, kind, pgoff),
            tuple(mapcount for _, mapcount in folios),
            sum(mapping & _MAPPING_ANON for mapping, _ in folios),
            *(pat, base),
        )

    def contexts(self) -> tuple[plain.RawContext, ...]:
        lens, contexts = self._lens, []
        for address, users in self._users.items():
            pfn, size, count = self._view.members(address, lens._context)
            # A driver may name frames beyond the physical address space; they are tracked as given.
            if not size or size % PAGE_SIZE or pfn + (size >> PAGE_SHIFT) > 1 << 64 - PAGE_SHIFT:
                raise self._view.error(f"the track context at {address:#x} has pfn {pfn:#x}, size {size:#x}")
            contexts.append(plain.RawContext((pfn, pfn + (size >> PAGE_SHIFT)), count, tuple(users)))
        for parts in self._covered.values():
            runs = SpanSet()
            for first, behind, _ in parts:
                runs.add(first, behind)
            for start, end in runs:
                sharing = dict.fromkeys(
                    user for first, behind, user in parts if first < end and start < behind
                )
                contexts.append(plain.RawContext((start, end), None, tuple(sharing)))
        return tuple(contexts)

    def contents(self) -> tuple[plain.RawPage, ...] | None:
        """The contents of ordinary memory pages; None if there are too many pages."""
        if len(self._shown) >= _PAGES_READ:
            return None
        held = {pfn: self._lens.held(pfn) for pfn in {pfn for _, _, pfn in self._shown}}
        pages = []
        for task, page, pfn in self._shown:
            area = self._area_span(page, page + 1)
            if area is not None:
                pages.append(plain.RawPage(task, area.area, area.start, pfn, *held[pfn]))
        return tuple(pages)

    def miscounted(self) -> Iterator[plain.Fault]:
        """Ordinary memory pages whose map count differs from the number of entries that map them."""
        for pfn, users in self._page_users.items():
            _, mapcount = self._lens.folio(pfn)
            if mapcount != users and pfn not in self._everybodys:
                violated = counters if mapcount < users else counts_left
                yield plain.Fault(violated.name, f"a page counts {mapcount:,} mappings but has {users:,}")

    def _area_span(self, first: int, last: int) -> plain.Extent | None:
        place = bisect_right(self._starts, first) - 1
        if place < 0 or first >= self._areas[place][1]:
            return None
        at, _, name = self._areas[place]
        return plain.Extent(name, first - at, last - at)

    def _file_kind(self, file: int) -> str:
        (dentry,) = self._view.members(file, self._lens._file)
        kind = self._names.get(dentry)
        if kind is None:
            kind = self._names[dentry] = self._dentry_kind(dentry)
        return kind

    def _dentry_kind(self, dentry: int) -> str:
        names = []
        for _ in range(4):
            parent, name, length = self._view.members(dentry, self._lens._dentry)
            if length > _MAX_NAME:
                return "anon"
            names.append(self._view.read(name, length).decode("utf-8", "replace"))
            if parent == dentry:
                break
            dentry = parent
        return plain.interface_of(names)
