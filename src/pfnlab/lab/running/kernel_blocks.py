"""Names of the kernel blocks that each program reaches, e.g. ``do_wp_page+1a4``.

Only functions in the files of :func:`kernel_files` count: other kernel activity, e.g. timer ticks, does not
depend on the program. Counts are cleared before each program, so that the boot does not count.

A stock kernel does not record which source file a function is from, but ``kernel_files.toml`` does: ``python
evidence/tools/read_functions.py`` generates it from a kernel's source and symbols. A function inlined into
its callers has no symbol and no row; neither do boot-only functions and names that occur twice in the kernel.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import MappingProxyType

import msgspec

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.base.toml_text import package_tables
from pfnlab.lab.steering.symbols import Symbols, kernel_symbols, module_symbols
from pfnlab.lab.vm.qemu import Guest

#: Name of the data file, which is next to this one.
DATA = "kernel_files.toml"

#: Start of the module area (``MODULES_VADDR``).
_MODULES = 0xFFFFFFFFA0000000

#: The only module among the files; everything else is in the kernel image.
MODULE, MODULE_FILE = "vfio_pci_core", "drivers/vfio/pci/vfio_pci_core.c"

#: Files that map physical pages or record such mappings. x86 kernels do not have ``mm/ioremap.c``.
FILES = (
    *("mm/memory.c", "mm/vma.c", "mm/mremap.c", "mm/mmu_gather.c", "mm/huge_memory.c"),
    *("arch/x86/mm/pat/memtype.c", "arch/x86/mm/pat/set_memory.c", "arch/x86/mm/ioremap.c"),
    *("kernel/resource.c", MODULE_FILE),
)


class KernelFiles(msgspec.Struct, frozen=True):
    """The data file: a kernel, and its functions by file, in source order."""

    kernel: str
    functions: dict[str, tuple[str, ...]]


@functools.cache
def kernel_files() -> KernelFiles:
    """The content of the data file."""
    return package_tables(__package__, DATA, KernelFiles)


@functools.cache
def files_by_function() -> MappingProxyType[str, str]:
    """The source file that each function is in."""
    functions = kernel_files().functions
    return MappingProxyType({name: file for file, names in functions.items() for name in names})


def function_of(block: str) -> str:
    """The function that a block is in, e.g. ``do_wp_page`` for ``do_wp_page+1a4``."""
    return block.partition("+")[0]


class NamedBlocks:
    """Names of blocks, for addresses in one guest.

    :param symbols: the symbols of the kernel image
    :param module: returns the module's symbols, or None until it is loaded
    :param functions: the functions to count
    """

    def __init__(
        self,
        symbols: Symbols,
        module: Callable[[], Symbols | None] = lambda: None,
        functions: Collection[str] | None = None,
    ) -> None:
        self._symbols, self._ask = symbols, module
        self._module: Symbols | None = None
        self._functions = files_by_function() if functions is None else functions
        self._known: dict[int, str | None] = {}

    def names(self, addresses: Iterable[int]) -> tuple[str, ...]:
        """The names of those blocks at *addresses* that count, sorted."""
        reached = list(addresses)
        new = [address for address in reached if address not in self._known]
        if self._module is None and any(address >= _MODULES for address in new):
            self._module = self._ask()
        for address in new:
            symbols = self._module if address >= _MODULES else self._symbols
            if symbols is not None:
                self._known[address] = self._name(symbols, address)
        found = {self._known.get(address) for address in reached}
        return tuple(sorted(name for name in found if name is not None))

    def _name(self, symbols: Symbols, address: int) -> str | None:
        place = symbols.place(address)
        if place is None or place[0].partition(".")[0] not in self._functions:
            return None
        function, _, part = place[0].partition(".")
        # Cold parts that the compiler split off have offsets of their own.
        return f"{function}+{'cold+' * ('cold' in part)}{place[1]:x}"


class ReachedBlocks:
    """The blocks that programs reach in *guest*, in the kernel and optionally in its module."""

    def __init__(self, guest: Guest, vmlinuz: Path, *, has_module: bool) -> None:
        self._guest = guest

        def module() -> Symbols | None:
            try:
                return Symbols(module_symbols(guest, MODULE))
            except LostGuest:
                raise
            except Undecided:
                return None

        symbols = kernel_symbols(guest, vmlinuz)
        self._named = NamedBlocks(symbols, module) if has_module else NamedBlocks(symbols)

    def begin(self) -> None:
        """Start counting."""
        if self._guest.blocks is not None:
            self._guest.blocks.clear()

    def end(self) -> tuple[str, ...]:
        """The blocks reached since `begin`; empty if the guest was lost in the meantime."""
        if self._guest.blocks is None:
            return ()
        return self._named.names(self._guest.blocks.reached())
