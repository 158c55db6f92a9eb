"""A kernel of our own making: memory with just the structures the lens reads, to be damaged at will."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from btf_builder import BtfBuilder

from pfnlab.base.units import PfnRange
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.btf_types import Kind
from pfnlab.programs.runs.places import Places

DIRECT = 0xFFFF888000000000
IMAGE = 0xFFFFFFFF80000000
SIZE = 1 << 20
PAGE = 4096
DEVICE = PfnRange(0x80000, 0x80010)
AREA = 1 << 32
PLACES = Places({"bar": DEVICE}, {"a": (AREA, 16)})

#: Physical addresses of everything.
SYMBOLS_AT, INFO, TASKS, MM, TREE, VMAS, FILE, DENTRY, NAME, CONTEXT, BOOK, MAPPING = (
    0x1000 * number for number in range(1, 13)
)
TABLES = 0x20000
KALLSYMS = 0x40000
VMEMMAP = 0x60000
PARTS = 0x50000

#: task_struct: tasks at 0, pid at 16, mm at 24, thread.sp at 32; the second task follows at TASK_SIZE.
TASK_SIZE = 64
#: Where the kernel stack of the second task ends.
STACK_POINTER = 0xFFFF_C900_0000_3E80
VMA_SIZE = 96
FOLIO_SIZE = 64
#: Raw flags of a shared PFN mapping: rd wr sh mr mw ms pf io de dd.
FLAGS = 0xC0444BB & ~(1 << 27)
#: The protection of a write-combining mapping.
PROT = 0x800000000000002D

SYMBOLS = {
    "init_task": IMAGE + TASKS,
    "memtype_rbroot": IMAGE + SYMBOLS_AT,
    "page_offset_base": IMAGE + SYMBOLS_AT + 16,
    "vmemmap_base": IMAGE + SYMBOLS_AT + 24,
    "init_pid_ns": IMAGE + SYMBOLS_AT + 32,
    "special_mapping_vmops": IMAGE + SYMBOLS_AT + 40,
}

INFO_TEXT = b"""OSRELEASE=toy
PAGESIZE=4096
SYMBOL(init_uts_ns)=ffffffff80001100
SYMBOL(swapper_pg_dir)=ffffffff80003000
SYMBOL(_stext)=ffffffff80000000
NUMBER(phys_base)=0
NUMBER(pgtable_l5_enabled)=0
KERNELOFFSET=0
SYMBOL(kallsyms_num_syms)=ffffffff80040000
SYMBOL(kallsyms_token_index)=ffffffff80041000
SYMBOL(kallsyms_token_table)=ffffffff80042000
SYMBOL(kallsyms_offsets)=ffffffff80043000
SYMBOL(kallsyms_names)=ffffffff80044000
"""


def types(*, without: str = "", vma_word: str = "pfnmap_track_ctx") -> Btf:
    """The types of the toy kernel, as :func:`type_bytes` has them."""
    return Btf(type_bytes(without=without, vma_word=vma_word), name="toy")


def type_bytes(*, without: str = "", vma_word: str = "pfnmap_track_ctx") -> bytes:
    """The types of the toy kernel as it has them itself; *without* names a member that is left out.

    :param vma_word: what the word is that a tracker keeps in each VMA
    """
    btf = BtfBuilder()
    word = btf.integer("long unsigned int", 8)
    number = btf.integer("unsigned int", 4)
    known: dict[str, tuple[int, int]] = {"word": (word, 8), "int": (number, 4)}

    def define(name: str, size: int, *members: tuple[str, str, int]) -> None:
        kept = [(label, known[kind][0], 8 * at) for label, kind, at in members if label != without]
        known[name] = (btf.struct(name, size, kept), size)

    def words(count: int) -> str:
        known[f"word[{count}]"] = (btf.array(word, count), 8 * count)
        return f"word[{count}]"

    define("list_head", 16, ("next", "word", 0), ("prev", "word", 8))
    define("thread_struct", 8, ("sp", "word", 0))
    define(
        *("task_struct", TASK_SIZE, ("tasks", "list_head", 0), ("pid", "int", 16), ("mm", "word", 24)),
        ("thread", "thread_struct", 32),
    )
    define("atomic", 8, ("counter", "word", 0))
    define("context", 8, ("tlb_gen", "atomic", 0))
    define("maple_tree", 8, ("ma_root", "word", 0))
    define(
        *("mm_struct", 56, ("mm_mt", "maple_tree", 0), ("pgd", "word", 8), ("context", "context", 16)),
        *(("map_count", "int", 24), ("total_vm", "word", 32), ("locked_vm", "word", 40)),
        ("pgtables_bytes", "atomic", 48),
    )
    define("pgprot", 8, ("pgprot", "word", 0))
    define("rb_node", 24, ("color", "word", 0), ("rb_right", "word", 8), ("rb_left", "word", 16))
    define("rb_root", 8, ("rb_node", "word", 0))
    vma_kind = "rb_root" if vma_word == "pfnmap_parts" else "word"
    define("shared", 24, ("rb", "rb_node", 0))
    define(
        *("vm_area_struct", VMA_SIZE, ("vm_start", "word", 0), ("vm_end", "word", 8)),
        *(("vm_page_prot", "pgprot", 16), ("vm_flags", "word", 24), ("vm_pgoff", "word", 32)),
        *(("vm_file", "word", 40), (vma_word, vma_kind, 48)),
        *(("vm_mm", "word", 56), ("shared", "shared", 64), ("vm_ops", "word", 88)),
    )
    define("refs", 4, ("counter", "int", 0))
    define("refcount", 4, ("refs", "refs", 0))
    define("kref", 4, ("refcount", "refcount", 0))
    define("pfnmap_track_ctx", 24, ("kref", "kref", 0), ("pfn", "word", 8), ("size", "word", 16))
    define(
        *("pfnmap_part", 48, ("vma_node", "rb_node", 0)),
        *(("first", "word", 24), ("last", "word", 32), ("ctx", "word", 40)),
    )
    define("path", 16, ("mnt", "word", 0), ("dentry", "word", 8))
    define("file", 24, ("f_path", "path", 0), ("f_mapping", "word", 16))
    define("qstr", 16, ("len", "int", 4), ("name", "word", 8))
    define("dentry", 24, ("d_parent", "word", 0), ("d_name", "qstr", 8))
    define("rb_root_cached", 16, ("rb_root", "rb_root", 0), ("rb_leftmost", "word", 8))
    define("address_space", 16, ("i_mmap", "rb_root_cached", 0))
    define(
        *("memtype", 56, ("start", "word", 0), ("end", "word", 8)),
        *(("type", "int", 16), ("rb", "rb_node", 24)),
    )
    define("range64", 256, ("pivot", words(15), 8), ("slot", words(16), 128))
    define("arange64", 256, ("pivot", words(9), 8), ("slot", words(10), 80))
    define("maple_node", 256, ("mr64", "range64", 0), ("ma64", "arange64", 0))
    define("page", 64, ("flags", "word", 0))
    define("folio", 64, ("mapping", "word", 24), ("_mapcount", "refs", 48))
    define("pid_namespace", 8, ("x", "word", 0))
    btf.enum("maple_type", 4, [("maple_leaf_64", 1), ("maple_range_64", 2), ("maple_arange_64", 3)])
    modes = ("WB", "WC", "UC_MINUS", "UC", "WT", "WP")
    btf.enum("page_cache_mode", 4, [(f"_PAGE_CACHE_MODE_{name}", at) for at, name in enumerate(modes)])
    btf.raw(Kind.TYPEDEF, "pgprot_t", known["pgprot"][0])
    return btf.bytes()


class ToyKernel:
    """Memory with one task (pid 7), two VMAs that share a context, and a book of three entries."""

    def __init__(self) -> None:
        self.memory = bytearray(SIZE)
        self.memory[INFO : INFO + len(INFO_TEXT)] = INFO_TEXT
        self.put(SYMBOLS_AT, self.node(1), 0, DIRECT, DIRECT + VMEMMAP)
        self.put(TASKS, DIRECT + TASKS + TASK_SIZE, DIRECT + TASKS + TASK_SIZE, 0, 0)
        self.put(TASKS + TASK_SIZE, IMAGE + TASKS, IMAGE + TASKS, 7, DIRECT + MM, STACK_POINTER)
        self.put(MM, DIRECT + TREE | 1 << 3 | 2, DIRECT + TABLES, 5, 2, 12, 0, 3 * PAGE)
        vmas = [(0, 4, DIRECT + VMAS), (4, 8, 0), (8, 16, DIRECT + VMAS + VMA_SIZE)]
        start = AREA * PAGE
        self.put(TREE + 8, start - 1, *(start + last * PAGE - 1 for _, last, _ in vmas), (1 << 64) - 1)
        self.put(TREE + 128, 0, *(slot for _, _, slot in vmas), 0)
        for number, (first, last) in enumerate([(0, 4), (8, 16)]):
            extent = (start + first * PAGE, start + last * PAGE)
            rest = (PROT, FLAGS, DEVICE.start + first, DIRECT + FILE, DIRECT + CONTEXT, DIRECT + MM)
            self.put(VMAS + number * VMA_SIZE, *extent, *rest)
        # The file's tree has the second VMA below the first.
        first_node, second_node = (DIRECT + VMAS + number * VMA_SIZE + 64 for number in range(2))
        self.put(VMAS + 64, 0, second_node, 0)
        self.put(FILE, 0, DIRECT + DENTRY, DIRECT + MAPPING)
        self.put(MAPPING, first_node, first_node)
        self.put(DENTRY, DIRECT + DENTRY, 12 << 32, DIRECT + NAME)
        self.memory[NAME : NAME + 12] = b"resource2_wc"
        self.put(CONTEXT, 2, DEVICE.start, 16 * PAGE)
        self.entry(0, 0x70000, 0x70001, 2)
        self.entry(1, DEVICE.start, DEVICE.end, 1, left=0, right=2)
        self.entry(2, DEVICE.start + 2, DEVICE.start + 4, 1)
        # Four levels; the last table maps what the VMAs do.
        for level, shift in ((0, 27), (1, 18), (2, 9)):
            table = TABLES + level * PAGE
            self.put(table + 8 * (AREA >> shift & 511), table + PAGE | 0x67)
        for page in (*range(4), *range(8, 16)):
            self.put(
                TABLES + 3 * PAGE + 8 * page, (DEVICE.start + page) * PAGE | 0x8000000000000269 | 0x4 | 0x2
            )

    def put(self, at: int, *words: int) -> None:
        """Write words."""
        struct.pack_into(f"<{len(words)}Q", self.memory, at, *words)

    def node(self, number: int) -> int:
        """The rb_node of a book entry."""
        return DIRECT + BOOK + 64 * number + 24

    def parts(self, vma: int, *parts: tuple[int, int, int]) -> None:
        """Give a VMA a tree of parts, each left of the one behind: the context, the first and last page."""
        node = 0
        for number, (ctx, first, last) in enumerate(parts):
            at = PARTS + PAGE * vma + 48 * number
            self.put(at, 0, 0, node, DEVICE.start + first, DEVICE.start + last, ctx)
            node = DIRECT + at
        self.put(VMAS + vma * VMA_SIZE + 48, node)

    def entry(
        self, number: int, start: int, end: int, mode: int, left: int | None = None, right: int | None = None
    ) -> None:
        """Write one entry of the book."""
        children = [0 if child is None else self.node(child) for child in (right, left)]
        self.put(BOOK + 64 * number, start * PAGE, end * PAGE, mode, 0, *children)

    def ordinary(self, page: int, frame: int, *, anonymous: int, mapcount: int) -> None:
        """Map a page of ordinary memory in the area."""
        self.put(TABLES + 3 * PAGE + 8 * page, frame * PAGE | 0x67)
        folio = VMEMMAP + FOLIO_SIZE * frame
        self.put(folio + 24, anonymous)
        self.put(folio + 48, mapcount - 1)

    def save(self, path: Path) -> Path:
        """The memory as a file of guest RAM."""
        path.write_bytes(self.memory)
        return path

    def symbols(self, layout: str, more: Mapping[str, int] = SYMBOLS) -> None:
        """Write a symbol table in one of the layouts kernels have had."""
        table = {"_stext": IMAGE, "swapper_pg_dir": IMAGE + 0x3000, "init_uts_ns": IMAGE + 0x1100, **more}
        tokens = [bytes([one]) if 32 < one < 127 else b"" for one in range(256)]
        tokens[1] = b"init_"
        starts, text = [], b""
        for token in tokens:
            starts.append(len(text))
            text += token + b"\0"
        struct.pack_into("<I", self.memory, KALLSYMS, len(table))
        struct.pack_into("<256H", self.memory, KALLSYMS + 0x1000, *starts)
        self.memory[KALLSYMS + 0x2000 : KALLSYMS + 0x2000 + len(text)] = text
        names = [("D" + name).replace("init_", "\1").encode() for name in table]
        packed = b"".join(bytes([len(name)]) + name for name in names)
        self.memory[KALLSYMS + 0x4000 : KALLSYMS + 0x4000 + len(packed)] = packed
        offsets = IMAGE + KALLSYMS + 0x3000
        for number, address in enumerate(table.values()):
            value = {
                "percpu": IMAGE - 1 - address,
                "relative": address - IMAGE,
                "place": address - (offsets + 4 * number),
            }[layout]
            struct.pack_into("<i", self.memory, KALLSYMS + 0x3000 + 4 * number, value)
        if layout != "place":
            base = b"SYMBOL(kallsyms_relative_base)=ffffffff80040010\n"
            self.memory[INFO + len(INFO_TEXT) : INFO + len(INFO_TEXT) + len(base)] = base
            self.put(KALLSYMS + 0x10, IMAGE)
