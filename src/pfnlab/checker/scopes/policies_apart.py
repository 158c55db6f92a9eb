"""Where two models can differ: in which attributes of their policies."""

from dataclasses import replace
from inspect import getattr_static
from typing import Any

from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.programs.model.model_machine import ModelMachine

#: Stands for code of a policy whose uses are not told apart.
ANY_POLICY = "any"


#: Attributes of classes that are no part of what a policy does, or of what follows from a state.
_OF_CLASSES = {
    *("__annotations__", "__dict__", "__doc__", "__init__", "__module__", "__weakref__", "__slots__"),
    *("__static_attributes__", "__firstlineno__", "__parameters__", "__orig_bases__"),
}


def policies_of(kernel: Kernel) -> list[tuple[str, Any]]:
    """The tracker and the flush placements of *kernel*, each with its seam."""
    return [("tracker", kernel.tracker), *(("flush", flushes) for flushes in kernel.flushes.each())]


def policies_apart(base: ModelMachine, design: ModelMachine) -> frozenset[str] | None:
    """The attributes of the base's tracker and flush placements that are others in the design.

    A step that uses none of them has the same effect on both models, from equal states. A method is another
    if it is another function; what it calls counts by itself.

    :return: each as ``SEAM.ATTRIBUTE``; None if the models also differ elsewhere, or in a way that attributes
        do not show
    """
    own, others = base.profile, design.profile
    if own == others:
        return frozenset()
    if own != replace(others, tracker=own.tracker, flushes=own.flushes):
        return None
    kernels = [machine.boot(qemu_q35(), {}) for machine in (base, design)]
    seams = [("tracker", [type(kernel.tracker) for kernel in kernels])]
    seams += [
        ("flush", [*map(type, pair)]) for pair in zip(*(kernel.flushes for kernel in kernels), strict=True)
    ]
    apart = {ANY_POLICY}
    for seam, (one, other) in seams:
        if one is not other and not (_in_line(one) and _in_line(other)):
            return None
        names = {*dir(one), *dir(other)}
        names = {name for name in names if _static(one, name) is not _static(other, name)} - _OF_CLASSES
        if any(name.startswith("__") for name in names):
            # Python calls it without reading an attribute.
            return None
        apart |= {f"{seam}.{name}" for name in names}
    return frozenset(apart)


def _static(kind: type, name: str) -> object:
    return getattr_static(kind, name, None)


def _in_line(kind: type) -> bool:
    """True if super() in a method means the same class wherever the method is inherited."""
    return all(len(base.__bases__) == 1 for base in kind.__mro__[:-1])
