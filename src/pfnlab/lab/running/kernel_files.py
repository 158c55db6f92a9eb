"""The functions of a kernel whose blocks are named, by the source files they are in.

A stock kernel does not say which file a function is from, so ``kernel_files.toml`` does:
``python evidence/tools/read_functions.py`` makes it of a kernel's source and symbols. A function that the
compiler put into its callers is no symbol and has no row; nor has one of the boot alone, or one whose name
the kernel has twice.
"""

from __future__ import annotations

import functools
from importlib import resources
from types import MappingProxyType

import msgspec

#: The name of the data file, beside this one.
DATA = "kernel_files.toml"

#: The module among the files; all others are in the kernel's image.
MODULE, MODULE_FILE = "vfio_pci_core", "drivers/vfio/pci/vfio_pci_core.c"

#: The files: what maps physical pages, and what remembers it. x86 kernels do not have ``mm/ioremap.c``.
FILES = (
    *("mm/memory.c", "mm/vma.c", "mm/mremap.c", "mm/mmu_gather.c", "mm/huge_memory.c"),
    *("arch/x86/mm/pat/memtype.c", "arch/x86/mm/pat/set_memory.c", "arch/x86/mm/ioremap.c"),
    *("kernel/resource.c", MODULE_FILE),
)


class KernelFiles(msgspec.Struct, frozen=True):
    """The data file: a kernel, and its functions by file, in the order of the source."""

    kernel: str
    functions: dict[str, tuple[str, ...]]


@functools.cache
def kernel_files() -> KernelFiles:
    """The content of the data file."""
    text = (resources.files("pfnlab.lab.running") / DATA).read_text(encoding="utf-8")
    return msgspec.toml.decode(text, type=KernelFiles)


@functools.cache
def files_by_function() -> MappingProxyType[str, str]:
    """The file of each function."""
    functions = kernel_files().functions
    return MappingProxyType({name: file for file, names in functions.items() for name in names})


def function_of(block: str) -> str:
    """The function of a block, ``do_wp_page+1a4``."""
    return block.partition("+")[0]
