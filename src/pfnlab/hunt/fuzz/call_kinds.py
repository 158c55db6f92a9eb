"""The kinds of operation, their names, and the sequences in which they often occur."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple, get_args

import msgspec

from pfnlab.base.toml_text import package_tables
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.device_ops import DriverCall, SlotCall, VfioCall
from pfnlab.programs.lang.fields import Shape
from pfnlab.programs.lang.ops import Call, Fork, Mmap, Mremap, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import BY_WORD, NO_DEVICE, ROWS, word_of


class CallKind(NamedTuple):
    """A kind of operation that random programs may contain.

    :param seen: whether all its effects are visible in the state and the result
    """

    weight: float
    seen: bool


class _KindTables(msgspec.Struct, forbid_unknown_fields=True):
    """The tables of ``call_kinds.toml``; each is described there."""

    order: tuple[str, ...]
    by_hand: dict[str, CallKind]
    plans: dict[str, tuple[tuple[str, ...], ...]]
    after_leaf: dict[str, float]
    plainer: dict[str, tuple[str, ...]]
    flags: dict[str, bool]
    vfio_locked: tuple[str, ...]


#: The tables of all kinds that can be drawn.
TABLES = package_tables(__package__, "call_kinds.toml", _KindTables)

#: All kinds that can be drawn.
_KNOWN = {
    **TABLES.by_hand,
    **{word_of(kind): CallKind(row.weight, row.seen) for kind, row in ROWS.items() if row.weight},
}


def _in_order(names: Iterable[str], without: Collection[str] = ()) -> dict[str, CallKind]:
    """The drawable kinds among *names*, except those in *without*."""
    places = {name: place for place, name in enumerate(TABLES.order)}
    drawn = [name for name in names if name in _KNOWN and name not in without]
    return {name: _KNOWN[name] for name in sorted(drawn, key=lambda name: places.get(name, len(places)))}


#: Kinds that need the guest driver, if a program may use it.
DRIVER_KINDS = _in_order(("mmap driver", *map(word_of, get_args(DriverCall))))

#: Kinds that need a device that can be reset and put to sleep, which takes a separate, slower guest booted
#: for the purpose.
RESET_KINDS = _in_order(("vfio_reset", "d3", "d0"))

#: Kinds that need a device opened through vfio-pci; a program uses either these or the driver's.
VFIO_KINDS = _in_order(("mmap vfio", *map(word_of, get_args(VfioCall))), RESET_KINDS)

#: Kinds that remove or add a device; they need a separate guest and a program with one device.
_SLOT_KINDS = _in_order(map(word_of, get_args(SlotCall)))

#: Driver kinds that such a program omits, because there is no rule for claiming a device that comes and goes.
_NO_SLOT = frozenset({"request_mem_region", "release_mem_region"})

#: The kinds available to every process.
_USER_KINDS = _in_order(_KNOWN, {*DRIVER_KINDS, *VFIO_KINDS, *RESET_KINDS, *_SLOT_KINDS})

#: All kinds by name.
KINDS = _USER_KINDS | DRIVER_KINDS | VFIO_KINDS | RESET_KINDS | _SLOT_KINDS

#: Kinds that concern no particular area: in pairs, they follow and precede the kinds in every area. A release
#: resumes an earlier operation.
EVERYWHERE = frozenset(
    word
    for word, kind in BY_WORD.items()
    if word != "release" and not any(field in (Shape.RANGE, Shape.ACCESS) for field in ROWS[kind].fields[:1])
)

EVERYWHERE |= {"fork", "fork refused", "unmap_mapping_range"}

#: The suffix of a kind in :data:`PLANS` that acts on all pages ever mapped in the area, including holes.
ALL = " all"

#: Kinds that often follow each other in realistic programs, and kinds that follow the creation of a leaf,
#: with weights.
PLANS, AFTER_LEAF = TABLES.plans, TABLES.after_leaf

#: Plainer words for fields that declare none, and the plainer value of each flag.
PLAINER, FLAGS = TABLES.plainer, TABLES.flags

#: Kinds that are not drawn in the middle of a schedule, e.g. those that end or create tasks.
NEVER_HELD = frozenset({"exit", "kill", "exec", "fork", "fork refused", "look"})

#: Kinds that are not repeated: a task ends once and has a unique name, a release needs its hold, and a slot
#: is full or empty.
ONCE = frozenset(
    {"exit", "kill", "process_madvise", "fork", "fork refused", "thread", "release", *_SLOT_KINDS}
)

#: Kinds that end a task or remove its mappings.
ENDS = frozenset({"exit", "kill", "exec"})


class Vocabulary(msgspec.Struct, frozen=True):
    """The operations that programs may contain in addition to those of every process.

    :param driver: operations of the guest driver
    :param schedules: threads, and operations that are held
    :param vfio: devices opened through vfio-pci
    :param slots: devices that are removed and added
    :param leaves: give every program a device large enough for leaves, and a mapping with some
    :param fixed: give every program a device at a fixed address, ``isa`` or ``top``
    :param failures: make a quarter of the operations that may allocate fail
    :param neighbours: in every program, map next to other mappings, and draw ranges at their borders
    """

    driver: bool = False
    schedules: bool = False
    vfio: bool = False
    slots: bool = False
    leaves: bool = False
    fixed: bool = False
    failures: bool = False
    neighbours: bool = False

    @property
    def has_leaves(self) -> bool:
        """True if any program may have leaves, which only driver and vfio-pci mappings have."""
        return self.driver or self.vfio

    @property
    def kinds(self) -> dict[str, float]:
        """The kinds of operations and their weights."""
        driver = DRIVER_KINDS if self.driver else {}
        vfio = VFIO_KINDS | RESET_KINDS if self.vfio else {}
        # When the device moves, the guest driver keeps the first address reserved and unused.
        slot = {
            name: kind
            for name, kind in _SLOT_KINDS.items()
            if self.slots and (self.driver or name != "rescan_moved")
        }
        return {name: kind.weight for name, kind in (_USER_KINDS | driver | vfio | slot).items()}

    def kinds_of(self, *, vfio: bool, slot: bool, resets: bool) -> dict[str, float]:
        """The kinds for one program, whose guest has the driver or vfio-pci and may have a slot.

        :param vfio: whether the program has a device opened through vfio-pci
        :param slot: whether its device is removed and added
        :param resets: whether its device can be reset and put to sleep
        """
        excluded = set(DRIVER_KINDS if vfio else VFIO_KINDS) | (_NO_SLOT if slot else set(_SLOT_KINDS))
        if not (vfio and resets):
            excluded |= set(RESET_KINDS)
        return {kind: weight for kind, weight in self.kinds.items() if kind not in excluded}


def kind_of(call: Call) -> str:
    """The kind of an operation, named as in pairs and weights."""
    if isinstance(call, Mmap):
        if call.over is not None:
            return "mmap over"
        if call.driver is not None:
            return "mmap driver"
        if call.via == "vfio":
            return "mmap vfio"
        return f"mmap {call.source.name}" if call.source.name in NO_DEVICE else "mmap"
    if isinstance(call, Mremap):
        if call.span.name == VVAR:
            return "mremap vvar"
        return "mremap to" if call.fixed else "mremap"
    if isinstance(call, Fork) and call.refused is not None:
        return "fork refused"
    return word_of(type(call))


def areas_of(call: Call) -> tuple[str, ...]:
    """The areas that an operation refers to."""
    names = [getattr(call, "name", None) if isinstance(call, (Mmap, Mremap)) else None]
    for field in ("span", "over"):
        span = getattr(call, field, None)
        if isinstance(span, Span) and kind_of(call) not in EVERYWHERE:
            names.append(span.name)
    return tuple(dict.fromkeys(name for name in names if name not in (None, VVAR)))


class AreaKinds:
    """The last two kinds in each area of a program.

    :ivar last: these kinds by area, e.g. ``mmap > fork``
    """

    def __init__(self) -> None:
        self.last: dict[str, str] = {}

    def areas(self, call: Call) -> tuple[str, ...]:
        """The areas that *call* concerns if it comes next."""
        return tuple(self.last) if kind_of(call) in EVERYWHERE else areas_of(call)

    def add(self, call: Call) -> list[tuple[str, ...]]:
        """Record *call*; return the pair and the triple that it forms with the kinds before it, by area."""
        kind, found = kind_of(call), []
        for name in self.areas(call):
            before = self.last.get(name, "")
            if before:
                found.append(tuple(rows_of(before, kind)))
            self.last[name] = f"{before.rpartition(' > ')[2]} > {kind}" if before else kind
        return found


def pairs_of(program: Program) -> set[str]:
    """Every pair of consecutive kinds in one area, e.g. ``munmap > mremap``."""
    kinds = AreaKinds()
    return {pair for op in program.ops for pair, *_ in kinds.add(op.call)}


def rows_of(before: str, kind: str) -> Iterator[str]:
    """The pair and the triple that *kind* forms with the kinds before it.

    :param before: one or two kinds, e.g. ``mmap > fork``
    """
    yield f"{before.rpartition(' > ')[2]} > {kind}"
    if " > " in before:
        yield f"{before} > {kind}"
