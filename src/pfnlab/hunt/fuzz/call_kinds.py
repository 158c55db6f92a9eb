"""The kinds of operations, their names, and the order in which they often follow each other."""

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
    """A kind of operation, as programs draw it.

    :param seen: it does nothing but what the state shows, and returns
    """

    weight: float
    seen: bool


class _KindTables(msgspec.Struct, forbid_unknown_fields=True):
    """``call_kinds.toml``, which says what each table means."""

    order: tuple[str, ...]
    by_hand: dict[str, CallKind]
    plans: dict[str, tuple[tuple[str, ...], ...]]
    after_leaf: dict[str, float]
    allocating: dict[str, frozenset[str]]
    plainer: dict[str, tuple[str, ...]]
    flags: dict[str, bool]
    functions: dict[str, tuple[str, ...]]
    places: dict[str, tuple[str, ...]]
    vfio_locked: tuple[str, ...]


#: The tables of all that is drawn.
TABLES = package_tables(__package__, "call_kinds.toml", _KindTables)

#: All kinds that are drawn.
_KNOWN = {
    **TABLES.by_hand,
    **{word_of(kind): CallKind(row.weight, row.seen) for kind, row in ROWS.items() if row.weight},
}


def _in_order(names: Iterable[str], without: Collection[str] = ()) -> dict[str, CallKind]:
    """The kinds of these names that are drawn, but those of *without*."""
    places = {name: place for place, name in enumerate(TABLES.order)}
    drawn = [name for name in names if name in _KNOWN and name not in without]
    return {name: _KNOWN[name] for name in sorted(drawn, key=lambda name: places.get(name, len(places)))}


#: Kinds that need the guest driver, where a program may have them.
DRIVER_KINDS = _in_order(("mmap driver", *map(word_of, get_args(DriverCall))))

#: Those that need a device which can be reset and put to sleep: its guest is one of its own, which is booted
#: anew and slower.
RESET_KINDS = _in_order(("vfio_reset", "d3", "d0"))

#: Kinds that need a device opened through vfio-pci; a program has these or those of the driver.
VFIO_KINDS = _in_order(("mmap vfio", *map(word_of, get_args(VfioCall))), RESET_KINDS)

#: Kinds that remove or add a device; they need a guest of their own and a program with one device.
_SLOT_KINDS = _in_order(map(word_of, get_args(SlotCall)))

#: Driver kinds that such a program leaves out: a claim of a device that comes or goes has no rule.
_NO_SLOT = frozenset({"request_mem_region", "release_mem_region"})

#: The kinds of every process.
_USER_KINDS = _in_order(_KNOWN, {*DRIVER_KINDS, *VFIO_KINDS, *RESET_KINDS, *_SLOT_KINDS})

#: All kinds by name.
KINDS = _USER_KINDS | DRIVER_KINDS | VFIO_KINDS | RESET_KINDS | _SLOT_KINDS

#: Kinds that concern no single area: in pairs they follow and precede the kinds of every area. A release goes
#: on with an earlier operation.
EVERYWHERE = frozenset(
    word
    for word, kind in BY_WORD.items()
    if word != "release" and not any(field in (Shape.RANGE, Shape.ACCESS) for field in ROWS[kind].fields[:1])
)

EVERYWHERE |= {"fork", "fork refused", "unmap_mapping_range"}

#: The suffix of a kind in :data:`PLANS`: on all pages ever mapped in the area, holes included.
ALL = " all"

#: Kinds that often follow in realistic programs, and what follows when a leaf was made, with weights.
PLANS, AFTER_LEAF = TABLES.plans, TABLES.after_leaf

#: By function that can be made to fail, the kinds that may call it.
ALLOCATING = TABLES.allocating

#: Simpler words of fields that declare none, and the simpler value of each flag.
PLAINER, FLAGS = TABLES.plainer, TABLES.flags

#: Kinds that are not drawn in the middle of a schedule, such as those that end or make tasks.
NEVER_HELD = frozenset({"exit", "kill", "exec", "fork", "fork refused", "look"})

#: Kinds that are not repeated: a task ends once and has a name of its own, a release needs its hold, and a
#: slot is full or empty.
ONCE = frozenset(
    {"exit", "kill", "process_madvise", "fork", "fork refused", "thread", "release", *_SLOT_KINDS}
)

#: Kinds that end a task or its mappings.
ENDS = frozenset({"exit", "kill", "exec"})


class Vocabulary(msgspec.Struct, frozen=True):
    """The operations that programs may have in addition to those of every process.

    :param driver: operations of the guest driver
    :param schedules: threads, and processors that are held
    :param vfio: devices opened through vfio-pci
    :param slots: devices that come and go
    :param leaves: every program has a device that leaves fit into, and a mapping that has some
    :param fixed: every program has a device at a fixed place, ``isa`` or ``top``
    :param failures: a quarter of the operations that may allocate is made to fail
    """

    driver: bool = False
    schedules: bool = False
    vfio: bool = False
    slots: bool = False
    leaves: bool = False
    fixed: bool = False
    failures: bool = False

    @property
    def has_leaves(self) -> bool:
        """True where any program may have leaves: mappings of the driver and of vfio-pci have."""
        return self.driver or self.vfio

    @property
    def kinds(self) -> dict[str, float]:
        """The kinds of operations and their weights."""
        driver = DRIVER_KINDS if self.driver else {}
        vfio = VFIO_KINDS | RESET_KINDS if self.vfio else {}
        # To move the device, the guest driver keeps its first place for nobody.
        slot = {
            name: kind
            for name, kind in _SLOT_KINDS.items()
            if self.slots and (self.driver or name != "rescan_moved")
        }
        return {name: kind.weight for name, kind in (_USER_KINDS | driver | vfio | slot).items()}

    def kinds_of(self, *, vfio: bool, slot: bool, resets: bool) -> dict[str, float]:
        """The kinds of one program: a guest has the driver or vfio-pci, and perhaps a slot.

        :param vfio: whether it has a device opened through vfio-pci
        :param slot: whether its device comes and goes
        :param resets: whether its device can be reset and put to sleep
        """
        excluded = set(DRIVER_KINDS if vfio else VFIO_KINDS) | (_NO_SLOT if slot else set(_SLOT_KINDS))
        if not (vfio and resets):
            excluded |= set(RESET_KINDS)
        return {kind: weight for kind, weight in self.kinds.items() if kind not in excluded}


def kind_of(call: Call) -> str:
    """The kind of an operation, as pairs and weights name it."""
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
    """The areas an operation names."""
    names = [getattr(call, "name", None) if isinstance(call, (Mmap, Mremap)) else None]
    for field in ("span", "over"):
        span = getattr(call, field, None)
        if isinstance(span, Span) and kind_of(call) not in EVERYWHERE:
            names.append(span.name)
    return tuple(dict.fromkeys(name for name in names if name not in (None, VVAR)))


def pairs_of(program: Program) -> set[str]:
    """Every pair of kinds that follow each other in one area, as ``munmap > mremap``."""
    last: dict[str, str] = {}
    pairs = set()
    for op in program.ops:
        kind = kind_of(op.call)
        names = tuple(last) if kind in EVERYWHERE else areas_of(op.call)
        pairs |= {f"{last[name]} > {kind}" for name in names if name in last}
        last |= dict.fromkeys(names, kind)
    return pairs


def rows_of(before: str, kind: str) -> Iterator[str]:
    """The pair and the triple that *kind* makes with the kinds before it.

    :param before: one or two kinds, ``mmap > fork``
    """
    yield f"{before.rpartition(' > ')[2]} > {kind}"
    if " > " in before:
        yield f"{before} > {kind}"
