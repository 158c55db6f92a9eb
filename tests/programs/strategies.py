"""Hypothesis strategies for correct programs, and for texts that are nearly correct."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from pfnlab.programs.lang.device_ops import (
    DRIVER_RAM,
    DRIVER_RAM_PAGES,
    SECTION_PAGES,
    Bind,
    DriverMap,
    MemremapPages,
    MemunmapPages,
    Plug,
    Remove,
    Rescan,
    RescanMoved,
    Unbind,
    UnmapMappingRange,
    Unplug,
)
from pfnlab.programs.lang.fields import Ending, Field, Flag, Shape, Word
from pfnlab.programs.lang.forced import Fail, Hold, Skip
from pfnlab.programs.lang.ops import (
    LOWMEM_VIAS,
    PCI_VIAS,
    Area,
    Call,
    Device,
    Exec,
    Exit,
    Expect,
    Fork,
    Kill,
    LeakedEntry,
    Look,
    Mmap,
    Mremap,
    Op,
    Program,
    Release,
    RemapFilePages,
    Thread,
    Via,
)
from pfnlab.programs.lang.process_ops import ProcessMrelease
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import (
    BYTE_WALKERS,
    MAX_BYTES_MOVED,
    RANGE_WALKERS,
    STORING_WALKERS,
    ByteRange,
    ProcessVmReadv,
    Walk,
)
from pfnlab.programs.lang.words import (
    DRIVER_HOW,
    DRIVER_MODES,
    FORK_WORDS,
    HOLD_FUNCTIONS,
    MAX_PERF_PAGES,
    MODES,
    PROTS,
    ROWS,
    THP,
    WALKERS,
)

AREA_NAMES = ("a", "b", "left_half", "z9", "x")
TASK_NAMES = ("c", "child", "t_2")
#: What changes which tasks live or what they are: not while a processor is held.
ENDS: tuple[Call, ...] = (Exit(), Kill())
#: What a full slot takes; an empty one takes a Plug. Not while a processor is held either.
SLOT: tuple[Call, ...] = (Remove("bar"), Rescan("bar"), Unplug("bar"))
NEVER_HELD = (Exit, Kill, Exec, Thread, Look, Remove, Rescan, Unplug, Plug)
#: Operations of the table that depend on what stands before them; a device has one driver in a program.
_PLACED = (*NEVER_HELD, Release, RescanMoved, Bind, Unbind, MemremapPages)
TABLE = (Look, *(kind for kind in ROWS if kind not in _PLACED))
ON_AREAS = tuple(
    kind for kind in TABLE if any(field in (Shape.RANGE, Shape.ACCESS) for field in ROWS[kind].fields[:1])
)
ELSEWHERE = tuple(kind for kind in TABLE if kind not in ON_AREAS)
PROTECTIONS = sorted(PROTS)
SERIES = ("5.15", "6.1", "6.12", "6.16", "7.2", "10.0")

#: Sizes that meet every way a page count is written.
SIZES = st.sampled_from((1, 2, 4, 16, 300, 512, 1 << 18, 3 << 18, 1 << 28, 1 << 30))

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" "), max_size=40).map(
    lambda text: " ".join(text.split()).lstrip(":").strip()
)


class _Draft:
    """A program under construction: what may be said at its next operation."""

    def __init__(self, draw: st.DrawFn, devices: list[Device], areas: list[Area]) -> None:
        self.draw = draw
        self.devices = devices
        self.extents = {area.name: area.pages for area in areas}
        self.processes = {"main": "main"}  # the living tasks, each with the first of its process
        self.unborn = list(TASK_NAMES)
        self.plugged = True
        self.held = False
        self.idle: set[str] = set()  # tasks that do not act before the release

    def part(self, name: str, extent: int) -> Span:
        """Some pages of an area, often all of them."""
        whole: bool = self.draw(st.booleans())
        if whole:
            return Span(name, 0, extent)
        start = self.draw(st.integers(0, extent - 1))
        return Span(name, start, self.draw(st.integers(start + 1, extent)))

    def span(self) -> Span:
        name = self.draw(st.sampled_from(sorted(self.extents)))
        return self.part(name, self.extents[name])

    def page(self) -> Span:
        span = self.span()
        return Span(span.name, span.start, span.start + 1)

    def bind(self, pages: int) -> str:
        name = self.draw(st.sampled_from(AREA_NAMES))
        self.extents[name] = max(self.extents.get(name, 0), pages)
        return name

    def mmap(self) -> Mmap:
        draw = self.draw
        over = self.span() if draw(st.booleans()) and self.extents else None
        pages = draw(SIZES) if over is None else over.pages
        shared = draw(st.booleans())
        via: Via = "anon"
        source = Span("anon", 0, pages)
        driver = None
        if shared or draw(st.booleans()):
            source, via = self.source(pages)
            driver = self.driver(pages, shared) if via == "driver" else None
        elif pages <= MAX_PERF_PAGES and draw(st.integers(0, 9)) == 0:
            source, via = Span("perf", 0, pages), "perf"
        prot = draw(st.sampled_from(PROTECTIONS))
        name = self.bind(pages) if over is None else None
        return Mmap(name, source, via, shared, prot, draw(st.booleans()), draw(st.booleans()), over, driver)

    def driver(self, pages: int, shared: bool) -> DriverMap:
        """How the guest driver maps *pages*."""
        draw = self.draw
        how = draw(st.sampled_from([one for one in DRIVER_HOW if shared or not one.startswith("fault")]))
        mode = draw(st.sampled_from(sorted(DRIVER_MODES)))
        part = None
        if how == "part":
            start = draw(st.integers(0, pages - 1))
            part = (start, draw(st.integers(start + 1, pages)))
        return DriverMap(how, mode, part)

    def by_fields(self, kind: type[Call]) -> Call:
        """An operation of the table."""
        make: Callable[..., Call] = kind
        call = make(*map(self.field, ROWS[kind].fields))
        # Nothing is held here that would keep a killed process from its end.
        return ProcessMrelease(call.victim) if isinstance(call, ProcessMrelease) else call

    def field(self, field: Field) -> object:
        """A value of a field."""
        draw = self.draw
        match field:
            case Shape.RANGE:
                return self.span()
            case Shape.ACCESS:
                return self.page()
            case Shape.DEVICE_PAGES:
                return self.device_pages()
            case Shape.MEMORY:
                return self.device_pages() if draw(st.booleans()) else self.own_pages()
            case Shape.OWN_PAGES:
                return self.own_pages()
            case Shape.DEVICE:
                return "bar"
            case Shape.PROT:
                return draw(st.sampled_from(PROTECTIONS))
            case Shape.TASK | Shape.ANY_TASK:
                return "main"
            case Shape.HELD:
                return None
            case Shape.VALUE:
                return draw(st.integers(0, (1 << 32) - 1))
            case Shape.ROOM:
                return draw(st.none() | st.integers(0, 1 << 30))
            case Word() | Ending():
                return draw(st.sampled_from(sorted(field.numbers)))
            case Flag():
                return draw(st.booleans())
        raise AssertionError(field)

    def device_pages(self) -> Span:
        """Some pages of the first device."""
        device = self.devices[0]
        start = self.draw(st.integers(0, device.pages - 1))
        return Span(device.name, start, self.draw(st.integers(start + 1, device.pages)))

    def unmap(self) -> Call:
        """The driver takes device pages out of all mappings."""
        span = self.device_pages()
        to_end = span.end == self.devices[0].pages and self.draw(st.booleans())
        return UnmapMappingRange(span, self.draw(st.booleans()), to_end)

    def own_pages(self) -> Span:
        """Some of the driver's own pages."""
        start = self.draw(st.integers(0, DRIVER_RAM_PAGES - 1))
        return Span(DRIVER_RAM, start, self.draw(st.integers(start + 1, DRIVER_RAM_PAGES)))

    def sections(self, device: Device) -> Call:
        """Struct pages for whole sections of a device, where it is as large as one."""
        whole = device.pages // SECTION_PAGES
        if not whole:
            return MemunmapPages()
        start = self.draw(st.integers(0, whole - 1)) * SECTION_PAGES
        return MemremapPages(Span(device.name, start, start + SECTION_PAGES), self.draw(st.booleans()))

    def source(self, pages: int) -> tuple[Span, Via]:
        """Some pages of a device, and a way to map them."""
        device = self.draw(st.sampled_from(self.devices))
        start = self.draw(st.integers(0, device.pages + 2))
        via = self.draw(st.sampled_from(PCI_VIAS if device.kind == "pci" else LOWMEM_VIAS))
        return Span(device.name, start, start + pages), via

    def walk(self) -> Walk:
        """Another way to a page, or to several."""
        walker = self.draw(st.sampled_from(sorted(WALKERS)))
        value = self.draw(st.integers(0, (1 << 32) - 1)) if walker in STORING_WALKERS else None
        if walker in BYTE_WALKERS and (part := self.bytes()) is not None:
            return Walk(WALKERS[walker], self.page(), None if value is None else value & 0xFF, part)
        return Walk(WALKERS[walker], self.span() if walker in RANGE_WALKERS else self.page(), value)

    def bytes(self) -> ByteRange | None:
        """Some bytes, or none in particular."""
        if self.draw(st.booleans()):
            return None
        return ByteRange(self.draw(st.integers(0, 4095)), self.draw(st.integers(1, MAX_BYTES_MOVED)))

    def mremap(self) -> Mremap:
        draw = self.draw
        span = self.span()
        if draw(st.booleans()):
            span = Span(span.name, span.start, span.start)
        words = (draw(st.booleans()), draw(st.booleans()))
        to = draw(st.sampled_from(("", "name", "over")))
        if to == "over":
            over = self.span()
            return Mremap(span, over.pages, words[0], True, words[1], None, over)
        pages = draw(SIZES)
        if to == "name":
            if draw(st.integers(0, 9)) == 0:
                span = draw(st.sampled_from((Span("vvar", 0, 4), Span("vvar", 1, 3), Span("vvar", 2, 2))))
            return Mremap(span, pages, words[0], True, words[1], self.bind(pages))
        return Mremap(span, draw(st.sampled_from((0, pages))), words[0], False, words[1])

    def call(self, task: str) -> Call:
        draw = self.draw
        kinds = ["mmap", "elsewhere", "elsewhere", "unmap", "sections"]
        kinds += ["fork"] if self.unborn else []
        if not self.held:
            kinds += ["slot"]
            kinds += ["end", "exec"] if self.alone(task) else ["end"]
            kinds += ["thread"] if self.unborn else []
        kinds += ["area", "area", "area", "mremap", "readv", "walk", "rfp"] if self.extents else []
        kind = draw(st.sampled_from(kinds))
        if kind == "mmap":
            return self.mmap()
        if kind in ("elsewhere", "area"):
            return self.by_fields(draw(st.sampled_from(ELSEWHERE if kind == "elsewhere" else ON_AREAS)))
        if kind == "slot":
            return draw(st.sampled_from(SLOT)) if self.plugged else Plug("bar")
        if kind in ("fork", "thread"):
            refused = draw(st.none() | st.sampled_from(sorted(FORK_WORDS)))
            return Fork(self.unborn.pop(), refused) if kind == "fork" else Thread(self.unborn.pop())
        if kind == "end":
            return draw(st.sampled_from(ENDS))
        if kind == "exec":
            return Exec()
        if kind == "mremap":
            return self.mremap()
        if kind == "readv":
            return ProcessVmReadv(self.page(), self.bytes())
        if kind == "walk":
            return self.walk()
        if kind == "unmap":
            return self.unmap()
        if kind == "sections":
            return self.sections(self.devices[0])
        span = self.span()
        return RemapFilePages(span, *self.source(span.pages))

    def alone(self, task: str) -> bool:
        """Whether *task* is its process's only thread."""
        return list(self.processes.values()).count(self.processes[task]) == 1

    def op(self) -> Op:
        draw = self.draw
        able = [task for task in self.processes if task not in self.idle]
        if self.held and (not able or draw(st.integers(0, 3)) == 0):
            return self.release()
        task = draw(st.sampled_from(able))
        call = self.call(task)
        fail, skip, hold = None, None, None
        if not self.held and draw(st.integers(0, 9)) == 0:
            fail = self.fail()
        elif not self.held:
            skip = self.skip() if draw(st.integers(0, 9)) == 0 else None
            held = not isinstance(call, NEVER_HELD) and draw(st.integers(0, 3)) == 0
            hold = self.hold(task) if held else None
        self.take_effect(task, call)
        return Op(call, task, fail, skip, hold)

    def take_effect(self, task: str, call: Call) -> None:
        """Which tasks live after *call*, and which of them may act."""
        if isinstance(call, Fork | Thread):
            self.processes[call.child] = call.child if isinstance(call, Fork) else self.processes[task]
            self.idle |= {call.child} if self.held else set()
        if isinstance(call, Exit | Kill):
            ended = self.processes[task]
            self.processes = {one: process for one, process in self.processes.items() if process != ended}
        if isinstance(call, Unplug | Plug):
            self.plugged = isinstance(call, Plug)

    def fail(self) -> Fail:
        inside = self.draw(st.sampled_from((None, "copy_page_range")))
        function = self.draw(st.sampled_from(("__pte_alloc", "vm_area_dup")))
        return Fail(function, self.draw(st.integers(1, 9)), inside)

    def skip(self) -> Skip:
        return Skip("flush_tlb_mm_range", self.draw(st.integers(1, 3)))

    def hold(self, task: str) -> Hold:
        self.held = True
        self.idle = {task}
        function = self.draw(st.sampled_from((*HOLD_FUNCTIONS, "__x64_sys_munmap")))
        return Hold(function, self.draw(st.integers(1, 3)), self.draw(st.booleans()))

    def release(self) -> Op:
        self.held = False
        self.idle = set()
        return Op(Release())


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A correct program that uses every operation and word sooner or later."""
    devices = [Device("bar", "pci", draw(SIZES))]
    if draw(st.booleans()):
        devices.append(Device("low", "lowmem", draw(st.integers(1, 64))))
    areas = [Area("decl", draw(SIZES))] if draw(st.booleans()) else []
    draft = _Draft(draw, devices, areas)
    ops = [draft.op()]
    for _ in range(draw(st.integers(0, 8))):
        if draft.processes:
            ops.append(draft.op())
    if draft.held:
        ops.append(draft.release())
    asks = draw(TEXTS)
    return Program(
        draw(TEXTS),
        f"{asks}?" if asks else "",
        tuple(devices),
        tuple(ops),
        tuple(areas),
        tuple(draw(st.lists(expects(devices), max_size=3))),
        draw(st.sampled_from((None, *THP.values()))),
    )


@st.composite
def expects(draw: st.DrawFn, devices: list[Device]) -> Expect:
    """An expectation about some of *devices*."""
    first = draw(st.integers(0, len(SERIES) - 1))
    last = draw(st.none() | st.integers(first, len(SERIES) - 1))
    leaked = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, 99))
        span = Span(draw(st.sampled_from(devices)).name, start, start + draw(st.integers(1, 99)))
        leaked.append(LeakedEntry(span, draw(st.sampled_from(MODES))))
    keeps = "" if leaked else draw(st.sampled_from(("", "no_leak", "freed_once")))
    return Expect(SERIES[first], None if last is None else SERIES[last], tuple(leaked), keeps)


@st.composite
def commented(draw: st.DrawFn, text: str) -> str:
    """*text* with comments, blank lines and spaces strewn in; it means the same."""
    comments = st.sampled_from(("", "", "  # why", "\t#", " ## a[3] = b"))
    rows = []
    for row in text.splitlines():
        if draw(st.integers(0, 4)) == 0:
            rows += ["", "# alone", "   # indented", ""][: draw(st.integers(1, 4))]
        free = row.startswith(("title", "asks"))
        rows.append(draw(st.sampled_from(("", " ", "\t"))) + row + ("" if free else draw(comments)))
    return draw(st.sampled_from(("\n", "\r\n"))).join(rows)


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """*text* with a few characters, words or lines removed, doubled, swapped or replaced."""
    for _ in range(draw(st.integers(1, 4))):
        if not text:
            break
        at = draw(st.integers(0, len(text) - 1))
        length = draw(st.integers(0, 12))
        piece = draw(
            st.text(max_size=4) | st.sampled_from((text[at : at + length], "over", "[", ":", "\n", "-1"))
        )
        text = text[:at] + piece + text[at + draw(st.integers(0, 6)) :]
    return text
