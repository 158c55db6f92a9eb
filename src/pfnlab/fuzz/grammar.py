"""The programs a fuzzer tries: everything the language can say, drawn from a seed and an index.

What is drawn next depends on what the program did last in the same area and, through a :class:`Bias`, on what
earlier programs have not reached yet. Seed, index, vocabulary and bias decide the whole program.
"""

from __future__ import annotations

from random import Random
from typing import get_args

import msgspec

from pfnlab.fuzz.places import Places, areas, devices
from pfnlab.programs.ops import (
    ADVICE,
    MAIN_TASK,
    Call,
    DriverHow,
    DriverMap,
    DriverMode,
    Exec,
    Exit,
    Fail,
    Fork,
    Hold,
    Ioremap,
    IoremapMode,
    Iounmap,
    Kill,
    Look,
    Madvise,
    Mincore,
    Mlock,
    Mlockall,
    Mmap,
    Mprotect,
    Mremap,
    Mseal,
    Msync,
    Munlock,
    Munmap,
    Op,
    ProcessVmReadv,
    Program,
    Read,
    ReadMemtypeList,
    Release,
    ReleaseMemRegion,
    RemapPfnRange,
    RequestMemRegion,
    Span,
    Thread,
    UnmapMappingRange,
    Write,
    ZapVmaPtes,
    is_held,
)
from pfnlab.programs.words import ANON, HOLD_FUNCTIONS

#: The kinds of operations and how often each is drawn, all else equal.
_USER_KINDS: dict[str, float] = {
    "mmap": 20,
    "mmap anon": 12,
    "mmap over": 9,
    "munmap": 18,
    "mremap": 6,
    "mremap to": 9,
    "mprotect": 10,
    "madvise": 14,
    "read": 7,
    "write": 11,
    "fork": 9,
    "exit": 6,
    "kill": 2,
    "exec": 1,
    "mlock": 3,
    "munlock": 2,
    "mlockall": 1,
    "msync": 2,
    "mseal": 4,
    "memtype_list": 0.5,
    "look": 0.5,
}

#: Kinds that need the guest driver, where a program may have them.
_DRIVER_KINDS: dict[str, float] = {
    "mmap driver": 16,
    "zap_vma_ptes": 8,
    "remap_pfn_range": 4,
    "unmap_mapping_range": 7,
    "request_mem_region": 4,
    "release_mem_region": 3,
    "ioremap": 4,
    "iounmap": 3,
    "mincore": 2,
    "process_vm_readv": 2,
}

#: Kinds that concern no area, so that they follow and precede what was done in any.
EVERYWHERE = frozenset(
    {"fork", "exit", "kill", "exec", "mlockall", "memtype_list", "look", "release_mem_region"}
)
EVERYWHERE |= {"unmap_mapping_range", "request_mem_region", "ioremap", "iounmap"}

_PROTS = ("none", "r", "r", *["rw"] * 7, "w", "rx", "rwx", "rwx", "wx", "x")
_MODES: tuple[DriverMode, ...] = get_args(DriverMode)
_HOWS: tuple[DriverHow, ...] = get_args(DriverHow)

#: Advice that mappings of devices take, and what clears ordinary memory.
_COMMON_ADVICE = (
    "normal",
    "random",
    "sequential",
    "dontfork",
    "dontdump",
    "wipeonfork",
    "dontneed",
    "populate_read",
    "populate_write",
)

#: Ways to map nothing executable by.
_NOEXEC = ("wc", "uc", "proc-wc", "proc-uc")

#: Ways to map whose fault handler fills entries; the kernel stops when one is mapped private.
_SHARED_ONLY = ("fault", "fault_prot", "mixed")

#: What an operation can be made to fail in, where model and kernel count the same calls: a fork copies VMAs
#: of the process itself as well, which the model does not have.
_FAILING: dict[str, tuple[str, str | None]] = {
    "fork": ("__pte_alloc", "copy_page_range"),
    "mmap": ("__pte_alloc", None),
    "munmap": ("vm_area_dup", None),
    "mprotect": ("vm_area_dup", None),
    "madvise": ("vm_area_dup", None),
}

#: How often one of these is made to fail, and a fork; such a program takes five times as long.
_FAIL_RATE, _FORK_FAIL_RATE = 0.008, 0.03

#: Of so many programs the first few may need a guest of their own: a device at the end of the BAR, a large
#: BAR.
_RARE_PERIOD, _RARE = 500, 8

#: How large memory is that is filled page by page, and for how many pages mincore is asked.
_ANON_PAGES, _RAM_PAGES, _MINCORE_PAGES = 24, 16, 1024

_MOST_TASKS = 4
_LENGTHS = range(4, 21)

#: How often the next operation is one of those before, once more.
_AGAIN = 0.1

#: How much more often a kind is drawn that never followed the last one in its area.
_UNREACHED = 5.0


class Vocabulary(msgspec.Struct, frozen=True):
    """What programs may say beside what every process may do.

    :param driver: operations of the guest driver
    :param schedules: threads, and processors that are held
    """

    driver: bool = False
    schedules: bool = False

    @property
    def kinds(self) -> dict[str, float]:
        """The kinds of operations and their weights."""
        return _USER_KINDS | (_DRIVER_KINDS if self.driver else {})


class Bias(msgspec.Struct, frozen=True):
    """What earlier programs make worth trying.

    :param pairs: pairs of kinds in one area that were reached, ``munmap > mremap``
    :param prefixes: programs that reached something new; some of the next begin as they do
    """

    pairs: frozenset[str] = frozenset()
    prefixes: tuple[Program, ...] = ()


#: Nothing was tried yet.
NO_BIAS = Bias()


def draw(seed: int, index: int, vocabulary: Vocabulary | None = None, bias: Bias = NO_BIAS) -> Program:
    """The program number *index* of *seed*."""
    random = Random(f"{seed}:{index}")
    vocabulary = vocabulary or Vocabulary()
    prefix = random.choice(bias.prefixes) if bias.prefixes and random.random() < 0.3 else None
    drawing = _Drawing(random, vocabulary, bias, prefix, rare=is_rare(index))
    return drawing.program(f"random {seed}:{index}", held=vocabulary.schedules and random.random() < 0.4)


def is_rare(index: int) -> bool:
    """Whether the program of this index may need a guest of its own."""
    return index % _RARE_PERIOD < _RARE


def kind_of(call: Call) -> str:
    """The kind of an operation, as pairs and weights name it."""
    if isinstance(call, Mmap):
        if call.over is not None:
            return "mmap over"
        if call.driver is not None:
            return "mmap driver"
        return "mmap anon" if call.source.name == ANON else "mmap"
    if isinstance(call, Mremap):
        return "mremap to" if call.fixed else "mremap"
    return str(type(call).__struct_config__.tag)


def areas_of(call: Call) -> tuple[str, ...]:
    """The areas an operation names."""
    named = [getattr(call, "name", None) if isinstance(call, (Mmap, Mremap)) else None]
    for field in ("span", "over"):
        span = getattr(call, field, None)
        if isinstance(span, Span) and kind_of(call) not in EVERYWHERE:
            named.append(span.name)
    return tuple(dict.fromkeys(name for name in named if name is not None))


def pairs_of(program: Program) -> set[str]:
    """Every pair of kinds that follow each other in one area, as ``munmap > mremap``."""
    last: dict[str, str] = {}
    found = set()
    for op in program.ops:
        kind = kind_of(op.call)
        names = tuple(last) if kind in EVERYWHERE else areas_of(op.call)
        found |= {f"{last[name]} > {kind}" for name in names if name in last}
        last |= dict.fromkeys(names, kind)
    return found


class _Drawing:
    """One program being drawn: what it did so far decides what may come next."""

    def __init__(
        self, random: Random, vocabulary: Vocabulary, bias: Bias, prefix: Program | None, *, rare: bool
    ) -> None:
        self.random, self.bias, self.rare = random, bias, rare
        self.weights = vocabulary.kinds
        on = prefix.devices if prefix else devices(random, rare=rare)
        self.areas = prefix.areas if prefix else areas(on)
        self.places = Places(random, on, self.areas, passes_end=rare and not prefix and random.random() < 0.5)
        self.tasks = [MAIN_TASK]
        self.born = 0
        self.last: dict[str, str] = {}
        #: The areas the driver was to fill.
        self.filled: set[str] = set()
        self.ops: list[Op] = []
        if prefix is not None and not is_held(prefix):
            for op in prefix.ops[: random.randrange(len(prefix.ops)) + 1]:
                self.add(op)

    def program(self, title: str, held: bool) -> Program:
        draw = self.random
        length = draw.choice(_LENGTHS)
        if not self.ops:
            self.add(self.op("mmap"))
        while len(self.ops) < length and self.tasks:
            again = draw.choice(self.ops) if draw.random() < _AGAIN else None
            if again is not None and again.task in self.tasks and kind_of(again.call) not in _ONCE:
                self.add(msgspec.structs.replace(again, fail=None))
            else:
                self.add(self.op(self.kind()))
        if held and self.tasks:
            self.schedule()
        return Program(title, "", tuple(self.places.devices.values()), tuple(self.ops), self.areas)

    def add(self, op: Op) -> None:
        """*op* is the next one; remember what it did."""
        call, kind = op.call, kind_of(op.call)
        self.ops.append(op)
        self.last |= dict.fromkeys(tuple(self.last) if kind in EVERYWHERE else areas_of(call), kind)
        self.speaks_of(call)
        if isinstance(call, (Fork, Thread)):
            self.born += 1
            self.tasks.append(call.child)
        elif isinstance(call, (Exit, Kill)):
            self.tasks.remove(op.task)
        elif isinstance(call, Munmap) and op.task == MAIN_TASK:
            self.places.unmapped(call.span)
        elif isinstance(call, (Mmap, Mremap)):
            pages = call.source.pages if isinstance(call, Mmap) else call.pages
            if isinstance(call, Mremap) and call.fixed and not call.dontunmap:
                self.places.unmapped(call.span)
            if call.over is not None or call.name is not None:
                self.places.mapped(call.over or Span(call.name or "", 0, pages))

    def speaks_of(self, call: Call) -> None:
        """What comes next may well concern the same pages, or those they became."""
        if isinstance(call, (Mmap, Mremap)) and call.name is not None:
            pages = call.source.pages if isinstance(call, Mmap) else call.pages
            self.places.used(Span(call.name, 0, pages))
        else:
            span = getattr(call, "over", None) or getattr(call, "span", None)
            if isinstance(span, Span) and span.name in self.places.areas and not isinstance(call, Munmap):
                self.places.used(span)
                if isinstance(call, Write):
                    self.places.touched.append(span)
        if isinstance(call, Mmap) and call.driver is not None and call.name is not None:
            self.filled.add(call.name)

    def kind(self) -> str:
        """What comes next: rather something that never followed what was done last."""
        before = set(self.last.values())
        kinds, weights = list(self.weights), []
        for kind, weight in self.weights.items():
            fresh = any(f"{last} > {kind}" not in self.bias.pairs for last in before)
            weights.append(weight * _UNREACHED if fresh and self.bias.pairs else weight)
        return self.random.choices(kinds, weights)[0]

    def op(self, kind: str) -> Op:
        draw = self.random
        if kind in _ENDS:
            # The first task seldom ends: whoever is left has less to do.
            early = len(self.tasks) == 1 or draw.random() < 0.05
            kind = "fork" if early and draw.random() < 0.9 else kind
            task = self.tasks[0] if early else draw.choice(self.tasks[1:])
        else:
            # What children have is the parent's.
            task = self.tasks[0] if draw.random() < 0.4 else draw.choice(self.tasks)
        call = self.call(kind, task)
        return Op(call, task, fail=self.fail(kind_of(call)))

    def fail(self, kind: str) -> Fail | None:
        rate = _FORK_FAIL_RATE if kind == "fork" else _FAIL_RATE
        if kind not in _FAILING or self.random.random() >= rate:
            return None
        function, inside = _FAILING[kind]
        return Fail(function, 1 if inside else self.random.choice((1, 1, 1, 2)), inside)

    def call(self, kind: str, task: str) -> Call:
        draw, places = self.random, self.places
        match kind:
            case "mmap":
                return self.mmap(*places.source(), None)
            case "mmap anon":
                return self.mmap(Span(ANON, 0, draw.choice((1, 2, 4, 16, _ANON_PAGES))), "anon", None)
            case "mmap over":
                return self.over()
            case "mmap driver":
                return self.driver_mmap()
            case "mremap":
                return self.mremap(places.span(places.area()))
            case "mremap to":
                return self.mremap_to(places.span(places.area()))
            case "fork" if len(self.tasks) < _MOST_TASKS:
                return Fork(f"t{self.born + 1}")
            case "exit" | "kill":
                return Exit() if kind == "exit" else Kill()
            case "exec":
                return Exec()
            case "request_mem_region" if (claimed := places.claimed(self.rare)) is not None:
                return RequestMemRegion(claimed)
        plain = _PLAIN.get(kind)
        return plain() if plain is not None else self.ranged(kind)

    def ranged(self, kind: str) -> Call:
        """An operation on one range, munmap where *kind* cannot be."""
        draw, places = self.random, self.places
        name = places.area(self.filled if kind in _ON_FILLED else ())
        match kind:
            case "mprotect":
                return Mprotect(places.span(name), draw.choice(_PROTS))
            case "madvise":
                advice = draw.choice(_COMMON_ADVICE if draw.random() < 0.5 else list(ADVICE))
                return Madvise(places.span(name), advice)
            case "read":
                return Read(places.page(name, again=True))
            case "write":
                return Write(places.page(name, again=True), draw.randrange(1, 100))
            case "process_vm_readv":
                return ProcessVmReadv(places.page(name))
            case "mincore":
                return Mincore(places.span(name, _MINCORE_PAGES))
            case "remap_pfn_range":
                return RemapPfnRange(places.span(name), draw.choice(_MODES))
            case "unmap_mapping_range":
                return UnmapMappingRange(places.bar_span(), draw.random() < 0.5)
            case "ioremap":
                modes: tuple[IoremapMode, ...] = get_args(IoremapMode)
                return Ioremap(places.bar_span(), draw.choice(modes))
        return _RANGED.get(kind, Munmap)(places.span(name))

    def mmap(self, source: Span, via: str, over: Span | None) -> Mmap:
        draw = self.random
        prot = draw.choice(_PROTS)
        if "x" in prot and via in _NOEXEC and draw.random() < 0.8:
            prot = "rw"
        return Mmap(
            self.places.free_area() if over is None else None,
            source,
            via,  # type: ignore[arg-type]
            source.name != ANON and draw.random() < 0.6,
            prot,
            populate=draw.random() < 0.05,
            locked=draw.random() < 0.05,
            over=over,
        )

    def over(self) -> Mmap:
        """A mapping over what is mapped, or over a part of it."""
        over = self.places.span(self.places.area())
        if self.random.random() < 0.15:
            pages = min(over.pages, _ANON_PAGES)
            return self.mmap(Span(ANON, 0, pages), "anon", Span(over.name, over.start, over.start + pages))
        source, via = self.places.source(over.pages)
        return self.mmap(source, via, Span(over.name, over.start, over.start + source.pages))

    def driver_mmap(self) -> Mmap:
        draw = self.random
        how = draw.choice(_HOWS)
        source = self.places.bar_span(_RAM_PAGES if how == "ram" else None)
        part = None
        if how == "part":
            first = draw.randrange(source.pages)
            part = (first, draw.randrange(first + 1, source.pages + 1))
        if how == "halves" and source.pages < 2:
            how = "remap"
        shared = how in _SHARED_ONLY or draw.random() < 0.55
        driver = DriverMap(how, draw.choice(_MODES), part)
        return Mmap(self.places.free_area(), source, "driver", shared, draw.choice(_PROTS), driver=driver)

    def mremap(self, span: Span) -> Mremap:
        """Shrink, grow or stay; move only if there is no room."""
        draw = self.random
        pages = max(1, draw.choice((span.pages, span.pages // 2, span.pages - 1, 1, span.pages + 2)))
        dontunmap = draw.random() < 0.1
        return Mremap(span, pages, maymove=dontunmap or draw.random() < 0.4, dontunmap=dontunmap)

    def mremap_to(self, span: Span) -> Mremap:
        """Move to the start of an area, or over what is mapped in one."""
        draw, places = self.random, self.places
        pages = max(1, draw.choice((span.pages, span.pages, span.pages, span.pages // 2, span.pages + 1)))
        if draw.random() < 0.08:
            span = Span(span.name, span.start, span.start)
        dontunmap = draw.random() < 0.1
        if draw.random() < 0.5:
            return Mremap(span, pages, maymove=True, fixed=True, dontunmap=dontunmap, name=places.free_area())
        over = places.destination(places.area(), pages)
        return Mremap(span, over.pages, maymove=True, fixed=True, dontunmap=dontunmap, over=over)

    def schedule(self) -> None:
        """A thread, one operation that is held, up to three by the others meanwhile, and the release."""
        draw = self.random
        while len(self.tasks) > 2:
            self.add(Op(Exit(), self.tasks[-1]))
        task = self.tasks[0]
        self.add(Op(Thread(f"t{self.born + 1}"), task))
        kinds = [kind for kind in self.weights if kind not in _NEVER_HELD]
        held = Op(self.call(draw.choice(kinds), task), task)
        hold = Hold(draw.choice(HOLD_FUNCTIONS), draw.choice((1, 1, 1, 2)), draw.random() < 0.2)
        self.add(msgspec.structs.replace(held, hold=hold))
        for _ in range(draw.randrange(1, 4)):
            other = draw.choice([one for one in self.tasks if one != task])
            self.add(Op(self.call(draw.choice(kinds), other), other))
        self.add(Op(Release()))


#: Kinds that end tasks or make them, which has no place in the middle of a schedule.
_NEVER_HELD = frozenset({"exit", "kill", "exec", "fork", "look"})

#: Kinds that are not repeated: a task ends once, and each has a name of its own; a release needs its hold.
_ONCE = frozenset({"exit", "kill", "fork", "thread", "release"})

#: Kinds that end a task, or what it has.
_ENDS = frozenset({"exit", "kill", "exec"})

#: What a driver does to mappings of its own.
_ON_FILLED = frozenset({"zap_vma_ptes", "remap_pfn_range"})

_PLAIN: dict[str, type[Mlockall | Look | ReadMemtypeList | ReleaseMemRegion | Iounmap]] = {
    "mlockall": Mlockall,
    "look": Look,
    "memtype_list": ReadMemtypeList,
    "release_mem_region": ReleaseMemRegion,
    "iounmap": Iounmap,
}

_RANGED: dict[str, type[Munmap | Mlock | Munlock | Msync | Mseal | ZapVmaPtes]] = {
    "munmap": Munmap,
    "mlock": Mlock,
    "munlock": Munlock,
    "msync": Msync,
    "mseal": Mseal,
    "zap_vma_ptes": ZapVmaPtes,
}
