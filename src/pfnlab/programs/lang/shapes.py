"""The table of operations: how each is read, printed, checked and sent, by the types of its fields.

Parser, printer, checks, the requests to the guest agent, the fuzzer and the grammars take the operations from
here. The effect of an operation is in ``programs/model/dispatch.py``. The operations with a form of their own
are :data:`ByHand`.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple, TypeGuard

from pfnlab.programs.lang.device_ops import (
    D0,
    D3,
    DRIVER_MODE_NUMBERS,
    IOREMAP_NUMBERS,
    MEMREMAP_NUMBERS,
    SET_MEMORY_NUMBERS,
    ArchIoFreeMemtypeWc,
    ArchIoReserveMemtypeWc,
    ArchPhysWcAdd,
    Bind,
    IoMappingCreateWc,
    IoMappingFree,
    Ioremap,
    Iounmap,
    MemoryDisable,
    MemoryEnable,
    Memremap,
    MemremapPages,
    Memunmap,
    MemunmapPages,
    Plug,
    ReleaseMemRegion,
    RemapPfnRange,
    Remove,
    RequestMemRegion,
    Rescan,
    RescanMoved,
    SetMemory,
    SetPagesArray,
    Unbind,
    UnmapMappingRange,
    Unplug,
    VfioClose,
    VfioReset,
    ZapVmaPtes,
)
from pfnlab.programs.lang.ops import (
    ADVICE,
    LIMITS,
    POLICIES,
    Call,
    Exec,
    Exit,
    Fork,
    Kill,
    Look,
    Madvise,
    Mbind,
    Mlock,
    Mlockall,
    Mmap,
    Mprotect,
    Mremap,
    Mseal,
    Msync,
    Munlock,
    Munlockall,
    Munmap,
    PkeyMprotect,
    ProcessMadvise,
    ProcessMrelease,
    Read,
    ReadMemtypeList,
    Release,
    RemapFilePages,
    Setrlimit,
    Thread,
    Write,
)
from pfnlab.programs.lang.walk_ops import (
    CLEARED_REFS,
    ClearRefs,
    Mincore,
    ProcessVmReadv,
    Status,
    Walk,
)


class Shape(Enum):
    """A field that is written alike in every operation that has one."""

    #: Pages of an area, which may be named as a whole: ``munmap a``.
    RANGE = auto()
    #: A page of an area that is accessed: ``read a[0]``.
    ACCESS = auto()
    #: Pages of a device.
    DEVICE_PAGES = auto()
    #: Pages of a device, or of the driver's own memory.
    MEMORY = auto()
    #: Pages of the driver's own memory.
    OWN_PAGES = auto()
    #: Whole sections of a pci device.
    SECTIONS = auto()
    #: A device by its name.
    DEVICE = auto()
    #: ``none`` or letters of ``rwx``.
    PROT = auto()
    #: 32 bits that are stored.
    VALUE = auto()
    #: Pages that a process may have more than it has: ``+16 pages``, or ``unlimited``.
    ROOM = auto()
    #: A task that lives here.
    TASK = auto()
    #: A task of the program, which may have ended.
    ANY_TASK = auto()
    #: A task whose processor is held, which is left out where it is the only one.
    HELD = auto()


class Word(NamedTuple):
    """A field that is one word of several.

    :param numbers: each word with its number for the guest agent, in the order in which messages list them
    :param says: its name in messages
    :param example: one of the words
    :param default: the word that is meant where none is written; None where one must be
    """

    numbers: dict[str, int]
    says: str
    example: str
    default: str | None = None


class Ending(NamedTuple):
    """A field that is the end of the verb: ``set_memory_wc``.

    :param numbers: as those of :class:`Word`
    """

    numbers: dict[str, int]


class Flag(NamedTuple):
    """A field that is true where its word is written."""

    word: str


Field = Shape | Word | Ending | Flag


class Row(NamedTuple):
    """An operation: its fields, and its words in other languages.

    :param fields: the types of its fields, in their order
    :param wire: its verb in the protocol of the guest agent (``lab/guest/PROTOCOL.md``)
    :param rules: the steps of ``docs/semantics`` that say what it does; empty where none stands for it alone
    """

    fields: tuple[Field, ...]
    wire: str
    rules: str


#: The mode a driver puts into vm_page_prot, which may be left as it is.
_PROT_MODE = Word(DRIVER_MODE_NUMBERS, "cache mode", "wc", "asis")

ROWS: dict[type[Call], Row] = {
    Mprotect: Row((Shape.RANGE, Shape.PROT), "mprotect", "S5.10"),
    PkeyMprotect: Row((Shape.RANGE, Shape.PROT, Flag("keyed")), "pkey-mprotect", "S5.13"),
    Madvise: Row((Shape.RANGE, Word(ADVICE, "advice", "dontfork")), "madvise", "S5.9"),
    ProcessMadvise: Row(
        (Shape.RANGE, Word(ADVICE, "advice", "cold"), Shape.TASK), "process-madvise", "S5.15"
    ),
    Mbind: Row((Shape.RANGE, Word(POLICIES, "policy", "bind"), Flag("move")), "mbind", "S5.12"),
    Write: Row((Shape.ACCESS, Shape.VALUE), "store", "S6.2 S6.4"),
    RemapPfnRange: Row((Shape.RANGE, _PROT_MODE), "driver remap", "S4.6"),
    Munmap: Row((Shape.RANGE,), "munmap", "S8.2"),
    Mlock: Row((Shape.RANGE,), "mlock", "S5.10"),
    Munlock: Row((Shape.RANGE,), "munlock", "S5.10"),
    Msync: Row((Shape.RANGE,), "msync", "S5.10"),
    Mseal: Row((Shape.RANGE,), "mseal", "S5.10"),
    Read: Row((Shape.ACCESS,), "load", "S6.2"),
    Mincore: Row((Shape.RANGE,), "mincore", "S7.5"),
    ZapVmaPtes: Row((Shape.RANGE,), "driver zap", "S6.7"),
    RequestMemRegion: Row((Shape.DEVICE_PAGES,), "driver claim", "S9.9"),
    MemremapPages: Row((Shape.SECTIONS, Flag("p2pdma")), "driver memremap-pages", "S4.9"),
    Ioremap: Row((Shape.MEMORY, Word(IOREMAP_NUMBERS, "cache mode", "wc")), "driver ioremap", "S9.6"),
    Memremap: Row((Shape.MEMORY, Word(MEMREMAP_NUMBERS, "cache mode", "wc")), "driver memremap", "S9.7"),
    IoMappingCreateWc: Row((Shape.MEMORY,), "driver io-mapping", "S4.10"),
    ArchIoReserveMemtypeWc: Row((Shape.MEMORY,), "driver reserve-wc", "S9.8"),
    ArchIoFreeMemtypeWc: Row((Shape.MEMORY,), "driver free-wc", "S9.8"),
    ArchPhysWcAdd: Row((Shape.MEMORY,), "driver phys-wc-add", "S9.8"),
    SetMemory: Row((Shape.OWN_PAGES, Ending(SET_MEMORY_NUMBERS)), "driver set-memory", "S2.9"),
    SetPagesArray: Row((Shape.OWN_PAGES, Ending(SET_MEMORY_NUMBERS)), "driver set-pages", "S2.9"),
    MemoryDisable: Row((Shape.DEVICE,), "memory 0", "S9.4"),
    MemoryEnable: Row((Shape.DEVICE,), "memory 1", "S9.4"),
    VfioReset: Row((Shape.DEVICE,), "vfio-reset", "S9.4"),
    D3: Row((Shape.DEVICE,), "power 3", "S9.4"),
    D0: Row((Shape.DEVICE,), "power 0", "S9.4"),
    VfioClose: Row((Shape.DEVICE,), "vfio-close", "S9.4"),
    Bind: Row((Shape.DEVICE,), "bind", "S9.9"),
    Unbind: Row((Shape.DEVICE,), "unbind", "S9.9"),
    Remove: Row((Shape.DEVICE,), "remove", "S9.9"),
    Rescan: Row((Shape.DEVICE,), "rescan", "S9.9"),
    RescanMoved: Row((Shape.DEVICE,), "rescan-moved", "S9.9"),
    Unplug: Row((Shape.DEVICE,), "slot 0", "S9.9"),
    Plug: Row((Shape.DEVICE,), "slot 1", "S9.9"),
    Mlockall: Row((), "mlockall", "S5.10"),
    Munlockall: Row((), "munlockall", "S5.10"),
    Exec: Row((), "exec", "S8.2.9"),
    Exit: Row((), "exit", "S8.2.8"),
    Kill: Row((), "kill", "S8.2.8"),
    Look: Row((), "nop", ""),
    ReleaseMemRegion: Row((), "driver release", "S9.9"),
    Iounmap: Row((), "driver iounmap 0", "S9.6"),
    Memunmap: Row((), "driver memunmap 0", "S9.7"),
    IoMappingFree: Row((), "driver io-mapping-free 0", "S4.10"),
    MemunmapPages: Row((), "driver memunmap-pages 0", "S4.9"),
    ReadMemtypeList: Row((), "memtypes", ""),
    Release: Row((Shape.HELD,), "nop", "S8.5"),
    ClearRefs: Row((Word(CLEARED_REFS, "kind of references", "soft_dirty"),), "clear-refs", "S7.7"),
    Setrlimit: Row((Word(LIMITS, "limit", "as"), Shape.ROOM), "setrlimit", "S5.14"),
    ProcessMrelease: Row((Shape.ANY_TASK, Flag("killed")), "process-mrelease", "S8.4"),
    Status: Row((), "walk status 0 0", ""),
}

#: The operations whose lines have a form of their own: they name something new, or one field depends on
#: another.
ByHand = Mmap | Mremap | Fork | Thread | Walk | ProcessVmReadv | RemapFilePages | UnmapMappingRange


def is_by_hand(call: Call) -> TypeGuard[ByHand]:
    """True where *call* is none of the table."""
    return type(call) not in ROWS


def word_of(kind: type[Call]) -> str:
    """The word of an operation, which is its tag in the JSON form too."""
    return str(kind.__struct_config__.tag)


def verbs_of(kind: type[Call]) -> tuple[str, ...]:
    """The verbs of an operation of the table: its word, or one for each ending."""
    word = word_of(kind)
    for field in ROWS[kind].fields:
        if isinstance(field, Ending):
            return tuple(f"{word}_{ending}" for ending in field.numbers)
    return (word,)


#: The operations of the table by their words, and by their verbs.
BY_WORD: dict[str, type[Call]] = {word_of(kind): kind for kind in ROWS}
BY_VERB: dict[str, type[Call]] = {verb: kind for kind in ROWS for verb in verbs_of(kind)}


def verbs_on(*shapes: Shape, more: bool | None = None) -> tuple[str, ...]:
    """The verbs of the operations whose first field is one of *shapes*, in the table's order.

    :param more: only those that have other fields too, or only those that have none
    """
    return tuple(
        verb
        for kind, row in ROWS.items()
        if row.fields and row.fields[0] in shapes and more in (None, len(row.fields) > 1)
        for verb in verbs_of(kind)
    )
