"""The page attribute table: which cache mode each combination of cache bits selects (S1.2, S1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pfnlab.base.errors import Misuse
from pfnlab.kernel.hw.bits import PAGE_CACHE_MASK, PAGE_PAT, PAGE_PCD, PAGE_PWT
from pfnlab.kernel.hw.cachemode import CacheMode

# Memory type codes in a byte of IA32_CR_PAT (S1.2).
_CODE = {
    CacheMode.UC: 0,
    CacheMode.WC: 1,
    CacheMode.WT: 4,
    CacheMode.WP: 5,
    CacheMode.WB: 6,
    CacheMode.UC_MINUS: 7,
}
_MODE = {code: mode for mode, code in _CODE.items()}


@dataclass(frozen=True)
class PatConfig:
    """The contents of the eight PAT slots.

    :param slots: eight modes, slot 0 first
    :raises Misuse: if there are not eight slots, or slot 0 is not WB (the kernel would panic)
    """

    slots: tuple[CacheMode, ...]

    def __post_init__(self) -> None:
        if len(self.slots) != 8:
            raise Misuse(f"a PAT has 8 slots, not {len(self.slots)}")
        if self.slots[0] != CacheMode.WB:
            raise Misuse(f"slot 0 of a PAT must be wb, not {self.slots[0].short}")

    @classmethod
    def from_msr(cls, value: int) -> PatConfig:
        """The configuration encoded in the 64-bit MSR *value*; reserved codes read as WB (S1.2)."""
        return cls(tuple(_MODE.get((value >> 8 * slot) & 0xFF, CacheMode.WB) for slot in range(8)))

    @property
    def msr(self) -> int:
        """The 64-bit value of IA32_CR_PAT."""
        return sum(_CODE[mode] << 8 * slot for slot, mode in enumerate(self.slots))

    def boot_line(self) -> str:
        """The line logged at boot, with each slot padded to four characters (S1.2)."""
        return "x86/PAT: Configuration [0-7]: " + "".join(f"{mode.short.upper():4}" for mode in self.slots)

    def cachemode2protval(self, mode: CacheMode) -> int:
        """The cache bits, in 4K layout, of the lowest slot that holds *mode* (S1.4).

        A mode that is in no slot gets the bits of UC-.
        """
        return self._protval[mode]

    def pgprot2cachemode(self, prot: int) -> CacheMode:
        """The mode selected by the cache bits of *prot*, in 4K layout (S1.4)."""
        return self._cachemode[prot & PAGE_CACHE_MASK]

    @cached_property
    def _protval(self) -> tuple[int, ...]:
        # Indexed by mode. The default is the kernel's static table, from which only WB and UC differ.
        protval = [PAGE_PCD] * len(CacheMode)
        for slot in reversed(range(8)):
            protval[self.slots[slot]] = _slot_bits(slot)
        return tuple(protval)

    @cached_property
    def _cachemode(self) -> dict[int, CacheMode]:
        # Keyed by cache bits.
        return {_slot_bits(slot): mode for slot, mode in enumerate(self.slots)}


def _slot_bits(slot: int) -> int:
    # slot = PAT*4 + PCD*2 + PWT
    return PAGE_PAT * (slot >> 2 & 1) | PAGE_PCD * (slot >> 1 & 1) | PAGE_PWT * (slot & 1)


#: The PAT of every CPU made in the last two decades.
FULL_PAT = PatConfig.from_msr(0x0407_0506_0007_0106)
#: The PAT of early CPUs, whose PAT bit is unreliable: the upper half repeats the lower half.
ERRATA_PAT = PatConfig.from_msr(0x0007_0106_0007_0106)
#: A CPU's PAT at power-on, which the kernel emulates if PAT is disabled.
NO_PAT = PatConfig.from_msr(0x0007_0406_0007_0406)
