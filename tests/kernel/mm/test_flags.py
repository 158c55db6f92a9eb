"""The letters of VMA flags in smaps."""

from __future__ import annotations

from pfnlab.kernel.mm.flags import VM_MAYBE_GUARD, VM_MAYSHARE, VM_READ, VM_SOFTDIRTY, vm_flags_text


def test_flags_are_in_the_order_of_their_bits() -> None:
    """As smaps prints them."""
    assert "rd ms sd" == vm_flags_text(VM_SOFTDIRTY | VM_READ | VM_MAYSHARE)


def test_shared_memory_with_guard_regions() -> None:
    """Kernels from 6.19 on print a letter for it, which the lens must know."""
    assert "ms gu sd" == vm_flags_text(VM_MAYBE_GUARD | VM_MAYSHARE | VM_SOFTDIRTY)
