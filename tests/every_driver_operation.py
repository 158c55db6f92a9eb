"""A program that asks a driver for everything that the language has."""

from __future__ import annotations

from typing import get_args

from pfnlab.programs.lang.device_ops import DriverHow, DriverRequest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program

#: The ways to map and the requests that need more than their name and a range of the device.
_SPELLED = {
    "part": "part[0:2] wc",
    "zap_vma_ptes": "zap_vma_ptes a[0:1]",
    "remap_pfn_range": "remap_pfn_range a[0:1] wc",
    "set_memory": "set_memory_wc ram[0:4]",
    "set_pages_array": "set_pages_array_wc ram[0:4]",
    "ioremap": "ioremap bar[0:4] wc",
    "memremap": "memremap bar[0:4] wb",
}

#: How many ways to map there are, and how many requests.
WAYS, REQUESTS = len(get_args(DriverHow)), len(get_args(DriverRequest))


def every_driver_operation() -> Program:
    """Each way to map, each request, and a device that is bound."""
    lines = ["pfnlab program 1", "device  bar: pci, 512 pages", "area    a: 4 pages", ""]
    lines += [f"a = mmap bar[0:4] driver {_SPELLED.get(how, how)} shared rw" for how in get_args(DriverHow)]
    for kind in get_args(DriverRequest):
        word = str(kind.__struct_config__.tag)
        lines.append(_SPELLED.get(word, f"{word}{' bar[0:512]' * bool(kind.__struct_fields__)}"))
    lines += ["arch_phys_wc_add bar[0:4]", "ioremap ram[0:1] wc", "bind bar", "unbind bar"]
    return load_text("\n".join(lines) + "\n", "every")
