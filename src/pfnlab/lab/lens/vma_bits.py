"""The bit of ``vm_flags`` that moved: where VM_SEALED is in a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pfnlab.kernel.mm.flags import VM_SEALED

if TYPE_CHECKING:
    from pfnlab.lab.lens.view import KernelView

#: Where VM_SEALED is on 6.17 and later, which say so from 6.19 on.
_SEALED_LATER = 1 << 42


def sealed_bits(view: KernelView) -> int:
    """The bits of ``vm_flags`` that may be VM_SEALED in this kernel.

    Kernels that name their VMA bits say where it is; in the others it is one of two bits, and the other bit
    is unused.
    """
    try:
        return 1 << int(view.program.constant("VMA_SEALED_BIT").value_())
    except LookupError:
        return VM_SEALED | _SEALED_LATER


def smaps_bits(bits: int, sealed: int) -> int:
    """*bits* of ``vm_flags`` with VM_SEALED where the model has it; *sealed* is :func:`sealed_bits`."""
    return bits & ~sealed | (VM_SEALED if bits & sealed else 0)
