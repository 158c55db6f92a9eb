"""The blocks of the kernel that each program reached, by name: ``do_wp_page+1a4``.

Only functions of :mod:`pfnlab.lab.running.kernel_files` count: what else a kernel does meanwhile, as ticks of
the clock, says nothing of a program. Counts are cleared before each program: the boot is no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.lab.running.kernel_files import MODULE, files_by_function
from pfnlab.lab.steering.symbols import Symbols, kernel_symbols, module_symbols

if TYPE_CHECKING:
    from pfnlab.lab.vm.qemu import Guest

#: Where modules are loaded (``MODULES_VADDR``).
_MODULES = 0xFFFFFFFFA0000000


class NamedBlocks:
    """Addresses of one guest as names of blocks.

    :param symbols: those of the kernel's image
    :param module: asks for the symbols of the module; None until it is loaded
    :param functions: those that count
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
        """The names of the blocks at *addresses* that count, sorted."""
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
        # What the compiler put aside has offsets of its own.
        return f"{function}+{'cold+' * ('cold' in part)}{place[1]:x}"


class ReachedBlocks:
    """The blocks that programs reach in *guest*, which counts them in a kernel, or in its module too."""

    def __init__(self, guest: Guest, vmlinuz: Path, *, has_module: bool) -> None:
        self._guest = guest

        def module() -> Symbols | None:
            try:
                return Symbols(module_symbols(guest, MODULE))
            except LostGuest:
                raise
            except Undecided:
                return None

        if vmlinuz not in _by_kernel:
            _by_kernel[vmlinuz] = kernel_symbols(guest, vmlinuz)
        symbols = _by_kernel[vmlinuz]
        self._named = NamedBlocks(symbols, module) if has_module else NamedBlocks(symbols)

    def begin(self) -> None:
        """Count from now on."""
        if self._guest.blocks is not None:
            self._guest.blocks.clear()

    def end(self) -> tuple[str, ...]:
        """The blocks that were reached since; none where the guest was lost meanwhile."""
        if self._guest.blocks is None:
            return ()
        return self._named.names(self._guest.blocks.reached())


# Read once for all guests of a kernel.
_by_kernel: dict[Path, Symbols] = {}
