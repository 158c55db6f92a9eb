"""The language's words and limits, the table of operations, and suggestions for misspelt words.

Operations with a special form are in :data:`ByHand`; all others have a row, found by word and by verb.
"""

import re
from typing import TypeGuard, get_args

from pfnlab.programs.lang import ops
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.device_ops import DRIVER_RAM, MOVED_BAR, DriverHow, DriverMode, UnmapMappingRange
from pfnlab.programs.lang.fields import Ending, Flag, Row, Shape, Word
from pfnlab.programs.lang.walk_ops import Node, ProcessVmReadv, Walk, Walker

#: The operations that declare a row, in the order of the union type.
ROWS: dict[type[ops.Call], Row] = {kind: kind.row for kind in get_args(ops.Call) if hasattr(kind, "row")}

#: The operations with a special form: they name something new, or one field depends on another.
ByHand = (
    ops.Mmap
    | ops.Mremap
    | ops.Fork
    | ops.Thread
    | Walk
    | ProcessVmReadv
    | ops.RemapFilePages
    | UnmapMappingRange
)


def is_by_hand(call: ops.Call) -> TypeGuard[ByHand]:
    """True if *call* is not in the table."""
    return type(call) not in ROWS


def word_of(kind: type[ops.Call]) -> str:
    """An operation's word, which is also its tag in the JSON form."""
    return str(kind.__struct_config__.tag)


def verbs_of(kind: type[ops.Call]) -> tuple[str, ...]:
    """The verbs of an operation in the table: its word, or one verb per ending."""
    word = word_of(kind)
    for field in ROWS[kind].fields:
        if isinstance(field, Ending):
            return tuple(f"{word}_{ending}" for ending in field.numbers)
    return (word,)


#: The operations in the table, by word and by verb.
BY_WORD: dict[str, type[ops.Call]] = {word_of(kind): kind for kind in ROWS}
BY_VERB: dict[str, type[ops.Call]] = {verb: kind for kind in ROWS for verb in verbs_of(kind)}


def verbs_on(*shapes: Shape, more: bool | None = None) -> tuple[str, ...]:
    """The verbs of operations whose first field is one of *shapes*, in the order of the table.

    :param more: True for only those that have more fields, False for only those that have not; None for both
    """
    return tuple(
        verb
        for kind, row in ROWS.items()
        if row.fields and row.fields[0] in shapes and more in (None, len(row.fields) > 1)
        for verb in verbs_of(kind)
    )


#: The operations that appear in a trace as plain calls, by the names of these calls.
TRACED: dict[str, type[ops.Call]] = {name: kind for kind, row in ROWS.items() for name in row.traced.split()}


def tasks_named(call: ops.Call) -> dict[str, str]:
    """The tasks that an operation in the table names, by field, except held ones."""
    if is_by_hand(call):
        return {}
    fields = zip(call.__struct_fields__, ROWS[type(call)].fields, strict=True)
    return {name: getattr(call, name) for name, field in fields if field in (Shape.TASK, Shape.ANY_TASK)}


#: The version of the language that this pfnlab reads and writes; every program's first line names it.
VERSION = 1
FIRST_LINE = f"pfnlab program {VERSION}"

#: The source of an anonymous mapping, used in place of a device.
ANON: ops.Via = "anon"

#: The source of a perf_event_open(2) mapping: a page for the event, and the pages of its ring buffer.
PERF: ops.Via = "perf"

#: The sources that are not devices: each is its own interface, and its pages are counted from 0.
NO_DEVICE: tuple[ops.Via, ...] = (ANON, PERF)

#: Their names in messages.
KIND_OF_MEMORY = {ANON: "anonymous memory", PERF: "a buffer of perf"}

#: The clock pages, which every process has somewhere until mremap moves them to an area: their number, and a
#: line that moves them.
VVAR_PAGES = 4
VVAR_MOVED = f"`v = mremap {VVAR} {VVAR_PAGES} pages maymove fixed`"

#: The largest number of pages in a perf buffer: fewer than any user may lock.
MAX_PERF_PAGES = 65

NAME = re.compile(r"[a-z][a-z0-9_]{0,11}")
FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: The name of a property, e.g. ``no_leak``.
PROPERTY = re.compile(r"[a-z][a-z0-9_]{0,63}")
#: A series, or one version in it.
KERNEL = re.compile(r"[1-9][0-9]?\.(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,3})|-rc[1-9][0-9]?)?")

MAX_BYTES = 1 << 20
TOO_LARGE = "a program is at most 1 MiB, this is larger: is it the right file?"
MAX_NUMBER = 1 << 40
MAX_PAGES = 1 << 30  # 4 TiB
MAX_LOWMEM_PAGES = 64
MAX_ISA_PAGES = 0x70  # from 0x98000 to 0x107fff
MAX_TOP_PAGES = 1 << 19  # 2 GiB
MAX_VALUE = (1 << 32) - 1
MAX_NTH = 1000
MAX_TASKS = 16
MAX_AREAS = 26
MAX_DEVICES = 16
MAX_OPS = 1000
MAX_EXPECTS = 100
MAX_LEAKED = 64
MAX_TITLE = 3_000  # characters of a title or question; check names a model in one, with each policy
MAX_LINES = 10_000
MAX_LINE = 4000  # characters of a line without its comment

#: Units of size, in bytes.
UNITS: dict[str, int] = {
    "pages": 1 << 12,
    "page": 1 << 12,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}

KINDS: dict[str, ops.DeviceKind] = {kind: kind for kind in get_args(ops.DeviceKind)}
#: The largest number of pages in a device, by kind; for other kinds, only :data:`MAX_PAGES` applies.
MOST_PAGES: dict[ops.DeviceKind, int] = {
    "lowmem": MAX_LOWMEM_PAGES,
    "isa": MAX_ISA_PAGES,
    "top": MAX_TOP_PAGES,
    "limit": MAX_TOP_PAGES,
}
#: The settings of transparent_hugepage.
THP: dict[str, ops.Thp] = {setting: setting for setting in get_args(ops.Thp)}
VIAS: dict[str, ops.Via] = {via: via for via in ops.PCI_VIAS}
SHARING: dict[str, bool] = {"shared": True, "private": False}
PROTS = frozenset({"none", "r", "w", "x", "rw", "rx", "wx", "rwx"})
MODES = ("wb", "wc", "uc-", "uc", "wt", "wp")
#: The guest driver's ways of mapping, and the modes that it can be given.
DRIVER_HOW: dict[str, DriverHow] = {how: how for how in get_args(DriverHow)}
DRIVER_MODES: dict[str, DriverMode] = {mode: mode for mode in get_args(DriverMode)}
#: Other ways to access a page, and reasons to refuse a fork.
WALKERS: dict[str, Walker] = {walker: walker for walker in get_args(Walker)}
NODES: dict[str, Node] = {word: word for word in get_args(Node)}
FORK_WORDS: dict[str, ops.ForkRefusal] = {word: word for word in get_args(ops.ForkRefusal)}
UNMAP_WORDS = ("keep_cows",)
#: A limit that allows any number of pages.
UNLIMITED = "unlimited"
#: Fields that are a single word, present or absent.
FLAGS = tuple(field.word for row in ROWS.values() for field in row.fields if isinstance(field, Flag))
MMAP_WORDS = ("populate", "locked", "over")
MREMAP_WORDS = ("maymove", "fixed", "dontunmap", "over")
HEADERS = ("title", "asks", "thp", "device", "area")

#: Operations without arguments.
PLAIN_VERBS = tuple(verb for kind, row in ROWS.items() if not row.fields for verb in verbs_of(kind))

#: Operations whose arguments start with one of several words.
WORD_VERBS = tuple(
    verb
    for kind, row in ROWS.items()
    if row.fields and isinstance(row.fields[0], Word)
    for verb in verbs_of(kind)
)

#: Operations on a task.
TASK_VERBS = verbs_on(Shape.ANY_TASK)

#: Operations on a task that is held.
HELD_VERBS = verbs_on(Shape.HELD)

#: Operations that create a task, each with an example line.
BIRTHS: dict[str, str] = {"fork": "c = fork", "thread": "t = thread"}

#: All operations, in the order in which messages list them.
VERBS = (
    *("mmap", "mremap"),
    *verbs_on(Shape.RANGE, Shape.ACCESS, more=True),
    *("remap_file_pages", "process_vm_readv", *WALKERS, *BIRTHS),
    *verbs_on(Shape.RANGE, Shape.ACCESS, more=False),
    *("unmap_mapping_range", *verbs_on(Shape.DEVICE_PAGES, Shape.SECTIONS)),
    *(*verbs_on(Shape.MEMORY), *verbs_on(Shape.OWN_PAGES), *verbs_on(Shape.DEVICE)),
    *(*WORD_VERBS, *TASK_VERBS, *PLAIN_VERBS, *HELD_VERBS),
)

#: The prefixes of an operation, in their fixed order, each at most once, with an example line.
PREFIXES: dict[str, str] = {
    "fail": "`fail __pte_alloc 1: c = fork`",
    "skip": "`skip flush_tlb_mm_range: munmap a`",
    "hold": "`hold unmap_vmas: munmap a`",
}

#: Functions in which the model can be stopped; a kernel can be stopped anywhere, so `hold` accepts others
#: too. ``unlink`` is unlink_file_vma up to 6.1, and unlink_file_vma_batch_final from 6.12 on.
HOLD_FUNCTIONS = (
    *("unmap_vmas", "untrack_pfn", "pfnmap_untrack", "memtype_erase", "memtype_reserve", "tlb_gather_mmu"),
    *("flush_tlb_mm_range", "free_pgtables", "unlink", "tlb_finish_mmu", "vm_area_free", "move_page_tables"),
    *("copy_page_range", "track_pfn_copy", "untrack_pfn_clear", "change_protection", "rmap_add", "rmap_del"),
    *("vmf_insert_pfn_prot", "pfnlab_mmap", "pfnlab_fault"),
)

#: Words that cannot be names. ``moved`` is a BAR's second place; in observations, ``phys``, ``ram`` and
#: ``region`` are pages outside devices.
KEYWORDS = frozenset(
    {
        *("pfnlab", "program", "expect", "in", "return", "nothing", "left", "leaked", "keeps"),
        *("page", "pages", "end"),
        *(ANON, PERF, VVAR, "phys", DRIVER_RAM, MOVED_BAR, "region", ops.MAIN_TASK, "none"),
        *(*HEADERS, *PREFIXES, *VERBS, *KINDS, *VIAS, *SHARING, *MODES),
        *(*MMAP_WORDS, *MREMAP_WORDS, *UNMAP_WORDS, *FLAGS, *FORK_WORDS, *NODES),
        *(*DRIVER_HOW, *DRIVER_MODES),
    }
)


def quoted(word: str) -> str:
    """*word* in backquotes, shortened and without control characters, for use in a message."""
    shown = "".join(letter if letter.isprintable() else "�" for letter in word[:41])
    return f"`{shown[:40]}...`" if len(word) > 40 else f"`{shown}`"


def page_count(pages: int) -> str:
    """A page count as programs write it: ``16 pages``, ``1 page``, and whole GiB and TiB in these units."""
    if pages and pages % (1 << 28) == 0:
        return f"{pages >> 28} TiB"
    if pages and pages % (1 << 18) == 0:
        return f"{pages >> 18} GiB"
    return "1 page" if pages == 1 else f"{pages} pages"
