"""Functions that the compiler inlined in a built kernel, so that a tracer misses some or all calls to them.

In a small configuration, some functions have only one caller, in the same file. A probe on the out-of-line
copy of such a function never hits, so its events are not observed on that kernel (S13.9.1). If a function
begins with a test, the compiler may inline the test into the callers and move the rest to a function
``NAME.part.0``, which they call without hitting a probe on the original.
"""

import mmap
import re
import struct
from collections.abc import Collection, Mapping
from pathlib import Path

from pfnlab.lab.lens.elf import named_sections

_SYMBOL = struct.Struct("<IBBHQQ")
_FUNCTION = 2
_ADDRESS_MASK = (1 << 64) - 1

#: Instructions that jump to a function: ``call``, ``jmp`` and ``jcc``, with a 32-bit or 8-bit displacement.
_FAR, _NEAR = re.compile(rb"[\xe8\xe9]|\x0f[\x80-\x8f]"), re.compile(rb"[\xeb\x70-\x7f]")


def uncalled(vmlinux: Path, functions: Collection[str]) -> tuple[str, ...]:
    """The *functions* that at least one caller in the source does not really call; LensError on failure.

    :param vmlinux: the linked kernel, with its symbols and debugging information
    """
    with vmlinux.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        sections = named_sections(data, str(vmlinux))
        symbols, strings = sections[".symtab"].of(data), sections[".strtab"].of(data)
        wholes, parts = _places(symbols, strings, functions)
        wanted = {place.start for found in (wholes, parts) for places in found.values() for place in places}
        sites: dict[int, list[int]] = {}
        for section in sections.values():
            if section.executable:
                _note_calls(section.of(data), section.address, wanted, sites)
        # A function that is always inlined has no symbol, but its name is in the debugging information.
        names = sections[".debug_str"].of(data) if ".debug_str" in sections else b""
        return tuple(
            sorted(
                function
                for function in functions
                if (
                    _passed_by(wholes[function], parts.get(function, ()), sites)
                    if function in wholes
                    else b"\0" + function.encode() + b"\0" in names
                )
            )
        )


def _places(
    symbols: bytes, strings: bytes, functions: Collection[str]
) -> tuple[dict[str, list[range]], dict[str, list[range]]]:
    """Addresses of *functions* and of their split-off parts; static functions may share a name."""
    names = {function.encode(): function for function in functions}
    wholes: dict[str, list[range]] = {}
    parts: dict[str, list[range]] = {}
    for name_at, info, _, _, address, size in _SYMBOL.iter_unpack(symbols):
        name, part, _ = strings[name_at : strings.index(b"\0", name_at)].partition(b".part.")
        if info & 15 == _FUNCTION and name in names:
            found = parts if part else wholes
            found.setdefault(names[name], []).append(range(address, address + max(size, 1)))
    return wholes, parts


def _passed_by(wholes: Collection[range], parts: Collection[range], sites: Mapping[int, list[int]]) -> bool:
    """True if nothing calls the function, or if other code calls one of its parts directly."""
    if not any(place.start in sites for place in wholes):
        return True
    own = (*wholes, *parts)
    calls = [site for part in parts for site in sites.get(part.start, ())]
    return any(not any(site in place for place in own) for site in calls)


def _note_calls(text: bytes, base: int, wanted: Collection[int], sites: dict[int, list[int]]) -> None:
    """Record, by target, the locations of instructions in *text* that may jump to *wanted* addresses."""
    for instruction, size in ((_FAR, 4), (_NEAR, 1)):
        for match in instruction.finditer(text, 0, max(len(text) - size, 0)):
            after = match.end() + size
            distance = int.from_bytes(text[match.end() : after], "little", signed=True)
            target = (base + after + distance) & _ADDRESS_MASK
            if target in wanted:
                sites.setdefault(target, []).append(base + match.start())
