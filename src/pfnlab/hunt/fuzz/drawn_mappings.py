"""Draws mappings for a random program: source, kind, and moves."""

from random import Random
from typing import get_args

from msgspec.structs import replace

from pfnlab.hunt.fuzz.ranges import DRIVER_LEAVES, DrawnPlaces
from pfnlab.programs.cases.mapping_kinds import driver_ways
from pfnlab.programs.lang import device_ops
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.call_validity import moves_inside
from pfnlab.programs.lang.ops import Mmap, Mremap, Via
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ANON, PERF, VVAR_PAGES

DRAWN_PROTS = ("none", "r", "r", *["rw"] * 7, "w", "rx", "rwx", "rwx", "wx", "x", "x")

#: Protections for ordinary memory, where all are allowed.
ANON_PROTS = ("none", "r", "r", "rw", "rw", "rw", "rw", "w", "rx", "rwx", "x")

_MODES: tuple[device_ops.DriverMode, ...] = get_args(device_ops.DriverMode)

#: Mapping kinds that cannot be executable.
_NOEXEC = ("wc", "uc", "proc-wc", "proc-uc")

#: Mapping kinds whose fault handler fills entries; a private mapping of such a kind makes the kernel stop.
_SHARED_ONLY = (*device_ops.SHARED_ONLY, "mixed", "mixed_mkwrite", "mixed_pages")

#: The maximum number of pages of memory to fill page by page.
ANON_PAGES, _RAM_PAGES = 24, 16

#: The probability that ordinary memory is shared; only reads and writes have a rule there.
_SHARED_RATE = 0.06

#: The files whose offsets are addresses.
_BY_ADDRESS: tuple[Via, ...] = ("devmem", "devmem-sync", "proc-wc", "proc-uc")


def drawn_methods() -> tuple[device_ops.DriverHow, ...]:
    """The methods of the guest driver to draw, in the order of the language."""
    hows: tuple[device_ops.DriverHow, ...] = get_args(device_ops.DriverHow)
    return tuple(how for how in hows if how in driver_ways())


_HOWS = drawn_methods()


class MappingGenerator:
    """A generator of operations that create and move mappings, for one program."""

    def __init__(self, random: Random, places: DrawnPlaces) -> None:
        self._random, self._places = random, places
        #: The areas with ordinary memory.
        self.ordinary: set[str] = set()
        #: The device has been at its second address.
        self.moved = False
        kinds = {device.kind for device in places.devices.values()}
        #: Whether the program may store. If so, ``isa`` device pages are only mapped private.
        self.stores = "isa" not in kinds or random.random() < 0.5

    def moved_source(self, source: Span, via: Via) -> tuple[Span, Via]:
        """Draw device pages, sometimes at the device's second address if the file's offsets are addresses."""
        if not self.moved or via not in _BY_ADDRESS or self._random.random() < 0.5:
            return source, via
        device = self._places.devices[source.name]
        if device.kind != "pci" or source.end > device.pages:
            return source, via
        return Span(device_ops.MOVED_BAR, source.start, source.end), via

    def _keeps_private(self, source: Span) -> bool:
        """True if a mapping of *source* must be private, because the program stores."""
        device = self._places.devices.get(source.name)
        return self.stores and device is not None and device.kind == "isa"

    def anon(self, source: Span, over: Span | None) -> Mmap:
        """Draw ordinary memory. Shared memory is neither populated nor locked, because no rule covers it."""
        mmap = self.mmap(source, "anon", over)
        if self._random.random() < _SHARED_RATE:
            return replace(mmap, shared=True, populate=False, locked=False)
        return mmap

    def perf(self) -> Mmap:
        """Draw a perf buffer, usually of the maximum size; it must be shared."""
        draw = self._random
        pages = draw.choice((1, 2, 3, 5, 5, 9, 17, 4)) if draw.random() < 0.9 else draw.randrange(1, 24)
        mmap = self.mmap(Span(PERF, 0, pages), PERF, None)
        return replace(mmap, shared=draw.random() < 0.95)

    def own_pages(self) -> Span:
        """Draw some of the driver's own pages."""
        start = self._random.randrange(device_ops.DRIVER_RAM_PAGES)
        return Span(
            device_ops.DRIVER_RAM, start, self._random.randrange(start + 1, device_ops.DRIVER_RAM_PAGES + 1)
        )

    def mmap(self, source: Span, via: str, over: Span | None) -> Mmap:
        draw = self._random
        prot = draw.choice(ANON_PROTS if source.name == ANON else DRAWN_PROTS)
        if "x" in prot and via in _NOEXEC and draw.random() < 0.8:
            prot = "rw"
        return Mmap(
            self._places.free_area() if over is None else None,
            source,
            via,  # type: ignore[arg-type]
            source.name != ANON
            and draw.random() < (0.95 if via == "vfio" else 0.6)
            and not self._keeps_private(source),
            prot,
            populate=draw.random() < 0.05,
            locked=draw.random() < 0.05,
            over=over,
        )

    def over(self) -> Mmap:
        """Draw a mapping over all or part of another mapping."""
        if self._random.random() < 0.35:
            over = self._places.anon_over(ANON_PAGES)
            return self.anon(Span(ANON, 0, over.pages), over)
        over = self._places.span(self._places.area())
        source, via = self._places.source(over.pages)
        return self.mmap(source, via, Span(over.name, over.start, over.start + source.pages))

    def driver_mmap(self) -> Mmap:
        draw = self._random
        how = draw.choice(_HOWS)
        source = self._places.driven_span(_RAM_PAGES if how in device_ops.OWN_RAM else None)
        if self._keeps_private(source) and how in _SHARED_ONLY:
            how = "remap"
        part = None
        if how == "part":
            first = draw.randrange(source.pages)
            part = (first, draw.randrange(first + 1, source.pages + 1))
        fits = how != "fault_moved" or moves_inside(self._places.devices[source.name], source)
        if (how == "halves" and source.pages < 2) or not fits:
            how = "remap"
        shared = how in _SHARED_ONLY or draw.random() < 0.55
        shared = shared and not self._keeps_private(source)
        driver = device_ops.DriverMap(how, draw.choice(_MODES), part)
        return Mmap(
            self._places.free_area(), source, "driver", shared, draw.choice(DRAWN_PROTS), driver=driver
        )

    def leaf_mmap(self, kind: str) -> Mmap:
        """Draw a mapping of the driver or vfio-pci that is large enough for leaves and usually accessible.

        :param kind: ``mmap driver`` or ``mmap vfio``
        """
        draw, source = self._random, self._places.leaf_source()
        name = self._places.free_area()
        prot = draw.choice((*["rw"] * 8, "r", *DRAWN_PROTS[-3:])) if kind == "mmap driver" else "rw"
        if kind == "mmap vfio":
            return Mmap(name, source, "vfio", True, prot)
        how = draw.choice((*DRIVER_LEAVES, "fault_pud"))
        driver = device_ops.DriverMap(how, draw.choice(_MODES))
        return Mmap(name, source, "driver", True, prot, driver=driver)

    def movable(self) -> str:
        """Draw an area to move or resize, preferably one with ordinary memory, which allows more."""
        ordinary = self._random.random() < 0.3
        return self._places.area(self.ordinary if ordinary and not self._places.stays else ())

    def dontunmap(self, name: str) -> bool:
        """True if a move from area *name* keeps the old mapping (MREMAP_DONTUNMAP), which devices refuse."""
        return self._random.random() < (0.3 if name in self.ordinary else 0.07)

    def mremap_vvar(self) -> Mremap:
        """Move the clock's pages (vvar) to an area, usually all of them with the same size."""
        draw, places = self._random, self._places
        span, pages = Span(VVAR, 0, VVAR_PAGES), VVAR_PAGES
        if draw.random() < 0.15:
            start = draw.randrange(VVAR_PAGES)
            span = Span(VVAR, start, draw.randrange(start, VVAR_PAGES + 1))
            pages = max(1, draw.choice((span.pages, span.pages, 1, VVAR_PAGES, VVAR_PAGES + 2)))
        dontunmap = draw.random() < 0.05
        if draw.random() < 0.8:
            return Mremap(span, pages, maymove=True, fixed=True, dontunmap=dontunmap, name=places.free_area())
        over = places.destination(places.area(), pages, 0)
        return Mremap(span, over.pages, maymove=True, fixed=True, dontunmap=dontunmap, over=over)

    def mremap(self, span: Span) -> Mremap:
        """Draw a resize of *span*: smaller, larger or the same size; it moves only if there is no room."""
        draw = self._random
        pages = max(1, draw.choice((span.pages, span.pages // 2, span.pages - 1, 1, span.pages + 2)))
        dontunmap = self.dontunmap(span.name)
        pages = span.pages if dontunmap and draw.random() < 0.8 else pages
        return Mremap(span, pages, maymove=dontunmap or draw.random() < 0.5, dontunmap=dontunmap)

    def mremap_to(self, span: Span) -> Mremap:
        """Draw a move to the start of an area, or over a mapping in one."""
        draw, places = self._random, self._places
        pages = max(1, draw.choice((span.pages, span.pages, span.pages, span.pages // 2, span.pages + 1)))
        if draw.random() < 0.08:
            span = Span(span.name, span.start, span.start)
        dontunmap = self.dontunmap(span.name)
        pages = span.pages if dontunmap and span.pages else pages
        if draw.random() < 0.5:
            return Mremap(span, pages, maymove=True, fixed=True, dontunmap=dontunmap, name=places.free_area())
        over = places.destination(places.area(), pages, span.start)
        return Mremap(span, over.pages, maymove=True, fixed=True, dontunmap=dontunmap, over=over)
