"""The sizes of kernel structures and slab caches, for ``docs/sizes.md``: ``record_sizes.py [KERNEL...]``.

KERNEL is ``6.12``, or ``6.12.107``; by default, every series. Each is booted, because slab caches are read
from a guest's memory. Then run ``python -m evidence.pages sizes --write``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from drgn import FaultError, Object, Program
from drgn.helpers.linux.list import list_for_each_entry

sys.path.insert(0, str(Path(__file__).parents[2]))

from pfnlab.base.files import write_whole
from pfnlab.base.inert import shell_word
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.lab.images.kernel_offers import by_version
from pfnlab.lab.images.kernels import KernelImage, kernel_for, whole
from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.memory import GuestRam
from pfnlab.lab.lens.program import find_symbols, open_program
from pfnlab.lab.lens.structure_sizes import SlabCache
from pfnlab.lab.sizes.kernel_sizes import RECORD, STRUCTURES, SeriesSizes, structures_of, types_of
from pfnlab.lab.vm.qemu import Guest

DATA = Path(__file__).parents[2] / "src/pfnlab/lab/sizes/data"

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


def main(words: Sequence[str]) -> int:
    """Write a file for each kernel's series; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=CONFIRMED, metavar="KERNEL")
    for kernel in map(kernel_for, parser.parse_args(words).names):
        others = {one.version: one for one in whole(kernel.series)[0] if one.version != kernel.version}
        sizes = series_sizes(kernel, [others[version] for version in by_version(others)])
        print(f"{kernel.label}: {write_sizes(DATA, sizes)}")
    return 0


def series_sizes(kernel: KernelImage, others: Iterable[KernelImage]) -> SeriesSizes:
    """The sizes for a series: those of *kernel*, which is booted, compared with *others*."""
    types = types_of(kernel)
    structures = structures_of(types)
    alike, unlike = [], {}
    for other in others:
        its = structures_of(types_of(other))
        names = tuple(name for name in STRUCTURES if its.get(name) != structures.get(name))
        if names:
            unlike[other.version] = names
        else:
            alike.append(other.version)
    return SeriesSizes(
        series=kernel.series,
        package_version=kernel.version,
        release=kernel.release,
        sha256=kernel.sha256,
        made_by=f"{RECORD} {shell_word(kernel.version)}",
        structures=structures,
        slabs=slabs_of(kernel, types),
        alike=tuple(alike),
        unlike=unlike,
    )


def slabs_of(kernel: KernelImage, types: Btf) -> dict[str, SlabCache]:
    """The slab caches of a freshly booted guest; LostGuest or MissingTool if it cannot be booted."""
    with Guest(kernel.vmlinuz, shared_ram=True) as guest:
        assert guest.ram is not None
        with GuestRam(guest.ram) as ram:
            return read_slabs(open_program(ram, types, {}), types, find_symbols(ram, SYMBOLS))


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


def write_sizes(folder: Path, sizes: SeriesSizes) -> Path:
    """Write the file for one series into *folder*; return its path."""
    path = folder / f"{sizes.series}.json"
    write_whole(path, _lines(msgspec.to_builtins(sizes)) + "\n")
    return path


# JSON with lists of plain values on one line, so that a changed member or hole changes just one line.
def _lines(value: Any, depth: int = 0) -> str:
    inner = " " * (depth + 1)
    if isinstance(value, dict) and value:
        items = [f"{inner}{json.dumps(key)}: {_lines(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + " " * depth + "}"
    if isinstance(value, list | tuple) and any(isinstance(item, dict | list | tuple) for item in value):
        items = [inner + _lines(item, depth + 1) for item in value]
        return "[\n" + ",\n".join(items) + "\n" + " " * depth + "]"
    return json.dumps(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
