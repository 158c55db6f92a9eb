"""Draws the addresses in a random program: devices, areas, leaves, and ranges that meet at every kind of
border.
"""

from collections.abc import Collection
from random import Random

from pfnlab.hunt.fuzz.drawn_neighbours import DrawnNeighbours
from pfnlab.kernel.hw.pgtable import LEAF_PAGES
from pfnlab.programs.cases.mapping_kinds import driver_ways
from pfnlab.programs.lang import ops
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import Walk
from pfnlab.programs.lang.words import MAX_ISA_PAGES

#: The number of pages in a 2 MiB leaf, and in a 1 GiB leaf.
TABLE, GIGABYTE = LEAF_PAGES[2], LEAF_PAGES[3]

#: The highest leaf level for each method by which the guest driver fills a mapping with leaves.
DRIVER_LEAVES = {how: {TABLE: 2, GIGABYTE: 3}[kind.leaf] for how, kind in driver_ways().items() if kind.leaf}


def path_end(call: ops.Mmap) -> Span:
    """The pages in an area where *call* maps."""
    return call.over if call.over is not None else Span(call.name or "", 0, call.source.pages)


def leaf_level(call: ops.Mmap) -> int:
    """The level of the largest leaf that fits into the mapping of *call*; 1 if no leaf fits (S6.3.1).

    Areas begin at a multiple of 1 GiB, as do devices that may have leaves.
    """
    most = (
        DRIVER_LEAVES.get(call.driver.how, 1) if call.driver is not None else 3 if call.via == "vfio" else 1
    )
    place = path_end(call)
    for level in range(most, 1, -1):
        unit = LEAF_PAGES[level]
        first = place.start + -place.start % unit
        if (place.start - call.source.start) % unit == 0 and first + unit <= place.end:
            return level
    return 1


def touched_level(program: ops.Program) -> int:
    """The level of the largest leaf that fits into a mapping in *program* and is created by a later access.

    Returns 1 if there is none. Permissions, tasks and operations in between are ignored.
    """
    mapped: list[tuple[Span, int]] = []
    found = 1
    for op in program.ops:
        call = op.call
        if isinstance(call, ops.Mmap) and leaf_level(call) > 1:
            mapped.append((path_end(call), leaf_level(call)))
        for place, level in mapped:
            if level > found and touches(call, place):
                found = level
    return found


def touches(call: ops.Call, place: Span) -> bool:
    """True if *call* is an access that begins within *place*."""
    if not isinstance(call, ops.Read | ops.Write | Walk):
        return False
    return call.span.name == place.name and place.start <= call.span.start < place.end


#: Area names; each area is larger than the largest mapping made there.
AREAS = ("a", "b", "c", "d")

#: Sizes of a pci device, with weights: one page, adjacent pages, several page tables.
_SIZES = {1: 4, 2: 4, 3: 4, 4: 6, 8: 10, 16: 50, 24: 6, 64: 6, 513: 6, 2 * TABLE: 6}

#: A 1 GiB BAR, for which a separate guest is booted.
_LARGE = GIGABYTE

#: Sizes of a device at the start of a guest's BAR, e.g. for vfio-pci: 2 MiB leaves fit.
_ALONE_SIZES = {1: 2, 4: 4, 16: 14, TABLE: 4, 513: 4, 2 * TABLE: 6, 3 * TABLE: 2}

#: Device sizes for a program with leaves: for 2 MiB, for 1 GiB, and for both.
_LEAF_SIZES = {
    **{TABLE: 2, TABLE + 1: 1, 2 * TABLE: 3, 3 * TABLE + 1: 2, 8 * TABLE: 2},
    **{GIGABYTE: 8, GIGABYTE + TABLE: 3, 2 * GIGABYTE: 5, 2 * GIGABYTE + TABLE + 1: 1, 4 * GIGABYTE: 2},
}

#: The usual maximum number of pages that a program with leaves maps without one, since each is a separate
#: entry.
_SINGLE_PAGES = 3 * TABLE

#: Sizes of a lowmem device: the guest's memory, in multiples of 8 pages, must suffice for all of them.
_LOW_SIZES = (1, 2, 7, 8, 16)

#: Sizes of the ``isa`` device: up to the ISA hole, into it, and to its end; and of the ``top`` device.
_ISA_SIZES = (8, 12, 16, 16, 0x30, 0x68, MAX_ISA_PAGES, MAX_ISA_PAGES)

_TOP_SIZES = (1, 4, 16, 16, 64, 513, 2 * TABLE)

#: The probability that a program has each of the two.
_ISA_RATE, _TOP_RATE = 0.06, 0.05

_USER_VIAS: tuple[ops.Via, ...] = tuple(via for via in ops.PCI_VIAS if via not in ("driver", "vfio"))

#: The maximum total number of pci device pages with which a program may map past the end of one
#: (``placement.py``).
_TAIL_PAGES = 1024


def devices(
    random: Random, *, rare: bool, alone: bool = False, leaves: bool = False, fixed: bool = False
) -> tuple[ops.Device, ...]:
    """Draw one to five devices, adjacent in the order of their names.

    :param rare: whether the first may be large
    :param alone: whether the first is the only pci device, for vfio-pci or because it is removed and added
    :param leaves: whether it must be large enough for leaves; it is then the only pci device as well
    :param fixed: whether at least one device must be at a fixed address
    """
    choices = _LEAF_SIZES if leaves else _ALONE_SIZES if alone else _SIZES
    alone = alone or leaves
    large = rare and not alone and random.random() < 0.4
    found = [
        ops.Device(
            "bar", "pci", _LARGE if large else random.choices(list(choices), list(choices.values()))[0]
        )
    ]
    if not alone and random.random() < 0.25:
        found.append(ops.Device("bar2", "pci", random.choice((1, 4, 16, 64))))
    if random.random() < 0.2:
        found.append(ops.Device("low", "lowmem", random.choice(_LOW_SIZES)))
    isa, top = random.random() < _ISA_RATE, random.random() < _TOP_RATE
    if fixed and not (isa or top):
        isa = random.random() < 0.7
        top = not isa
    if isa:
        found.append(ops.Device("hole", "isa", random.choice(_ISA_SIZES)))
    if top:
        found.append(ops.Device("last", "top", random.choice(_TOP_SIZES)))
    return tuple(found)


def areas(on: tuple[ops.Device, ...]) -> tuple[ops.Area, ...]:
    """Draw areas with room for the largest device plus half its size."""
    pages = max(24, *(device.pages + device.pages // 2 for device in on))
    return tuple(ops.Area(name, pages) for name in AREAS)


class DrawnPlaces:
    """The mappings in a program so far, derived from its text, and ranges near them.

    :param passes_end: whether it may map past the end of its first device
    :param leaves: whether its devices may have any size, in which case few mappings without leaves are large
    :param neighbours: whether ranges often lie at the borders of mappings
    """

    def __init__(
        self,
        random: Random,
        on: tuple[ops.Device, ...],
        within: tuple[ops.Area, ...],
        *,
        passes_end: bool,
        leaves: bool = False,
        neighbours: bool = False,
    ) -> None:
        self._random = random
        self._leaves = leaves
        self._passes_end = (
            passes_end and sum(device.pages for device in on if device.kind == "pci") <= _TAIL_PAGES
        )
        self.devices = {device.name: device for device in on}
        self.areas = {area.name: area.pages for area in within}
        pages = {device.name: device.pages for device in on}
        self.neighbours = DrawnNeighbours(random, pages, self.areas) if neighbours else None
        self._pci = [device for device in on if device.kind == "pci"]
        self._driven = [device for device in on if device.kind == "pci" or device.kind in ops.ONLY_KINDS]
        self._pieces: dict[str, list[tuple[int, int]]] = {name: [] for name in self.areas}
        self._last: Span | None = None
        self._sources: list[Span] = []
        #: For each area, the range of all pages ever mapped there.
        self._whole: dict[str, tuple[int, int]] = {}
        #: Whether the next operation stays at the last one's place, and whether it covers all of that.
        self.stays = self.all = False
        #: Pages that were written to, successfully or not.
        self.touched: list[Span] = []

    def used(self, span: Span) -> None:
        """Record *span* as the last one used; the next operation may use it again."""
        self._last = span if span.pages and span.end <= self.areas[span.name] else None

    def mapped(self, span: Span) -> None:
        """Record that there may be a mapping at *span*."""
        if span.pages and (span.start, span.end) not in self._pieces[span.name]:
            self._pieces[span.name].append((span.start, span.end))
            start, end = self._whole.get(span.name, (span.start, span.end))
            self._whole[span.name] = (min(start, span.start), max(end, span.end))

    def unmapped(self, span: Span) -> None:
        """Record that *span* is no longer mapped."""
        pieces = []
        for start, end in self._pieces[span.name]:
            pieces += [(start, min(end, span.start)), (max(start, span.end), end)]
        self._pieces[span.name] = [(start, end) for start, end in pieces if start < end]

    def area(self, preferred: Collection[str] = ()) -> str:
        """Draw an area, preferably one with mappings, and from *preferred* if possible."""
        stays = self._last is not None and (not preferred or self._last.name in preferred) and self.stays
        if preferred and not stays and self._random.random() < 0.7:
            return self._random.choice(sorted(preferred))
        if self._last is not None and self._random.random() < (0.95 if self.stays else 0.5):
            return self._last.name
        used = [name for name, pieces in self._pieces.items() if pieces]
        if used and self._random.random() < 0.85:
            return self._random.choice(used)
        return self._random.choice(list(self.areas))

    def free_area(self) -> str:
        """Draw an area for a new mapping, preferably one without mappings."""
        free = [name for name, pieces in self._pieces.items() if not pieces]
        if free and self._random.random() < 0.8:
            return self._random.choice(free)
        return self._random.choice(list(self.areas))

    def span(self, name: str, most: int | None = None) -> Span:
        """Draw pages in area *name*: all or part of a mapping, or pages across one of its borders."""
        draw, extent = self._random, self.areas[name]
        if self.all and name in self._whole:
            start, end = self._whole[name]
            return Span(name, start, min(end, extent, start + (most or extent)))
        border = None if self.neighbours is None else self.neighbours.range(name)
        if border is not None:
            return Span(name, border.start, min(border.end, border.start + (most or extent)))
        if self._last is not None and self._last.name == name and draw.random() < 0.2:
            return Span(name, self._last.start, min(self._last.end, self._last.start + (most or extent)))
        start, end = draw.choice(self._pieces[name]) if self._pieces[name] else (0, min(16, extent))
        cut = self._cut(end - start)
        shape = draw.randrange(11)
        if shape == 10 and self._pieces[name]:
            # All pages ever mapped, including those in between.
            borders = self._whole[name]
        elif shape < 3:
            borders = (start, end)
        elif shape < 5:
            borders = (start, start + cut)
        elif shape < 7:
            borders = (end - cut, end)
        elif shape < 8:
            first = start + self._cut(end - start) - 1
            borders = (first, first + cut)
        elif shape < 9:
            borders = (start - cut, end) if draw.random() < 0.5 else (start, end + cut)
        else:
            first = draw.randrange(extent)
            borders = (first, first + draw.choice((1, 2, 4, 16)))
        first, last = max(0, min(borders[0], extent - 1)), min(borders[1], extent)
        if most is not None:
            last = min(last, first + most)
        return Span(name, first, max(last, first + 1))

    def inside(self, name: str) -> Span:
        """Draw pages of one known mapping in area *name*: all of it, one end, or the middle."""
        draw = self._random
        if self.all or not self._pieces[name] or draw.random() < 0.25:
            return self.span(name)
        start, end = draw.choice(self._pieces[name])
        cut = self._cut(end - start)
        choices = ((start, end), (start, end), (start, start + cut), (end - cut, end))
        first, last = draw.choice(choices)
        return Span(name, first, last) if last <= self.areas[name] else self.span(name)

    def page(self, name: str, *, again: bool = False) -> Span:
        """Draw one page in area *name*: the first, the last, or another page of a mapping.

        :param again: whether it may also be a previously written page in any area
        """
        draw = self._random
        if again and self.touched and draw.random() < 0.4:
            return draw.choice(self.touched)
        border = None if self.neighbours is None else self.neighbours.page(name)
        if border is not None:
            return border
        start, end = draw.choice(self._pieces[name]) if self._pieces[name] else (0, 8)
        if self._last is not None and self._last.name == name and draw.random() < 0.6:
            start, end = self._last.start, self._last.end
        last = min(end, self.areas[name] - 1)
        page = draw.choice((start, start, start, end - 1, draw.randrange(start, end), last))
        return Span(name, page, page + 1)

    def destination(self, name: str, pages: int, like: int = 0) -> Span:
        """Draw *pages* pages in area *name*, or fewer if they do not fit.

        :param like: the page to begin at in many cases, so that page tables and holes line up with the source
        """
        extent = self.areas[name]
        pages = min(pages, extent)
        room = extent - pages
        if 0 < like <= room and self._random.random() < 0.3:
            return Span(name, like, like + pages)
        start = self._random.choice((0, min(self._cut(extent), room), room, self._random.randrange(room + 1)))
        return Span(name, start, start + pages)

    def source(self, pages: int | None = None) -> tuple[Span, ops.Via]:
        """Draw pages of a device and a way to map them.

        :param pages: the number of pages, if the device has that many
        """
        draw = self._random
        device = draw.choice(list(self.devices.values()))
        if self._leaves:
            most = GIGABYTE if pages is None and draw.random() < 0.03 else _SINGLE_PAGES
            pages = min(self._cut(device.pages) if pages is None else pages, most)
        span = self.device_span(device, pages)
        if pages is None and self._sources and draw.random() < 0.25:
            # The same pages again, perhaps mapped in a different way.
            span = draw.choice(self._sources)
            device = self.devices[span.name]
        self._sources.append(span)
        if device.kind == "top" and draw.random() < 0.05:
            span = Span(device.name, device.pages - span.pages + 1, device.pages + 1)
        if device.kind != "pci":
            return span, draw.choice(ops.LOWMEM_VIAS)
        if device is self._pci[0] and self._passes_end and draw.random() < 0.3:
            behind = draw.choice((1, span.pages))
            span = Span(device.name, device.pages - span.pages + behind, device.pages + behind)
        return span, draw.choice(("wc", "uc")) if draw.random() < 0.6 else draw.choice(_USER_VIAS)

    def anon_over(self, most: int) -> Span:
        """Draw up to *most* pages for ordinary memory over a mapping, preferably at its end."""
        over = self.span(self.area())
        if self._pieces[over.name] and self._random.random() < 0.5:
            _, end = self._random.choice(self._pieces[over.name])
            end = min(end, self.areas[over.name])
            over = Span(over.name, max(0, end - self._cut(min(4, end))), end)
        return Span(over.name, over.start, min(over.end, over.start + most))

    def leaf_source(self) -> Span:
        """Draw pages of a pci device that can hold leaves: one leaf, several, or one and part of another."""
        draw = self._random
        device = max(self._pci, key=lambda device: device.pages)
        units = [unit for unit in (GIGABYTE, GIGABYTE, TABLE) if unit <= device.pages] or [1]
        unit = draw.choice(units)
        start = unit * draw.choice((0, 0, 0, draw.randrange(device.pages // unit)))
        room = device.pages - start
        pages = min(room, draw.choice((unit, unit, unit, 2 * unit, room, unit + TABLE, unit + 1)))
        span = Span(device.name, start, start + pages)
        self._sources.append(span)
        return span

    def bar_span(self, most: int | None = None) -> Span:
        """Draw pages of a pci device, often ones that the program has used before."""
        span = self.device_span(self._random.choice(self._pci))
        mapped = [source for source in self._sources if self.devices[source.name].kind == "pci"]
        border = None if self.neighbours is None else self.neighbours.shown(span.name)
        if border is not None:
            span = border
        elif mapped and self._random.random() < 0.4:
            span = self._random.choice(mapped)
        else:
            self._sources.append(span)
        return span if most is None else Span(span.name, span.start, min(span.end, span.start + most))

    @property
    def alone(self) -> bool:
        """True if the program has one pci device and stays within it, so a driver can claim all of it."""
        return len(self._pci) == 1 and not self._passes_end

    def driven_span(self, most: int | None = None) -> Span:
        """Draw pages of a device, usually a pci device, for the driver."""
        device = self._random.choice(self._driven)
        if device.kind == "pci":
            return self.bar_span(most)
        span = self.device_span(device, None if most is None else min(most, device.pages))
        self._sources.append(span)
        return span

    def claimed(self, first: bool) -> Span | None:
        """Draw pages that a driver may claim.

        The first page of a pci device is avoided, since a guest's BAR has only one.

        :param first: whether the first page is allowed if the program has one pci device and stays within it
        """
        span = self.driven_span()
        if self.devices[span.name].kind != "pci":
            return span
        start = span.start if first and self.alone else max(span.start, 1)
        return Span(span.name, start, span.end) if start < span.end else None

    def device_span(self, device: ops.Device, pages: int | None = None) -> Span:
        """Draw pages of *device*: all, some at an end, or a few in the middle."""
        draw = self._random
        if pages is None:
            pages = device.pages if draw.random() < 0.3 else self._cut(device.pages)
        pages = min(pages, device.pages)
        room = device.pages - pages
        start = draw.choice((0, 0, room, min(self._cut(device.pages), room), draw.randrange(room + 1)))
        if self.neighbours is not None and self.neighbours.ends():
            start = room
        return Span(device.name, start, start + pages)

    # A number of pages from 1 to all: small numbers, halves, and numbers near that of a page table.
    def _cut(self, pages: int) -> int:
        draw = self._random
        choices = [1, 2, 3, 4, 8, pages // 2, pages - 1, draw.randrange(pages) + 1]
        if pages > TABLE:
            choices += [TABLE, TABLE + 1, TABLE - 1]
        if self._leaves and pages >= TABLE:
            # Leaf borders: inside a 1 GiB leaf, only cuts at multiples of 2 MiB leave smaller leaves whole.
            choices += [TABLE * (draw.randrange(pages // TABLE) + 1) for _ in range(3)]
        if self._leaves and pages >= GIGABYTE:
            choices += [GIGABYTE, GIGABYTE, GIGABYTE + TABLE, GIGABYTE - TABLE]
        return max(1, min(draw.choice(choices), pages))
