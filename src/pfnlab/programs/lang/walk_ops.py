"""Operations that access a mapping other than through the task's own loads and stores (S7)."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from pfnlab.programs.lang.fields import Row, Shape, Word
from pfnlab.programs.lang.span import OnPages, Span

#: Ways to access a page without the processor doing so itself (S7): the kernel reads or
#: writes it for the task.
Walker = Literal[
    "mem_read",
    "mem_write",
    "process_vm_writev",
    "pipe_write",
    "vmsplice",
    "futex_wake",
    "move_pages",
    "pagemap",
    "pagemap_scan",
    "numa_maps",
    "smaps",
    "smaps_rollup",
    "userfaultfd",
]

#: Walkers that report entries without accessing any page.
LOOKING_WALKERS: tuple[Walker, ...] = ("pagemap", "pagemap_scan", "numa_maps", "smaps", "smaps_rollup")

#: Walkers that store a value, and walkers that take a range; all others take one page.
STORING_WALKERS: tuple[Walker, ...] = ("mem_write", "process_vm_writev")
RANGE_WALKERS: tuple[Walker, ...] = ("move_pages", *LOOKING_WALKERS, "userfaultfd")

#: Walkers that take any number of bytes.
BYTE_WALKERS: tuple[Walker, ...] = ("mem_read", "mem_write", "process_vm_writev")

#: The nodes to which move_pages can move pages; guests have only one.
Node = Literal["node0"]

#: The bits that clear_refs clears, and the number to write for each.
CLEARED_REFS: dict[str, int] = {"all": 1, "anon": 2, "mapped": 3, "soft_dirty": 4, "peak": 5}
_REFS = Word(
    CLEARED_REFS, "kind of references", "soft_dirty", plainer=("peak", "mapped", "anon", "all", "soft_dirty")
)

#: The largest number of bytes that one operation moves.
MAX_BYTES_MOVED = 16384


class ByteRange(msgspec.Struct, frozen=True):
    """A run of bytes that starts in the first page, and may end in a later page, which is not named.

    :param offset: the distance in bytes from the start of the page
    """

    offset: int
    length: int


class Walk(msgspec.Struct, frozen=True, tag="walk"):
    """The kernel accesses the task's pages ``span`` in a way in which the task itself does not.

    :param value: for :data:`STORING_WALKERS`: the 32 bits to store, or the first of several ascending bytes
    :param bytes: for :data:`BYTE_WALKERS`; None for the first 32 bits of the page
    :param node: for ``move_pages``: the node to move to; None to ask where the pages are
    """

    walker: Walker
    span: Span
    value: int | None = None
    bytes: ByteRange | None = None
    node: Node | None = None


class Status(msgspec.Struct, frozen=True, tag="status"):
    """The task reads VmLck and VmPin from its /proc/PID/status."""

    row: ClassVar = Row((), "walk status 0 0", "", weight=0.5, seen=True)


class ClearRefs(msgspec.Struct, frozen=True, tag="clear_refs"):
    """The task writes the number for ``kind``, a key of :data:`CLEARED_REFS`, to its /proc/PID/clear_refs."""

    row: ClassVar = Row((_REFS,), "clear-refs", "S7.7", weight=2)

    kind: str


class Mincore(OnPages, frozen=True, tag="mincore"):
    """mincore(2); its value has one digit per page."""

    row: ClassVar = Row(
        (Shape.RANGE,), "mincore", "S7.5", weight=2, seen=True, traced="mincore", c="in_core({at}, {pages})"
    )


class ProcessVmReadv(OnPages, frozen=True, tag="process_vm_readv"):
    """The task reads its own page ``span.start`` with process_vm_readv(2).

    :param bytes: the bytes to read and report; None to read some bytes at the start of the
        page without reporting them
    """

    bytes: ByteRange | None = None
