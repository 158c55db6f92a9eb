"""Draws one random operation of a given kind, with arguments on mapped and unmapped pages."""

from collections.abc import Callable, Sequence
from random import Random
from typing import assert_never, get_args

from pfnlab.base.units import PAGE_SIZE
from pfnlab.hunt.fuzz.drawn_mappings import ANON_PAGES, ANON_PROTS, DRAWN_PROTS, MappingGenerator
from pfnlab.hunt.fuzz.ranges import DrawnPlaces
from pfnlab.kernel.mm.more.madvise import REMOTE_ADVICE
from pfnlab.programs.lang import device_ops, ops, walk_ops
from pfnlab.programs.lang.fields import Ending, Field, Flag, Shape, Word
from pfnlab.programs.lang.process_ops import ADVICE, POLICIES, ProcessMadvise
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ANON, BY_WORD, PROTS, ROWS

#: Advice for device mappings, and advice that clears ordinary memory.
_COMMON_ADVICE = (
    *("normal", "random", "sequential", "dontfork", "dontdump", "wipeonfork", "dontneed"),
    *("populate_read", "populate_write"),
)

#: Advice for ordinary memory for which the model has a rule.
_ANON_ADVICE = (
    *("wipeonfork", "dontfork", "populate_read", "populate_read", "populate_write", "populate_write"),
    *("dontneed", "dontneed_locked"),
)

_WALKERS: tuple[walk_ops.Walker, ...] = get_args(walk_ops.Walker)
_REFUSALS: tuple[ops.ForkRefusal, ...] = get_args(ops.ForkRefusal)

#: The page counts that a limit may permit.
_ROOMS = (0, 0, 1, 2, 4, 8, 20)

#: The maximum number of pages for mincore.
_MINCORE_PAGES = 1024

#: The files for which remap_file_pages gets an offset.
_REMAP_VIAS: tuple[ops.Via, ...] = ("wc", "uc", "devmem", "proc-wc")

#: The operations that a driver performs on its own mappings.
_ON_FILLED = frozenset({"zap_vma_ptes", "remap_pfn_range"})

#: Operations that have more effect on ordinary memory.
_ON_ORDINARY = frozenset({"walk", "process_madvise", "mincore", "process_vm_readv", "mlock", "mbind"})


class CallGenerator(MappingGenerator):
    """A generator of random operations for one program.

    :param rare: whether the program may need a separate guest
    :param leaves: whether most driver and vfio-pci mappings are large enough for leaves
    """

    def __init__(self, random: Random, places: DrawnPlaces, *, rare: bool, leaves: bool = False) -> None:
        super().__init__(random, places)
        self._rare, self._leaves = rare, leaves
        #: The living tasks.
        self.tasks: Sequence[str] = (ops.MAIN_TASK,)
        #: The number of refused forks, each of which used up a name.
        self.refused = 0
        #: The areas that the driver was asked to fill.
        self.filled: set[str] = set()
        self._within_page = any(device.kind == "top" for device in places.devices.values())

    def call(self, kind: str, child: str | None) -> ops.Call:
        """Draw an operation of *kind*, or a munmap if *kind* is not possible.

        :param child: the name for a forked task; None if there are enough tasks
        """
        draw, places = self._random, self._places
        match kind:
            case "mmap":
                return self.mmap(*self.moved_source(*places.source()), None)
            case "mmap anon":
                return self.anon(Span(ANON, 0, draw.choice((1, 2, 4, 16, ANON_PAGES))), None)
            case "mmap perf":
                return self.perf()
            case "mmap over":
                return self.over()
            case "mmap driver" | "mmap vfio" if self._leaves and draw.random() < 0.8:
                return self.leaf_mmap(kind)
            case "mmap driver":
                return self.driver_mmap()
            case "mmap vfio":
                return self.mmap(places.bar_span(), "vfio", None)
            case "mremap":
                return self.mremap(places.inside(self.movable()))
            case "mremap to":
                return self.mremap_to(places.inside(self.movable()))
            case "mremap vvar":
                return self.mremap_vvar()
            case "fork" if child is not None:
                return ops.Fork(child)
            case "fork refused":
                return ops.Fork(f"x{self.refused + 1}", draw.choice(_REFUSALS))
            case "request_mem_region" if (
                claimed := places.claimed(self._rare or draw.random() < 0.25)
            ) is not None:
                return device_ops.RequestMemRegion(claimed)
            case "rescan_moved" if any(
                device.pages > device_ops.MOVED_PAGES for device in places.devices.values()
            ):
                return self.call("rescan", child)
            case "bind" | "unbind" if not (places.alone and (self._rare or draw.random() < 0.5)):
                return self.ranged("munmap")
        make: Callable[..., ops.Call] | None = BY_WORD.get(kind)
        fields = ROWS[BY_WORD[kind]].fields if kind in BY_WORD else None
        if make is not None and fields == (Shape.DEVICE,):
            return make(places.bar_span().name)
        return make() if make is not None and fields == () else self.ranged(kind)

    def ranged(self, kind: str) -> ops.Call:
        """Draw an operation on one range, or a munmap if *kind* is not possible."""
        draw, places = self._random, self._places
        preferred = self.filled if kind in _ON_FILLED else set()
        if kind in _ON_ORDINARY and draw.random() < 0.3:
            preferred = self.ordinary
        name = places.area(preferred)
        if kind in ADVICE:
            return ops.Madvise(places.span(name), kind)
        if kind in PROTS:
            return ops.Mprotect(places.span(name), kind)
        if kind in _WALKERS:
            return self.walk(name, kind)
        match kind:
            case "mprotect":
                return ops.Mprotect(
                    places.span(name), draw.choice(ANON_PROTS if name in self.ordinary else DRAWN_PROTS)
                )
            case "madvise":
                common = _ANON_ADVICE if name in self.ordinary else _COMMON_ADVICE
                advice = draw.choice(common if draw.random() < 0.6 else list(ADVICE))
                return ops.Madvise(places.span(name), advice)
            case "process_madvise":
                likely = draw.random() < 0.7
                advice = draw.choice(REMOTE_ADVICE if likely else list(ADVICE))
                return ProcessMadvise(places.span(name), advice, draw.choice(self.tasks))
            case "mbind":
                # There is no rule for migrating ordinary pages to the node they are already on.
                policy = draw.choice(("bind", "bind", *POLICIES))
                stays = policy == "default" and name in self.ordinary
                return ops.Mbind(places.span(name), policy, not stays and draw.random() < 0.25)
            case "write" if self.stores:
                return ops.Write(places.page(name, again=True), draw.randrange(1, 100))
            case "read" | "write":
                return ops.Read(places.page(name, again=True))
            case "process_vm_readv":
                return walk_ops.ProcessVmReadv(places.page(name), self.bytes())
            case "mincore":
                return walk_ops.Mincore(places.span(name, _MINCORE_PAGES))
            case "walk":
                return self.walk(name)
            case "remap_file_pages":
                source, _ = places.source()
                over = places.destination(name, source.pages)
                source = Span(source.name, source.start, source.start + over.pages)
                device = places.devices[source.name]
                if self._keeps_private(source) or (device.kind == "top" and source.end > device.pages):
                    return ops.Munmap(over)
                physical = device.kind != "pci"
                return ops.RemapFilePages(over, source, "devmem" if physical else draw.choice(_REMAP_VIAS))
            case "unmap_mapping_range":
                span, chance = places.driven_span(), draw.random()
                to_end = span.end == places.devices[span.name].pages and not 0.25 <= chance < 0.75
                return device_ops.UnmapMappingRange(span, chance < 0.5, to_end)
            case "ioremap":
                modes: tuple[device_ops.IoremapMode, ...] = get_args(device_ops.IoremapMode)
                return device_ops.Ioremap(places.driven_span(), draw.choice(modes))
            case "request_mem_region":
                return ops.Munmap(places.span(name))
        if kind not in BY_WORD or (values := self._values(ROWS[BY_WORD[kind]].fields, name)) is None:
            return ops.Munmap(places.span(name))
        make: Callable[..., ops.Call] = BY_WORD[kind]
        return make(*values)

    def _values(self, fields: Sequence[Field], name: str) -> list[object] | None:
        """Values for *fields*, drawn in order; None if a field has no possible value here."""
        values: list[object] = []
        for field in fields:
            value = self._value(field, name)
            if value is None:
                return None
            values.append(value)
        return values

    def _value(self, field: Field, name: str) -> object:
        """A value for *field*, or None."""
        draw, places = self._random, self._places
        match field:
            case Shape.RANGE:
                return places.span(name)
            case Shape.ACCESS:
                return places.page(name, again=True)
            case Shape.MEMORY:
                return self.memory()
            case Shape.OWN_PAGES:
                return self.own_pages()
            case Shape.SECTIONS:
                return self.sections()
            case Shape.DEVICE_PAGES:
                return places.driven_span()
            case Shape.DEVICE:
                return places.bar_span().name
            case Shape.PROT:
                return draw.choice(DRAWN_PROTS)
            case Shape.VALUE:
                return draw.randrange(1, 100) if self.stores else None
            case Shape.TASK:
                return draw.choice(self.tasks)
            case Shape.ANY_TASK | Shape.HELD:
                return None
            case Shape.ROOM:
                return draw.choice(_ROOMS)
            case Word() | Ending():
                return draw.choice(list(field.numbers))
            case Flag():
                return draw.random() < 0.5
        assert_never(field)

    def walk(self, name: str, kind: str = "walk") -> walk_ops.Walk:
        """Draw an access to pages in area *name*. There is no rule for a userfaultfd on ordinary memory.

        :param kind: the name of the walker, or ``walk`` for a random one
        """
        draw, places = self._random, self._places
        walker = next((walker_name for walker_name in _WALKERS if walker_name == kind), draw.choice(_WALKERS))
        while self._unfit(walker, name):
            walker = draw.choice(_WALKERS)
        value = draw.randrange(1, 100) if walker in walk_ops.STORING_WALKERS else None
        span = (
            places.span(name, _MINCORE_PAGES)
            if walker in walk_ops.RANGE_WALKERS
            else places.page(name, again=True)
        )
        part = self.bytes() if walker in walk_ops.BYTE_WALKERS else None
        node = draw.choice((None, *get_args(walk_ops.Node))) if walker == "move_pages" else None
        return walk_ops.Walk(walker, span, value, part, node)

    def _unfit(self, walker: walk_ops.Walker, name: str) -> bool:
        if walker in walk_ops.STORING_WALKERS and not self.stores:
            return True
        return walker == "userfaultfd" and (name in self.ordinary or self._random.random() < 0.5)

    def bytes(self) -> walk_ops.ByteRange | None:
        """Draw a byte range, often across the end of a page, or the first byte of the page.

        Near the end of the physical address space it stays within one page.
        """
        draw = self._random
        if draw.random() < 0.4:
            return None
        offset = draw.choice((0, 0, 8, PAGE_SIZE - 4, PAGE_SIZE - 1, draw.randrange(PAGE_SIZE)))
        length = draw.choice(
            (1, 8, PAGE_SIZE, PAGE_SIZE + 8, 2 * PAGE_SIZE, draw.randrange(1, 3 * PAGE_SIZE))
        )
        return walk_ops.ByteRange(offset, min(length, PAGE_SIZE - offset) if self._within_page else length)

    def memory(self) -> Span:
        """Draw pages of the device, or occasionally of the driver's own memory."""
        return self._places.driven_span() if self._random.random() < 0.8 else self.own_pages()

    def sections(self) -> Span | None:
        """Draw whole sections of a pci device; None if no device has one."""
        large_devices = [
            device
            for device in self._places.devices.values()
            if device.kind == "pci" and device.pages >= device_ops.SECTION_PAGES
        ]
        if not large_devices:
            return None
        device = self._random.choice(large_devices)
        first = self._random.randrange(min(4, device.pages // device_ops.SECTION_PAGES))
        return Span(device.name, first * device_ops.SECTION_PAGES, (first + 1) * device_ops.SECTION_PAGES)
