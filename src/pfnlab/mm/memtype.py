"""The memtype book: which physical ranges are mapped with which cache mode (S2)."""

from __future__ import annotations

from typing import NamedTuple

from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.platform import Platform
from pfnlab.trace import Trace


class MemtypeEntry(NamedTuple):
    """One reservation: bytes ``start`` up to and not including ``end``."""

    start: int
    end: int
    type: CacheMode


class MemtypeBook:
    """The reservations of one machine (public signatures; bodies follow)."""

    def __init__(
        self, platform: Platform, trace: Trace, *, end_match: bool, mtrr_merged_map: bool = True
    ) -> None:
        self.platform = platform
        self.trace = trace

    def reserve(self, start: int, end: int, req: CacheMode, *, who: str) -> CacheMode:
        """S2.2 with new_type: the granted mode."""
        raise NotImplementedError

    def reserve_exact(self, start: int, end: int, req: CacheMode, *, who: str) -> None:
        """S2.2 without new_type."""
        raise NotImplementedError

    def free(self, start: int, end: int, *, who: str) -> bool:
        """S2.4: False when the kernel returns -EINVAL."""
        raise NotImplementedError

    def lookup(self, paddr: int) -> CacheMode:
        """S2.6."""
        raise NotImplementedError

    def reserve_pfn_range(self, paddr: int, size: int, prot: int, *, strict: bool, who: str) -> int:
        """S2.10: the page protection to use."""
        raise NotImplementedError

    def free_pfn_range(self, paddr: int, size: int, *, who: str) -> None:
        """S2.10.6."""
        raise NotImplementedError

    def reserve_io(self, start: int, end: int, req: CacheMode, *, who: str) -> CacheMode:
        """S2.7."""
        raise NotImplementedError

    def free_io(self, start: int, end: int, *, who: str) -> bool:
        """S2.7."""
        raise NotImplementedError

    def kernel_map_sync(self, base: int, size: int, mode: CacheMode) -> None:
        """S2.8."""
        raise NotImplementedError

    def direct_map(self, paddr: int) -> CacheMode:
        """The mode the kernel's direct map has for the page of *paddr*."""
        raise NotImplementedError

    def set_memory_uc(self, start: int, end: int, *, who: str) -> None:
        """S2.9."""
        raise NotImplementedError

    def set_memory_wc(self, start: int, end: int, *, who: str) -> None:
        """S2.9."""
        raise NotImplementedError

    def set_memory_wb(self, start: int, end: int, *, who: str) -> None:
        """S2.9."""
        raise NotImplementedError

    def entries(self) -> list[MemtypeEntry]:
        """All reservations in debugfs order."""
        raise NotImplementedError

    def debugfs(self) -> str:
        """S2.11."""
        raise NotImplementedError

    def copy(self, trace: Trace) -> MemtypeBook:
        """An independent book with the same content that writes to *trace*."""
        raise NotImplementedError

    def _check(self) -> None:
        raise NotImplementedError
