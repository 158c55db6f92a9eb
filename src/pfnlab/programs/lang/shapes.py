"""The operations with at most one argument: one row each, for reading, printing and sending them.

Parser, printer, checks and the requests to the guest agent take these operations from here. The effect of an
operation is in ``programs/model/dispatch.py``.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from pfnlab.programs.lang.device_ops import (
    D0,
    D3,
    ArchIoFreeMemtypeWc,
    ArchIoReserveMemtypeWc,
    ArchPhysWcAdd,
    Bind,
    IoMappingCreateWc,
    IoMappingFree,
    Iounmap,
    MemoryDisable,
    MemoryEnable,
    Memunmap,
    MemunmapPages,
    Plug,
    ReleaseMemRegion,
    Remove,
    RequestMemRegion,
    Rescan,
    RescanMoved,
    Unbind,
    Unplug,
    VfioClose,
    VfioReset,
    ZapVmaPtes,
)
from pfnlab.programs.lang.ops import (
    Call,
    Exec,
    Exit,
    Kill,
    Look,
    Mlock,
    Mlockall,
    Mseal,
    Msync,
    Munlock,
    Munlockall,
    Munmap,
    Read,
    ReadMemtypeList,
    Release,
)
from pfnlab.programs.lang.walk_ops import Mincore, Status


class Shape(Enum):
    """The argument of an operation."""

    PLAIN = auto()
    #: Pages of an area, which may be named as a whole: ``munmap a``.
    RANGE = auto()
    #: Pages of an area that are accessed from the first one on: ``read a[0]``.
    ACCESS = auto()
    #: Pages of a device.
    DEVICE_PAGES = auto()
    #: Pages of a device, or of the driver's own memory.
    MEMORY = auto()
    #: A device by its name.
    DEVICE = auto()


class Simple(NamedTuple):
    """An operation with at most one argument.

    :param wire: its verb in the protocol of the guest agent (``lab/guest/PROTOCOL.md``)
    """

    shape: Shape
    wire: str


SIMPLE: dict[type[Call], Simple] = {
    Munmap: Simple(Shape.RANGE, "munmap"),
    Mlock: Simple(Shape.RANGE, "mlock"),
    Munlock: Simple(Shape.RANGE, "munlock"),
    Msync: Simple(Shape.RANGE, "msync"),
    Mseal: Simple(Shape.RANGE, "mseal"),
    Read: Simple(Shape.ACCESS, "load"),
    Mincore: Simple(Shape.RANGE, "mincore"),
    ZapVmaPtes: Simple(Shape.RANGE, "driver zap"),
    RequestMemRegion: Simple(Shape.DEVICE_PAGES, "driver claim"),
    IoMappingCreateWc: Simple(Shape.MEMORY, "driver io-mapping"),
    ArchIoReserveMemtypeWc: Simple(Shape.MEMORY, "driver reserve-wc"),
    ArchIoFreeMemtypeWc: Simple(Shape.MEMORY, "driver free-wc"),
    ArchPhysWcAdd: Simple(Shape.MEMORY, "driver phys-wc-add"),
    MemoryDisable: Simple(Shape.DEVICE, "memory 0"),
    MemoryEnable: Simple(Shape.DEVICE, "memory 1"),
    VfioReset: Simple(Shape.DEVICE, "vfio-reset"),
    D3: Simple(Shape.DEVICE, "power 3"),
    D0: Simple(Shape.DEVICE, "power 0"),
    VfioClose: Simple(Shape.DEVICE, "vfio-close"),
    Bind: Simple(Shape.DEVICE, "bind"),
    Unbind: Simple(Shape.DEVICE, "unbind"),
    Remove: Simple(Shape.DEVICE, "remove"),
    Rescan: Simple(Shape.DEVICE, "rescan"),
    RescanMoved: Simple(Shape.DEVICE, "rescan-moved"),
    Unplug: Simple(Shape.DEVICE, "slot 0"),
    Plug: Simple(Shape.DEVICE, "slot 1"),
    Mlockall: Simple(Shape.PLAIN, "mlockall"),
    Munlockall: Simple(Shape.PLAIN, "munlockall"),
    Exec: Simple(Shape.PLAIN, "exec"),
    Exit: Simple(Shape.PLAIN, "exit"),
    Kill: Simple(Shape.PLAIN, "kill"),
    Look: Simple(Shape.PLAIN, "nop"),
    ReleaseMemRegion: Simple(Shape.PLAIN, "driver release"),
    Iounmap: Simple(Shape.PLAIN, "driver iounmap 0"),
    Memunmap: Simple(Shape.PLAIN, "driver memunmap 0"),
    IoMappingFree: Simple(Shape.PLAIN, "driver io-mapping-free 0"),
    MemunmapPages: Simple(Shape.PLAIN, "driver memunmap-pages 0"),
    ReadMemtypeList: Simple(Shape.PLAIN, "memtypes"),
    Release: Simple(Shape.PLAIN, "nop"),
    Status: Simple(Shape.PLAIN, "walk status 0 0"),
}


def word_of(kind: type[Call]) -> str:
    """The word of an operation, which is its tag in the JSON form too."""
    return str(kind.__struct_config__.tag)


#: The simple operations by their words.
BY_WORD: dict[str, type[Call]] = {word_of(kind): kind for kind in SIMPLE}


def words_of(*shapes: Shape) -> tuple[str, ...]:
    """The words of the simple operations of these shapes, in the table's order."""
    return tuple(word_of(kind) for kind, row in SIMPLE.items() if row.shape in shapes)
