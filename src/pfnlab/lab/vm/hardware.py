"""Guest hardware, as given in a machine's name: ``qemu:7.3,cpus=4,memory=768,phys_bits=52``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pfnlab.base.errors import Misuse
from pfnlab.base.spelling import guess
from pfnlab.base.units import PHYSICAL_BITS
from pfnlab.programs.lang.ops import Program

if TYPE_CHECKING:
    from pfnlab.lab.vm.boots import GuestShape

FORMS = ("cpus=4", "memory=768 (MiB)", "phys_bits=52", "parameter=WORD")

#: Minimum and maximum of each number.
_BOUNDS = {"cpus": (1, 16), "memory": (128, 65_536), "phys_bits": (39, 52)}


@dataclass(frozen=True)
class Hardware:
    """Properties of all guests of one machine, beyond what a program needs; None for the default.

    :param cpus: the number of processors
    :param memory: RAM in MiB
    :param phys_bits: the width of a physical address in bits
    :param parameters: additional words for the kernel's command line; such guests are always booted
    """

    cpus: int | None = None
    memory: int | None = None
    phys_bits: int | None = None
    parameters: tuple[str, ...] = ()

    def applied(self, shape: GuestShape) -> GuestShape:
        """*shape* with this hardware, but with more processors or wider addresses if a program needs them."""
        return replace(
            shape,
            cpus=max(shape.cpus, self.cpus or 1),
            ram_mib=self.memory or shape.ram_mib,
            phys_bits=shape.phys_bits or self.phys_bits,
            parameters=(*shape.parameters, *self.parameters),
        )

    def lacking(self, program: Program) -> str | None:
        """The reason why *program* means something different on this hardware, or None."""
        tops = [device.name for device in program.devices if device.kind == "top"]
        if self.phys_bits != PHYSICAL_BITS or not tops:
            return None
        return (
            f"with {PHYSICAL_BITS}-bit physical addresses the last pages are a device of kind "
            f"`limit`, where a range up to the last page is never freed: write `limit` for `{tops[0]}`"
        )


#: Default guests have one processor, and as much RAM as the kernel's configuration needs.
USUAL = Hardware()


def read_hardware(machine: str, words: Sequence[str]) -> Hardware:
    """The hardware that *words* of a machine's name describe; Misuse if one is invalid or out of bounds."""
    numbers = dict[str, int]()
    parameters = list[str]()
    for word in words:
        key, equals, value = word.partition("=")
        if key == "parameter" and value:
            parameters.append(value)
        elif key in _BOUNDS and equals:
            if key in numbers:
                raise Misuse(f"machine {machine!r}: {key} is given twice: remove one")
            numbers[key] = _number(machine, key, value)
        else:
            known = [*_BOUNDS, "parameter"]
            meant = guess(key, known, "{}=")
            raise Misuse(f"machine {machine!r}: unknown word {word!r}: {meant}write {', '.join(FORMS)}")
    return Hardware(**numbers, parameters=tuple(parameters))


def _number(machine: str, key: str, value: str) -> int:
    least, most = _BOUNDS[key]
    number = int(value) if value.isascii() and value.isdecimal() else -1
    if not least <= number <= most:
        raise Misuse(f"machine {machine!r}: {key} must be a number from {least} to {most:,}, not {value!r}")
    return number
