"""Recording the sizes of a series: slab caches are read in memory made up for it, and the file is written."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import tooling

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

from btf_builder import BtfBuilder
from drgn import Architecture, FaultError, Platform, Program
from for_each import for_each

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.program import BtfTypes
from pfnlab.lab.lens.structure_sizes import SlabCache
from pfnlab.lab.sizes.kernel_sizes import known_sizes, read_sizes

TOOL = tooling.record_sizes()
KEPT = known_sizes()

_BASE = 0xFFFF888000000000
_HEAD, _POINTER, _CACHES = _BASE, _BASE + 0x100, _BASE + 0x1000
_EACH, _NAME, _LIST = 0x100, 0x80, 40


def types(*flags: tuple[str, int]) -> Btf:
    """The types of a kernel, with an enumeration of flags where one is given."""
    btf = BtfBuilder()
    word, number, byte = (
        btf.integer("long unsigned int", 8),
        btf.integer("unsigned int", 4),
        btf.integer("char", 1),
    )
    node = btf.count + 1
    btf.struct("list_head", 16, [("next", node + 1, 0), ("prev", node + 1, 64)])
    btf.pointer(node)
    objects = btf.struct("kmem_cache_order_objects", 4, [("x", number, 0)])
    members = [("flags", word, 0), ("size", number, 64), ("object_size", number, 96), ("align", number, 128)]
    members += [("oo", objects, 160), ("name", btf.pointer(byte), 192), ("list", node, 8 * _LIST)]
    btf.struct("kmem_cache", _LIST + 16, members)
    if flags:
        btf.enum("_slab_flag_bits", 4, flags)
    return Btf(btf.bytes())


class Memory:
    """Some caches in a list, and a variable that points to the first."""

    def __init__(self, caches: Sequence[SlabCache], flags: int = 0, *, circle: bool = False) -> None:
        self.data = bytearray(_CACHES - _BASE + _EACH * (len(caches) + 1))
        addresses = [_CACHES + _EACH * place for place in range(len(caches))]
        self._put(_POINTER, struct.pack("<Q", addresses[0]))
        for address, cache in zip(addresses, caches, strict=True):
            numbers = (flags, cache.size, cache.object_size, cache.align, cache.order << 16 | cache.objects)
            self._put(address, struct.pack("<QIIIIQ", *numbers, address + _NAME))
            self._put(address + _NAME, cache.name.encode() + b"\0")
        nodes = [*([] if circle else [_HEAD]), *(address + _LIST for address in addresses)]
        for node, following in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
            self._put(node, struct.pack("<Q", following))
        if circle:
            self._put(_HEAD, struct.pack("<Q", nodes[0]))

    def read(self, btf: Btf, symbols: Mapping[str, int]) -> dict[str, SlabCache]:
        """The caches in it."""
        program = Program(Platform(Architecture.X86_64))
        BtfTypes(program, btf).register()
        program.add_memory_segment(0, (1 << 64) - 1, self._segment)
        found: dict[str, SlabCache] = TOOL.read_slabs(program, btf, symbols)
        return found

    def _put(self, address: int, data: bytes) -> None:
        self.data[address - _BASE : address - _BASE + len(data)] = data

    def _segment(self, address: int, count: int, offset: int, physical: bool) -> bytes:
        del offset, physical
        found = bytes(self.data[address - _BASE : address - _BASE + count]) if address >= _BASE else b""
        if len(found) < count:
            raise FaultError("nothing there", address)
        return found


VMAS = SlabCache("vm_area_struct", 152, 192, 64, (), 1, 42)
SYMBOLS = {"vm_area_cachep": _POINTER, "slab_caches": _HEAD}


def test_a_cache_is_read() -> None:
    """By the variable that points to it: sizes, alignment, pages and objects of a slab."""
    assert Memory([VMAS]).read(types(), SYMBOLS) == {"vm_area_struct": VMAS}


def test_the_caches_of_kmalloc_are_read_from_the_list() -> None:
    """Only the ordinary ones, by size; those of a cgroup or at random are left out."""
    names = ("kmalloc-64", "kmalloc-8", "kmalloc-cg-32", "kmalloc-rnd-01-32", "kmalloc-1k", "dentry")
    caches = [SlabCache(name, size, size, 8, (), 0, 1) for size, name in enumerate(names, 8)]

    found = Memory([VMAS, *caches]).read(types(), SYMBOLS)

    assert sorted(found) == ["kmalloc-64", "kmalloc-8", "vm_area_struct"]


@for_each(
    ("btf", "flags"),
    [(types(), 0x2000), (types(("_SLAB_HWCACHE_ALIGN", 5)), 1 << 5)],
    ids=["old", "numbered"],
)
def test_flags_are_told(btf: Btf, flags: int) -> None:
    """By the kernel's own numbers where its types have them."""
    assert Memory([VMAS], flags).read(btf, SYMBOLS)["vm_area_struct"].flags == ("SLAB_HWCACHE_ALIGN",)


def test_a_cache_the_kernel_lacks_is_left_out() -> None:
    """6.1 has none for locks of VMAs."""
    assert Memory([VMAS]).read(types(), {"slab_caches": _HEAD}) == {}


def test_a_kernel_without_the_list_is_refused() -> None:
    """Its symbol table was not that of a kernel."""
    with pytest.raises(LensError, match="slab_caches"):
        Memory([VMAS]).read(types(), {})


def test_a_list_without_end_is_given_up() -> None:
    """It never comes back to its head."""
    with pytest.raises(LensError, match="more than"):
        Memory([VMAS], circle=True).read(types(), SYMBOLS)


def test_memory_that_is_not_there_is_said() -> None:
    """In one error."""
    with pytest.raises(LensError, match="cannot be read"):
        Memory([VMAS]).read(types(), {**SYMBOLS, "slab_caches": 0x1000})


def test_a_file_that_is_written_is_read_again(tmp_path: Path) -> None:
    """Nothing is lost, and a list of plain values is one line."""
    path = TOOL.write_sizes(tmp_path, KEPT[0])

    assert read_sizes(path) == KEPT[0]
    assert any(line.strip().startswith('["vm_start", 0, 8,') for line in path.read_text().splitlines())
