"""A kernel with its own types, which its memory contains between two of its symbols.

As a result, a core needs no other file, neither boot image nor debug information.
"""

from collections.abc import Collection, Iterator

from pfnlab.base.units import PAGE_SIZE
from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.memory import MemorySource
from pfnlab.lab.lens.program import KERNEL_MAP, OBJECTS, find_symbols, open_program
from pfnlab.lab.lens.view import KernelView

#: The symbols before and after the types (``include/asm-generic/vmlinux.lds.h``).
_START, _STOP = "__start_BTF", "__stop_BTF"

#: Maximum size, in bytes, of the types (5 MB in a distribution kernel) and of a string to read.
MAX_TYPES, MAX_TEXT = 64 << 20, 4096

#: Limits on walks: over vmalloc areas, and over lists of them.
MAX_AREAS, MAX_NODES = 2_000_000, 4096

#: The flag of a vmalloc area that maps a device (include/linux/vmalloc.h).
_IOREMAP = 1


def open_kernel(source: MemorySource, names: Collection[str] = ()) -> KernelView:
    """The kernel in *source* with its own types and the symbols OBJECTS and *names*; LensError on failure."""
    symbols = find_symbols(source, (*OBJECTS, *names, _START, _STOP))
    start, stop = symbols.get(_START), symbols.get(_STOP)
    release = source.info.release
    if start is None or stop is None:
        raise LensError(f"kernel {release} contains no types: it was built without CONFIG_DEBUG_INFO_BTF")
    if not 0 < stop - start <= MAX_TYPES:
        raise LensError(f"kernel {release}: its types are {stop - start:,} bytes")
    image = KERNEL_MAP - source.info.number("phys_base")
    types = Btf(source.read(start - image, stop - start), name=f"the types of kernel {release}")
    return KernelView(open_program(source, types, symbols), source, symbols)


def text_at(view: KernelView, address: int, limit: int = MAX_TEXT) -> str:
    """The string at an address, at most *limit* bytes; LensError if there is no memory there."""
    parts = b""
    while limit > 0:
        # The memory after the page may be missing.
        count = min(limit, PAGE_SIZE - address % PAGE_SIZE)
        content, end, _ = view.read(address, count).partition(b"\0")
        parts += content
        if end:
            break
        address, limit = address + count, limit - count
    return parts.decode("utf-8", "replace")


def list_at(view: KernelView, head: int, at: int, name: str, limit: int) -> Iterator[int]:
    """The addresses of the structures on a list (``struct list_head``).

    :param at: offset of the list link in a structure, in bytes
    :param name: the list's name in messages
    :raises LensError: if the list has a loop, or is longer than *limit*
    """
    visited = {head}
    link = view.word(head)
    while link != head:
        if link in visited or len(visited) > limit:
            raise view.error(f"the list of {name} does not return to its head after {len(visited) - 1:,}")
        visited.add(link)
        yield link - at
        link = view.word(link)


def ioremap_areas(view: KernelView) -> Iterator[tuple[int, ...]]:
    """The areas of vmalloc that map devices: first byte, size, flags, and first physical address."""
    area = view.layouts.record("struct vmap_area", "vm")
    record = view.layouts.record("struct vm_struct", "addr", "size", "flags", "phys_addr")
    for address in _area_addresses(view):
        (vm,) = view.members(address, area)
        found = view.members(vm, record) if vm else (0, 0, 0, 0)
        if found[2] & _IOREMAP:
            yield found


def _area_addresses(view: KernelView) -> Iterator[int]:
    # All areas: they are in one list up to 6.8, and in one list per node since 6.9.
    layouts = view.layouts
    at = layouts.offset("struct vmap_area", "list")
    if not layouts.has("struct vmap_node"):
        yield from list_at(view, view.symbol("vmap_area_list"), at, "areas of vmalloc", MAX_AREAS)
        return
    nodes, count = view.word(view.symbol("vmap_nodes")), view.word(view.symbol("nr_vmap_nodes"), 4)
    if count > MAX_NODES:
        raise view.error(f"it has {count:,} nodes of areas of vmalloc")
    size, head = layouts.size("struct vmap_node"), layouts.offset("struct vmap_node", "busy.head")
    for number in range(count):
        yield from list_at(view, nodes + number * size + head, at, "areas of vmalloc", MAX_AREAS)
