"""The kernel functions that programs name, in one guest: those to hold at, and those to force."""

from __future__ import annotations

import errno
import re

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.lab.steering.points import Injection
from pfnlab.lab.steering.steering import Steering
from pfnlab.lab.steering.symbols import module_symbols
from pfnlab.lab.vm.probes import address_of
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.lang.words import HOLD_FUNCTIONS

#: The values that kernel functions return on failure; functions not listed return -ENOMEM.
FAILURES = {"__get_free_page": 0, "__pte_alloc": 1, "kmalloc": 0, "vm_area_alloc": 0, "vm_area_dup": 0}

#: Places whose names differ from their functions: the first group with a function in the kernel is used, and
#: all its functions that exist there count.
_NAMES = {
    "__get_free_page": (("get_free_pages_noprof",), ("__get_free_pages",)),
    # Used for sizes known to the compiler.
    "kmalloc": (("__kmalloc_cache_noprof",), ("kmalloc_trace",)),
    "unlink": (("unlink_file_vma_batch_final",), ("unlink_file_vma",)),
    "rmap_add": (
        ("mapping_rmap_tree_insert", "mapping_rmap_tree_insert_after"),
        ("vma_interval_tree_insert", "vma_interval_tree_insert_after"),
    ),
    "rmap_del": (("mapping_rmap_tree_remove",), ("vma_interval_tree_remove",)),
}

#: Functions on the way from an operation to one that a kernel may have inlined there: the stock 6.18 has
#: no call of __pte_alloc where remap_pfn_range makes page tables.
_CALLERS = {("mmap", "__pte_alloc"): "remap_pfn_range"}

_DRIVER = "pfnlab_driver"
_VFIO = "vfio_pci_core"


class Functions:
    """One guest's kernel functions by the names programs use; the driver's are loaded on first request."""

    def __init__(self, guest: Guest, steering: Steering) -> None:
        self._guest = guest
        self._steering = steering
        #: Whether the driver's functions are known; None until they are first requested.
        self._driver: bool | None = None
        self._vfio = False

    def check(self, program: Program) -> None:
        """Check that the kernel has the functions that *program* names, as far as known; Undecided if not."""
        for op in program.ops:
            if op.fail is not None:
                if op.fail.inside is not None:
                    self._steering.symbols.address(op.fail.inside)
                self.kernel_name(op.fail.function)
            for target in (op.skip, op.hold):
                # The driver's functions become known once it is loaded.
                if target is not None and not program.needs.driver:
                    self.kernel_name(target.function)

    def know_vfio(self) -> None:
        """Load the functions of vfio-pci; the machine must be running. Undecided if it is not loaded."""
        if not self._vfio:
            self._steering.symbols = self._steering.symbols.including(module_symbols(self._guest, _VFIO))
            self._vfio = True

    def kernel_name(self, function: str) -> str | None:
        """The function or functions (`Place.function`) in this kernel that programs call *function*.

        None if this kernel lacks a function that programs may name for any kernel. The
        machine must be running.

        :raises Undecided: if it has no such function
        """
        for group in _NAMES.get(function, ((function,),)):
            names = [name for name in group if name in self._steering.symbols or self._in_driver(name)]
            if names:
                return "|".join(names)
        if function not in HOLD_FUNCTIONS:
            self._steering.symbols.address(function)
        return None

    def injection(self, op: Op, pid: int) -> Injection | None:
        """The call to force in *op* by task *pid*; None without one, or if the kernel lacks it."""
        if op.fail is not None:
            returns = FAILURES.get(op.fail.function, -errno.ENOMEM)
            function = self.kernel_name(op.fail.function) or op.fail.function
            caller = _CALLERS.get((str(type(op.call).__struct_config__.tag), op.fail.function))
            return Injection(function, returns, pid, op.fail.nth, op.fail.inside, caller)
        name = None if op.skip is None else self.kernel_name(op.skip.function)
        if op.skip is None or name is None:
            return None
        return Injection(name, 0, pid, op.skip.nth)

    def work_address(self, function: str, registers: dict[str, int]) -> int | None:
        """The virtual address that a call to *function* with *registers* works on, or None."""
        expression = address_of(function.partition("|")[0], self._guest.hello.release)
        match = None if expression is None else re.fullmatch(r"((?:\+\d+\()*)%(\w+)\)*", expression)
        if match is None:
            return None
        value = registers[f"r{match[2]}"]
        for offset in reversed(re.findall(r"\d+", match[1])):
            value = self._steering.stub.word(value + int(offset))
        return value

    def _in_driver(self, name: str) -> bool:
        # A guest loads its driver at startup or never, and reading all symbols takes as long as a boot.
        if self._driver is None and name.startswith("pfnlab_"):
            try:
                text = module_symbols(self._guest, _DRIVER)
            except LostGuest:
                raise
            except Undecided:
                self._driver = False
                return False
            self._driver = True
            self._steering.symbols = self._steering.symbols.including(text)
        return name in self._steering.symbols
