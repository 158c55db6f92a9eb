"""The functions of a built kernel that no tracer sees called: the compiler put them into their only caller.

A small configuration leaves some functions with one caller, in the same file. A probe on what is left of such
a function never hits, so the events it stands for are not observed on that kernel (S13.9.1).
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Collection
from pathlib import Path

from pfnlab.lens.elf import named_sections

_SYMBOL = struct.Struct("<IBBHQQ")
_FUNCTION = 2
_ADDRESS_MASK = (1 << 64) - 1

#: The instructions that go to a function: ``call``, ``jmp`` and ``jcc``, with a distance of 32 bits, or of 8.
_FAR, _NEAR = re.compile(rb"[\xe8\xe9]|\x0f[\x80-\x8f]"), re.compile(rb"[\xeb\x70-\x7f]")


def uncalled(vmlinux: Path, functions: Collection[str]) -> tuple[str, ...]:
    """
    Those of *functions* that are in the kernel's source and that no instruction of it calls, by name.

    :param vmlinux: the kernel as it is linked, with its symbols and debugging information
    :raises LensError: it is no such file
    """
    with vmlinux.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        sections = named_sections(data, str(vmlinux))
        addresses = _addresses(sections[".symtab"].of(data), sections[".strtab"].of(data), functions)
        wanted = {address for places in addresses.values() for address in places}
        called: set[int] = set()
        for section in sections.values():
            if section.executable:
                called |= _called(section.of(data), section.address, wanted)
        # A function that was put into its caller whole has no symbol, and a name among those of debugging.
        names = sections[".debug_str"].of(data) if ".debug_str" in sections else b""
        return tuple(
            sorted(
                function
                for function in functions
                if (
                    not called.intersection(addresses[function])
                    if function in addresses
                    else b"\0" + function.encode() + b"\0" in names
                )
            )
        )


def _addresses(symbols: bytes, strings: bytes, functions: Collection[str]) -> dict[str, list[int]]:
    """The addresses of *functions*; one that is static may have several."""
    names = {function.encode() for function in functions}
    found: dict[str, list[int]] = {}
    for name_at, info, _, _, address, _ in _SYMBOL.iter_unpack(symbols):
        name = strings[name_at : strings.index(b"\0", name_at)]
        if info & 15 == _FUNCTION and name in names:
            found.setdefault(name.decode(), []).append(address)
    return found


def _called(text: bytes, base: int, wanted: Collection[int]) -> set[int]:
    """Those of the addresses *wanted* that an instruction in *text* may go to."""
    found = set()
    for instruction, size in ((_FAR, 4), (_NEAR, 1)):
        for match in instruction.finditer(text, 0, max(len(text) - size, 0)):
            after = match.end() + size
            distance = int.from_bytes(text[match.end() : after], "little", signed=True)
            target = (base + after + distance) & _ADDRESS_MASK
            if target in wanted:
                found.add(target)
    return found
