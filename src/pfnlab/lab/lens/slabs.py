"""Slab caches, read from a kernel's memory: how much is allocated for one object of a structure."""

from collections.abc import Iterator, Mapping

from drgn import FaultError, Object, Program
from drgn.helpers.linux.list import list_for_each_entry

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.structure_sizes import SlabCache

#: Variables that point to caches, by the name of the structure the cache holds.
CACHES = {
    "vm_area_struct": "vm_area_cachep",
    "vma_lock": "vma_lock_cachep",
    "mm_struct": "mm_cachep",
    "anon_vma": "anon_vma_cachep",
    "anon_vma_chain": "anon_vma_chain_cachep",
}

SYMBOLS = (*CACHES.values(), "slab_caches")

#: Maximum number of caches in a kernel.
MAX_CACHES = 10_000

#: Flags that affect sizes, and the values to use for kernels whose types do not have them.
FLAGS = {
    "SLAB_HWCACHE_ALIGN": 0x2000,
    "SLAB_TYPESAFE_BY_RCU": 0x80000,
    "SLAB_ACCOUNT": 0x4000000,
    "SLAB_NO_MERGE": 0x1000000,
}

_ORDER_SHIFT = 16
_KMALLOC = "kmalloc-"


def read_slabs(program: Program, btf: Btf, symbols: Mapping[str, int]) -> dict[str, SlabCache]:
    """The :data:`CACHES` and kmalloc caches by name, for those *symbols* that exist; LensError on failure."""
    try:
        found = {}
        for name, symbol in CACHES.items():
            if symbol in symbols:
                pointer = Object(program, "struct kmem_cache *", address=symbols[symbol])
                found[name] = _cache(pointer, btf)
        if "slab_caches" not in symbols:
            raise LensError("the kernel's symbol table has no slab_caches")
        kmalloc = [_cache(pointer, btf) for pointer in _kmalloc(program, symbols["slab_caches"])]
    except (FaultError, LookupError) as trouble:
        raise LensError(f"its slab caches cannot be read: {trouble}") from trouble
    found.update({slab.name: slab for slab in sorted(kmalloc, key=lambda slab: slab.size)})
    return found


# The ordinary kmalloc caches: kmalloc-64, not kmalloc-cg-64 or kmalloc-rnd-01-64.
def _kmalloc(program: Program, head: int) -> Iterator[Object]:
    caches = Object(program, "struct list_head", address=head)
    for number, pointer in enumerate(list_for_each_entry("struct kmem_cache", caches.address_of_(), "list")):
        if number >= MAX_CACHES:
            raise LensError(f"its list of slab caches has more than {MAX_CACHES:,}")
        name = pointer.name.string_().decode("ascii", "replace")
        if name.startswith(_KMALLOC) and name.removeprefix(_KMALLOC).isdigit():
            yield pointer


def _cache(pointer: Object, btf: Btf) -> SlabCache:
    bits = int(pointer.flags.value_())
    constants = btf.constants()
    oo = int(pointer.oo.x.value_())
    return SlabCache(
        pointer.name.string_().decode("ascii", "replace"),
        int(pointer.object_size.value_()),
        int(pointer.size.value_()),
        int(pointer.align.value_()),
        # Since 6.9 the flags are numbered by an enumeration: _SLAB_HWCACHE_ALIGN and so on.
        tuple(
            name
            for name, value in FLAGS.items()
            if bits & (1 << constants[f"_{name}"] if f"_{name}" in constants else value)
        ),
        oo >> _ORDER_SHIFT,
        oo & (1 << _ORDER_SHIFT) - 1,
    )
