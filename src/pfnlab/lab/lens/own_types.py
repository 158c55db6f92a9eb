"""A kernel that brings its own types: they lie in its memory, between two symbols of its own table.

So a core needs no other file: neither the image it was booted from nor debug information.
"""

from collections.abc import Collection, Iterator

from pfnlab.base.units import PAGE_SIZE
from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.memory import MemorySource
from pfnlab.lab.lens.program import KERNEL_MAP, OBJECTS, find_symbols, open_program
from pfnlab.lab.lens.view import KernelView

#: The symbols before and behind the types (``include/asm-generic/vmlinux.lds.h``).
_START, _STOP = "__start_BTF", "__stop_BTF"

#: The most bytes of types, which are 5 MB in a distribution's kernel, and of a string that is read.
MAX_TYPES, MAX_TEXT = 64 << 20, 4096


def open_kernel(source: MemorySource, names: Collection[str] = ()) -> KernelView:
    """The kernel in *source*, with its own types, and *names* of symbols beside OBJECTS; or LensError."""
    symbols = find_symbols(source, (*OBJECTS, *names, _START, _STOP))
    start, stop = symbols.get(_START), symbols.get(_STOP)
    release = source.info.release
    if start is None or stop is None:
        raise LensError(f"kernel {release} has no types in it: it was built without CONFIG_DEBUG_INFO_BTF")
    if not 0 < stop - start <= MAX_TYPES:
        raise LensError(f"kernel {release}: its types are {stop - start:,} bytes")
    image = KERNEL_MAP - source.info.number("phys_base")
    types = Btf(source.read(start - image, stop - start), name=f"the types of kernel {release}")
    return KernelView(open_program(source, types, symbols), source, symbols)


def text_at(view: KernelView, address: int, limit: int = MAX_TEXT) -> str:
    """The string at an address, *limit* bytes of it at most; LensError if nothing is there."""
    parts = b""
    while limit > 0:
        # Nothing behind the page need be there.
        count = min(limit, PAGE_SIZE - address % PAGE_SIZE)
        content, end, _ = view.read(address, count).partition(b"\0")
        parts += content
        if end:
            break
        address, limit = address + count, limit - count
    return parts.decode("utf-8", "replace")


def list_at(view: KernelView, head: int, at: int, name: str, limit: int) -> Iterator[int]:
    """The structures of a list (``struct list_head``), by their addresses.

    :param at: where a structure has its link, in bytes
    :param name: what the list is called in messages
    :raises LensError: the list has a loop, or is longer than *limit*
    """
    visited = {head}
    link = view.word(head)
    while link != head:
        if link in visited or len(visited) > limit:
            raise view.error(f"the list of {name} does not come back to its head after {len(visited) - 1:,}")
        visited.add(link)
        yield link - at
        link = view.word(link)
