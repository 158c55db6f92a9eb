"""Reading sizes: structures from a kernel's image, and slab caches from a guest that is booted for it."""

from __future__ import annotations

from collections.abc import Iterable

from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.inside import need_lens
from pfnlab.lens.btf import Btf
from pfnlab.lens.structure_sizes import SlabCache, StructureSize, size_of_structure
from pfnlab.lens.vmlinux import btf_of
from pfnlab.report.sizes.facts import STRUCTURES, SeriesSizes


def types_of(kernel: KernelImage) -> Btf:
    """
    The types in a kernel's image.

    :raises LensError: it has none
    """
    return Btf(btf_of(kernel.vmlinuz), name=kernel.label)


def structures_of(types: Btf) -> dict[str, StructureSize]:
    """The structures of :data:`STRUCTURES` that a kernel has."""
    sizes = {name: size_of_structure(types, name) for name in STRUCTURES}
    return {name: size for name, size in sizes.items() if size is not None}


def slabs_of(kernel: KernelImage, types: Btf) -> dict[str, SlabCache]:
    """
    The slab caches of a booted guest that has done nothing.

    :raises MissingTool: QEMU or a package of the lens is not here
    :raises LostGuest: it does not boot
    """
    need_lens()
    from pfnlab.lab.vm.qemu import Guest
    from pfnlab.lens.kallsyms import read_kallsyms
    from pfnlab.lens.memory import GuestRam
    from pfnlab.lens.program import image_physical, open_program
    from pfnlab.lens.slabs import SYMBOLS, read_slabs

    with Guest(kernel.vmlinuz, shared_ram=True) as guest:
        assert guest.ram is not None
        with GuestRam(guest.ram) as ram:
            info = ram.vmcoreinfo()
            symbols = read_kallsyms(
                lambda address, size: ram.read(image_physical(info, address), size), info, SYMBOLS
            )
            return read_slabs(open_program(ram, types, {}, info), types, symbols)


def series_sizes(kernel: KernelImage, others: Iterable[KernelImage], made_by: str) -> SeriesSizes:
    """
    What is kept of a series.

    :param kernel: the kernel that stands for it, which is booted for its slab caches
    :param others: the other kernels of the series, compared with it
    """
    types = types_of(kernel)
    structures = structures_of(types)
    alike, unlike = [], {}
    for other in others:
        its = structures_of(types_of(other))
        names = tuple(name for name in STRUCTURES if its.get(name) != structures.get(name))
        if names:
            unlike[other.version] = names
        else:
            alike.append(other.version)
    return SeriesSizes(
        series=kernel.series,
        package_version=kernel.version,
        release=kernel.release,
        sha256=kernel.sha256,
        made_by=made_by,
        structures=structures,
        slabs=slabs_of(kernel, types),
        alike=tuple(alike),
        unlike=unlike,
    )
